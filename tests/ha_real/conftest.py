"""One Home Assistant and one bridge for the tests of the integration, which run in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from home import Home
from plant import Bridge


@pytest.fixture(scope="session")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge with 19 inverters and 37 ports."""
    made = Bridge(tmp_path_factory.mktemp("bridge"))
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="session")
def home(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A Home Assistant that knows the bridge."""
    made = Home(tmp_path_factory.mktemp("home"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
