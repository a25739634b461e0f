"""The WebSocket endpoint: which connections it accepts, and how it answers messages."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hoymiles_smiles.const import DOMAIN, PUSH_PATH

from .conftest import TOKEN, push, until
from .fake import ONE, FakeBridge

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]
POWER = f"sensor.inverter_{ONE}_pv_power"


async def test_accepts_the_token_and_applies_updates(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    socket = await connect()
    assert await socket.receive_json() == {"type": "connected", "status": "ready"}
    for power in (411.0, 87.5):
        bridge.data["inverters"][0]["pv_power"] = power
        assert await push(hass, socket, bridge.copy()) == {
            "type": "ack",
            "inverters": 2,
            "ports": 3,
        }
        assert hass.states.get(POWER).state == str(power)
    for line in (
        "[WebSocket Server] ✓ Connection established from bridge (127.0.0.1) for entry ",
        "Processing update: 2 inverters, 3 ports",
        "[WebSocket Push] ✓ Received data from bridge: 2 inverters, 3 ports",
    ):
        assert line in caplog.text
    assert TOKEN not in caplog.text
    await socket.close()


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ü"])
async def test_refuses_a_wrong_token_without_a_ban(
    hass: HomeAssistant, connect: Connect, token: str
) -> None:
    socket = await connect(token)
    assert await socket.receive_json() == {"error": "Invalid authentication token"}
    assert (await socket.receive()).type is WSMsgType.CLOSE
    assert hass.states.get(POWER).state == "206.3"


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ('{"type": "ping"}', {"type": "pong"}),
        ('{"type": "other"}', {"type": "ignored"}),
        ("{}", {"type": "ignored"}),
        ("[]", {"type": "ignored"}),
        ("no json", {"type": "nack", "reason": "not JSON"}),
        ('{"type": "update"}', {"type": "nack", "reason": "data is not an object"}),
        ('{"type": "update", "data": {}}', {"type": "nack", "reason": "health is not an object"}),
        (
            '{"type": "update", "data": {"health": {}, "inverters": null}}',
            {"type": "nack", "reason": "inverters is not a list"},
        ),
    ],
)
async def test_answers_every_message_and_ignores_malformed_data(
    hass: HomeAssistant, connect: Connect, message: str, answer: dict[str, Any]
) -> None:
    socket = await connect()
    await socket.receive_json()
    before = hass.states.get(POWER).state
    await socket.send_str(message)
    assert await socket.receive_json(timeout=5) == answer
    await hass.async_block_till_done()
    assert hass.states.get(POWER).state == before
    await socket.close()


async def test_ignores_binary_messages(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    await socket.send_bytes(json.dumps({"type": "update", "data": bridge.copy()}).encode())
    await socket.send_json({"type": "ping"})
    assert await socket.receive_json(timeout=5) == {"type": "pong"}
    await socket.close()


async def test_serves_two_connections_at_once(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    sockets = loaded.runtime_data.coordinator.sockets
    first, second = await connect(), await connect()
    await first.receive_json()
    await second.receive_json()
    await first.close()
    assert (await push(hass, second, bridge.copy()))["type"] == "ack"
    assert sockets.is_connected
    await second.close()
    await until(lambda: not sockets.is_connected)


async def test_closes_a_connection_that_was_reset(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[web.WebSocketResponse] = []

    class Noted(web.WebSocketResponse):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            served.append(self)

    monkeypatch.setattr("custom_components.hoymiles_smiles.push.web.WebSocketResponse", Noted)
    socket = await connect()
    await socket.receive_json()
    assert not served[0].closed
    socket._response.connection.transport.abort()
    await until(lambda: served[0].closed)


async def test_unloading_closes_the_connection(
    hass: HomeAssistant, loaded: MockConfigEntry, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    await hass.config_entries.async_unload(loaded.entry_id)
    closing = await socket.receive()
    assert (closing.type, closing.data) == (WSMsgType.CLOSE, 1001)
    await hass.async_block_till_done()


async def test_stopping_home_assistant_closes_the_connection(
    hass: HomeAssistant, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    assert (await socket.receive()).type is WSMsgType.CLOSE
    await hass.async_block_till_done()


async def test_unloads_although_the_bridge_does_not_read(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takes = asyncio.Event()

    class Full(web.WebSocketResponse):
        async def close(self, **options: Any) -> bool:
            await takes.wait()
            return await super().close(**options)

    monkeypatch.setattr("custom_components.hoymiles_smiles.push.web.WebSocketResponse", Full)
    monkeypatch.setattr("custom_components.hoymiles_smiles.push.CLOSE_TIMEOUT", 0.1)
    socket = await connect()
    await socket.receive_json()
    async with asyncio.timeout(5):
        await hass.config_entries.async_unload(loaded.entry_id)
    takes.set()
    await socket.close()
    await hass.async_block_till_done()


async def test_refuses_connections_while_the_entry_unloads(
    hass: HomeAssistant, loaded: MockConfigEntry, connect: Connect
) -> None:
    sockets = loaded.runtime_data.coordinator.sockets
    await sockets.close("The entry is unloaded")
    assert loaded.state is ConfigEntryState.LOADED
    with pytest.raises(WSServerHandshakeError) as refused:
        await connect()
    assert refused.value.status == 503
    assert not sockets.is_connected


def _timers(hass: HomeAssistant) -> list[str]:
    """Return the integration's timers; the event loop has no public list of them."""
    timers = [timer for timer in hass.loop._scheduled if not timer.cancelled()]
    lines = [f"{timer._callback!r} {timer._args!r}" for timer in timers]
    return [one for one in lines if "hoymiles_smiles" in one]


async def test_unloading_leaves_no_task_timer_or_listener(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    await hass.config_entries.async_unload(loaded.entry_id)
    listeners = hass.bus.async_listeners()[EVENT_HOMEASSISTANT_STOP]
    for number in range(3):
        await hass.config_entries.async_setup(loaded.entry_id)
        await until(lambda: loaded.runtime_data.coordinator.registration.has_begun)
        socket = await connect()
        await socket.receive_json()
        await push(hass, socket, bridge.copy())
        if number == 1:
            # Checking for the lost connection has a timer of its own.
            await socket.close()
            await until(lambda: loaded.runtime_data.coordinator.registration.down_since)
        assert _timers(hass)
        sockets = loaded.runtime_data.coordinator.sockets
        unloading = hass.async_create_task(hass.config_entries.async_unload(loaded.entry_id))
        await socket.receive()
        assert await unloading
        await hass.async_block_till_done()
        assert _timers(hass) == []
        assert not sockets.is_connected
        assert not loaded._tasks | loaded._background_tasks
        assert hass.bus.async_listeners()[EVENT_HOMEASSISTANT_STOP] == listeners


async def test_a_connection_attempt_ends_the_wait_for_setup(
    hass: HomeAssistant,
    bridge: FakeBridge,
    entry: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    await bridge.stop()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await bridge.start()
    client = await hass_client_no_auth()
    with pytest.raises(WSServerHandshakeError) as refused:
        await client.ws_connect(f"{PUSH_PATH}?token={TOKEN}")
    assert refused.value.status == 503
    await until(lambda: entry.state is ConfigEntryState.LOADED)
    await until(lambda: bridge.registered)
    await hass.async_block_till_done()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_refuses_connections_for_an_entry_that_is_not_loaded(
    hass: HomeAssistant, loaded: MockConfigEntry, connect: Connect
) -> None:
    await hass.config_entries.async_unload(loaded.entry_id)
    with pytest.raises(WSServerHandshakeError):
        await connect()
    assert loaded.state is ConfigEntryState.NOT_LOADED
