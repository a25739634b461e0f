"""One bridge for all tests, and one proxy of each kind."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver
from servers import ALL, HOST, TOKEN, Bridge, Certificate, Proxy, installed

Logged = Callable[[], str]

# So that the client is not at the proxy's address.
CLIENT = "127.0.0.2"


class Resolver(AbstractResolver):
    """Resolves the tests' only name."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        """Return the proxy's address."""
        assert host == HOST, host
        entry = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [{**entry, "family": family or socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return the proxies' certificate."""
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """Return a running bridge."""
    running = Bridge(tmp_path_factory.mktemp("bridge") / "state")
    yield running
    running.stop()


@pytest.fixture
def logged(bridge: Bridge) -> Logged:
    """Return what the bridge has logged since the test began."""
    before = len(bridge.log)
    return lambda: bridge.log[before:]


@pytest.fixture(scope="session", params=ALL)
def proxy(
    request: pytest.FixtureRequest,
    bridge: Bridge,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """Return each proxy in turn."""
    name = request.param
    if not installed(name):
        assert not os.environ.get("CI"), f"in CI, {name} must be installed"
        pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp(name) / "proxy"
    running = ALL[name](folder, bridge.address, certificate)
    yield running
    running.stop()


def client_session(certificate: Certificate, **options: Any) -> aiohttp.ClientSession:
    """Return a client at an address of its own."""
    connector = aiohttp.TCPConnector(
        resolver=Resolver(), ssl=certificate.client(), local_addr=(CLIENT, 0), force_close=True
    )
    jar = aiohttp.CookieJar()
    return aiohttp.ClientSession(connector=connector, cookie_jar=jar, **options)


@pytest_asyncio.fixture
async def program(certificate: Certificate) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a program's session, which sends the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with client_session(certificate, headers=headers) as session:
        yield session


@pytest_asyncio.fixture
async def browser(certificate: Certificate) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a browser's session, without a token."""
    async with client_session(certificate) as session:
        yield session
