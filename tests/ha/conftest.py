"""A Home Assistant, a fake bridge, and the connection between them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hoymiles_smiles.const import DOMAIN, PUSH_PATH

from .fake import FakeBridge

TOKEN = "kept-since-the-entry-was-made"


@pytest.fixture(autouse=True)
def _ready(
    enable_custom_integrations: None, socket_enabled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Load the integration, and allow connections to the loopback."""
    # Tests that move the clock would make the bridge miss heartbeats.
    monkeypatch.setattr("custom_components.hoymiles_smiles.push.HEARTBEAT", None)


@pytest.fixture
async def bridge() -> AsyncIterator[FakeBridge]:
    """A bridge that answers."""
    fake = FakeBridge()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
def entry(hass: HomeAssistant, bridge: FakeBridge) -> MockConfigEntry:
    """An entry for that bridge that is not set up yet, with its address as unique id."""
    made = MockConfigEntry(
        domain=DOMAIN,
        title="Hoymiles bridge",
        unique_id=f"{bridge.host}:{bridge.port}",
        data={"host": bridge.host, "port": bridge.port, "push_token": TOKEN},
        options={"callback_url": "http://127.0.0.1:8123"},
        version=2,
    )
    made.add_to_hass(hass)
    return made


@pytest.fixture
async def loaded(
    hass: HomeAssistant, entry: MockConfigEntry, bridge: FakeBridge
) -> AsyncIterator[MockConfigEntry]:
    """The entry, set up and registered."""
    await set_up(hass, entry, bridge)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)


async def set_up(hass: HomeAssistant, entry: MockConfigEntry, bridge: FakeBridge) -> None:
    """Set up the entry, and wait until it has tried to register."""
    tries = bridge.asked("/api/websocket/register")
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    await until(lambda: bridge.asked("/api/websocket/register") > tries)
    await until(lambda: entry.runtime_data.coordinator.registration.has_begun)
    await settle(hass)


@pytest.fixture
def connect(
    loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> Callable[..., Awaitable[ClientWebSocketResponse]]:
    """Connect as the bridge does."""

    async def dial(token: str = TOKEN) -> ClientWebSocketResponse:
        client = await hass_client_no_auth()
        return await client.ws_connect(f"{PUSH_PATH}?token={token}")

    return dial


async def push(hass: HomeAssistant, socket: ClientWebSocketResponse, data: Any) -> dict[str, Any]:
    """Send an update, and wait for the answer."""
    await socket.send_json({"type": "update", "data": data})
    answer: dict[str, Any] = await socket.receive_json(timeout=5)
    await hass.async_block_till_done()
    return answer


async def pass_time(hass: HomeAssistant, seconds: float) -> None:
    """Run everything that is due within so many seconds from now."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
    await settle(hass)


async def settle(hass: HomeAssistant) -> None:
    """Wait until nothing is left to do; newer versions poll in the background."""
    settled = hass.async_block_till_done
    if "wait_background_tasks" in inspect.signature(settled).parameters:
        await settled(wait_background_tasks=True)
    else:
        await settled()


async def until(is_so: Callable[[], object]) -> None:
    """Wait for something that happens in the background."""
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)
