"""Recovery after restarts of Home Assistant and the bridge in each order, and after lost push.

Continues with the Home Assistant of `test_values`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest

from home import Home, wait_for
from plant import Bridge
from pushed import (
    BACK_WITHIN,
    PUSHED,
    all_right,
    entry_id,
    is_pushed_to,
    lags_rightly,
    pushes,
    registry,
)

# Seconds that a busy machine may add.
SLOWNESS = 5


def restart_home(home: Home, _: Bridge) -> None:
    home.stop()
    home.start()


def kill_home(home: Home, _: Bridge) -> None:
    home.stop(signal.SIGKILL)
    home.start()


def restart_bridge(_: Home, bridge: Bridge) -> None:
    bridge.stop()
    bridge.start()


def restart_bridge_that_forgets(_: Home, bridge: Bridge) -> None:
    bridge.stop()
    bridge.forget_everything()
    bridge.start()


def home_comes_first(home: Home, bridge: Bridge) -> None:
    bridge.stop()
    home.stop()
    home.start()
    bridge.start()


def bridge_comes_first(home: Home, bridge: Bridge) -> None:
    home.stop()
    bridge.stop()
    bridge.start()
    home.start()


def registration_is_removed(_: Home, bridge: Bridge) -> None:
    bridge.forget_target()


@pytest.mark.parametrize(
    "happens",
    [
        restart_home,
        kill_home,
        restart_bridge,
        restart_bridge_that_forgets,
        home_comes_first,
        bridge_comes_first,
        registration_is_removed,
    ],
)
def test_push_returns_without_losing_or_doubling_entities(
    home: Home, bridge: Bridge, happens: Callable[[Home, Bridge], None]
) -> None:
    wait_for("push", lambda: is_pushed_to(home), BACK_WITHIN)
    before = registry(home)
    happens(home, bridge)
    known, began = pushes(home), time.monotonic()
    wait_for("push is back", lambda: pushes(home) > known and is_pushed_to(home), BACK_WITHIN)
    print(f"{happens.__name__}: push is back after {time.monotonic() - began:.1f} s")
    assert registry(home) == before
    wait_for("all entities are right", lambda: all_right(home, bridge), 20)


def test_polls_until_push_returns(home: Home, bridge: Bridge) -> None:
    flow = "/api/config/config_entries/options/flow"
    form = home.post(flow, {"handler": entry_id(home)})
    interval = 10
    home.post(f"{flow}/{form['flow_id']}", {"scan_interval": interval})
    wait_for("push", lambda: is_pushed_to(home), BACK_WITHIN)
    bridge.stop()
    bridge.forget_everything()
    bridge.start(HOYMILES__HTTP__REGISTRATION__ENABLED="false")
    known = pushes(home)
    silent_since = home.logged_at(PUSHED)[-1]

    def polls() -> list[datetime]:
        return [at for at in home.logged_at("Finished fetching") if at > silent_since]

    candidates: list[dict[str, str]] = []
    wait_for("values come by polling", lambda: lags_rightly(home, bridge, candidates), 90)
    candidates.clear()
    polled = len(polls())
    wait_for("and go on to", lambda: len(polls()) > polled + 1, 90)
    wait_for("the newer ones, too", lambda: lags_rightly(home, bridge, candidates), 90)
    assert pushes(home) == known
    assert not is_pushed_to(home)
    assert "does not push to Home Assistant" in home.log
    first, *later = (
        (at - before).total_seconds() for before, at in pairwise([silent_since, *polls()])
    )
    assert first < 2 * interval + SLOWNESS, f"the first poll came after {first} s"
    assert max(later) < interval + SLOWNESS, f"there were {later} s between two polls"
    bridge.stop()
    bridge.start()
    wait_for("push returns", lambda: pushes(home) > known and is_pushed_to(home), 90)


def test_logs_no_unexpected_errors(home: Home, bridge: Bridge) -> None:
    took = home.stop()
    assert took < 10, f"stopping took {took:.1f} s"
    errors = [line for line in home.log.splitlines() if "ERROR" in line or "Traceback" in line]
    # That the bridge was away is logged once each time.
    assert not [line for line in errors if "Error fetching Hoymiles bridge" not in line]
    assert "panicked" not in bridge.log
