"""Push and polling, and the registration that makes the bridge push again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import ClientWebSocketResponse
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.network import NoURLAvailableError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN
from custom_components.hoymiles_smiles.coordinator import FORGET_TIMEOUT
from custom_components.hoymiles_smiles.push import CLOSE_TIMEOUT

from .conftest import TOKEN, pass_time, push, set_up, settle, until
from .fake import ONE, FakeBridge

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]
POWER = f"sensor.inverter_{ONE}_pv_power"
REGISTRATION = "custom_components.hoymiles_smiles.registration"
REGISTER = "/api/websocket/register"


async def test_does_not_poll_while_push_works(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    asked = bridge.asked("/api/inverters")
    for _ in range(10):
        await push(hass, socket, bridge.copy())
        await pass_time(hass, 100)
    assert bridge.asked("/api/inverters") == asked
    await socket.close()


async def test_polls_after_two_intervals_without_push_until_push_returns(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    await push(hass, socket, bridge.copy())
    bridge.data["inverters"][0]["pv_power"] = 7.5
    await pass_time(hass, 118)
    assert hass.states.get(POWER).state == "206.3"
    await pass_time(hass, 122)
    assert hass.states.get(POWER).state == "7.5"
    assert not loaded.runtime_data.coordinator.data.is_pushed
    bridge.data["inverters"][0]["pv_power"] = 8.5
    await pass_time(hass, 61)
    assert hass.states.get(POWER).state == "8.5"
    bridge.data["inverters"][0]["pv_power"] = 9.5
    await push(hass, socket, bridge.copy())
    assert hass.states.get(POWER).state == "9.5"
    asked = bridge.asked("/api/inverters")
    await pass_time(hass, 100)
    assert bridge.asked("/api/inverters") == asked
    await socket.close()


@pytest.mark.parametrize("way", ["push", "poll"])
async def test_logs_once_that_the_bridge_is_back(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    coordinator = loaded.runtime_data.coordinator

    def logged(level: int) -> int:
        lines = [text for _, at, text in caplog.record_tuples if at == level]
        return sum(1 for text in lines if "Error fetching" in text or "data recovered" in text)

    socket = await connect()
    await socket.receive_json()
    await push(hass, socket, bridge.copy())
    assert logged(logging.INFO) == 0
    await bridge.stop()
    for _ in range(2):
        await coordinator.async_refresh()
    assert (logged(logging.ERROR), logged(logging.INFO)) == (1, 0)
    await bridge.start()
    for one in (way, "push", "poll"):
        if one == "push":
            await push(hass, socket, bridge.copy())
        else:
            await coordinator.async_refresh()
        assert (logged(logging.ERROR), logged(logging.INFO)) == (1, 1)
    await socket.close()


async def test_keeps_a_push_that_arrives_during_a_poll(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    coordinator = loaded.runtime_data.coordinator
    pushed = bridge.copy()
    pushed["inverters"][0]["pv_power"] = 99.0

    def meanwhile(path: str) -> None:
        if path == "/api/meters":
            coordinator.async_take_push(pushed)

    bridge.before_answer = meanwhile
    await coordinator.async_refresh()
    assert hass.states.get(POWER).state == "99.0"


async def test_registers_at_every_start_with_the_same_token(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    url = f"ws://127.0.0.1:8123/api/hoymiles_smiles/ws?token={TOKEN}"
    assert bridge.registered == [{"websocket_url": url, "name": "Home Assistant"}]
    await hass.config_entries.async_reload(loaded.entry_id)
    await until(lambda: len(bridge.registered) == 2)
    assert bridge.registered[1] == bridge.registered[0]


@pytest.mark.parametrize(
    ("options", "internal", "expected"),
    [
        ({}, "http://192.168.1.5:8123", "ws://192.168.1.5:8123"),
        ({}, "https://home.test", "wss://home.test"),
        ({"callback_url": "https://far.test:444"}, "http://192.168.1.5", "wss://far.test:444"),
    ],
)
async def test_registers_the_internal_or_configured_url(
    hass: HomeAssistant,
    bridge: FakeBridge,
    entry: MockConfigEntry,
    options: dict[str, str],
    internal: str,
    expected: str,
) -> None:
    hass.config.internal_url = internal
    hass.config_entries.async_update_entry(entry, options=options)
    await set_up(hass, entry, bridge)
    assert bridge.registered[0]["websocket_url"].startswith(f"{expected}/api/hoymiles_smiles/ws?")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_polls_if_there_is_no_internal_url(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, options={})
    with patch(f"{REGISTRATION}.get_url", side_effect=NoURLAvailableError):
        assert await async_setup_component(hass, DOMAIN, {})
        await until(lambda: entry.state is ConfigEntryState.LOADED)
        await until(lambda: entry.runtime_data.coordinator.registration.reason)
        assert "internal URL" in entry.runtime_data.coordinator.registration.reason
        assert hass.states.get(POWER).state == "206.3"
        await hass.config_entries.async_remove(entry.entry_id)
    assert bridge.registered == []


async def test_registers_again_with_a_bridge_that_forgot_the_registration(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    registration = loaded.runtime_data.coordinator.registration
    socket = await connect()
    await socket.receive_json()
    await socket.close()
    await until(lambda: registration.down_since)
    # The bridge stops, starts again, and has lost its registrations.
    await bridge.stop()
    await pass_time(hass, 6)
    assert "cannot be reached" in registration.reason
    bridge.data["health"]["start_time"] = "2026-06-01T12:30:00+02:00"
    await bridge.start()
    assert len(bridge.registered) == 1
    await pass_time(hass, 11)
    assert len(bridge.registered) == 2
    # It has kept the new one: it reconnects by itself, and reports why it cannot.
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws?token=***"
    target = {"name": "Home Assistant", "url": url, "last_error": "connection refused"}
    bridge.targets = [target | {"last_error_cause": "connection_refused"}]
    for _ in range(4):
        await pass_time(hass, 31)
    assert len(bridge.registered) == 2
    assert registration.reason == "connection refused"
    assert registration.cause == "connection_refused"
    bridge.targets[0]["last_error_remedy"] = "Start Home Assistant"
    await pass_time(hass, 31)
    assert registration.reason == "connection refused\n\n→ Start Home Assistant"
    # Now the registration is gone without a restart.
    bridge.targets = []
    await pass_time(hass, 31)
    assert len(bridge.registered) == 3
    socket = await connect()
    await socket.receive_json()
    assert registration.down_since is None
    await pass_time(hass, 60)
    assert len(bridge.registered) == 3
    await socket.close()


@pytest.mark.parametrize(
    ("base", "listed", "registrations"),
    [
        ("http://home", "ws://home:80/api/hoymiles_smiles/ws?token=***", 1),
        ("https://home", "wss://home:443/api/hoymiles_smiles/ws?token=***", 1),
        ("https://home:443", "wss://home:443/api/hoymiles_smiles/ws?token=***", 1),
        ("http://HOME:8123/", "ws://home:8123/api/hoymiles_smiles/ws", 1),
        ("http://[0:0::1]:8123", "ws://[::1]:8123/api/hoymiles_smiles/ws", 1),
        ("https://home/behind", "wss://home:443/...", 1),
        ("http://home", "ws://home:8123/api/hoymiles_smiles/ws", 2),
        ("http://home", "wss://home:80/api/hoymiles_smiles/ws", 2),
        ("http://home", "ws://other:80/api/hoymiles_smiles/ws", 2),
        ("http://home", "ws://home:80/...", 2),
        ("http://home", "ws://home:80/elsewhere", 2),
        ("http://home", "ws://[home", 2),
        ("http://home", None, 2),
    ],
)
async def test_recognises_its_own_target(
    hass: HomeAssistant,
    bridge: FakeBridge,
    entry: MockConfigEntry,
    base: str,
    listed: str | None,
    registrations: int,
) -> None:
    error = "no route to host"
    bridge.targets = [{"name": "a/b", "url": listed, "last_error": error, "source": "registered"}]
    hass.config_entries.async_update_entry(entry, options={"callback_url": base})
    await set_up(hass, entry, bridge)
    await pass_time(hass, 6)
    assert len(bridge.registered) == registrations
    is_found = registrations == 1
    assert (entry.runtime_data.coordinator.registration.reason == error) == is_found
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    deleted = [one for one in bridge.requests if one.startswith("DELETE")]
    assert deleted == (["DELETE /api/targets/a%2Fb"] if is_found else [])


async def test_does_not_register_again_if_targets_are_not_listed(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    bridge.answers["/api/targets"] = (404, {"error": "nothing here"})
    for _ in range(9):
        await pass_time(hass, 31)
    assert len(bridge.registered) == 1


@pytest.mark.parametrize("path", [REGISTER, "/health"])
async def test_repeats_a_request_on_a_closed_connection(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, path: str
) -> None:
    bridge.closes_once_at = path
    await set_up(hass, entry, bridge)
    assert entry.runtime_data.coordinator.registration.reason is None
    assert len(bridge.registered) == 1
    await hass.config_entries.async_unload(entry.entry_id)


async def test_does_not_register_after_the_entry_was_unloaded(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    registration = loaded.runtime_data.coordinator.registration

    def close_meanwhile(path: str) -> None:
        if path == "/api/targets":
            registration.close()

    bridge.before_answer = close_meanwhile
    await pass_time(hass, 6)
    assert bridge.asked("/api/targets") == 1
    assert len(bridge.registered) == 1


async def test_registers_again_after_many_checks_without_a_connection(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [{"name": "x", "url": url, "last_error": None}]
    for _ in range(11):
        await pass_time(hass, 31)
    assert len(bridge.registered) == 2


async def test_logs_a_refused_registration_once(
    hass: HomeAssistant,
    bridge: FakeBridge,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bridge.answers[REGISTER] = (403, {"error": "websocket_url: 10.0.0.9 is not allowed"})
    await set_up(hass, entry, bridge)
    await pass_time(hass, 6)
    await pass_time(hass, 11)
    assert bridge.asked(REGISTER) == 3
    assert (
        caplog.text.count("does not push to Home Assistant: websocket_url: 10.0.0.9 is not allowed")
        == 1
    )
    del bridge.answers[REGISTER]
    await pass_time(hass, 21)
    assert len(bridge.registered) == 1
    await hass.config_entries.async_unload(entry.entry_id)


async def test_retries_a_failed_registration(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    bridge.answers[REGISTER] = (200, "not json")
    await set_up(hass, entry, bridge)
    await until(lambda: entry.runtime_data.coordinator.registration.reason)
    assert "not like a Hoymiles bridge" in entry.runtime_data.coordinator.registration.reason
    del bridge.answers[REGISTER]
    await pass_time(hass, 6)
    assert len(bridge.registered) == 1
    await hass.config_entries.async_unload(entry.entry_id)


async def test_removing_the_entry_removes_its_registration(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    ours = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [
        {"name": "Other", "url": "ws://10.0.0.1/x", "source": "registered"},
        {"name": "Home Assistant 2", "url": f"{ours}?token=***", "source": "registered"},
        "invalid",
    ]
    await hass.config_entries.async_remove(loaded.entry_id)
    await hass.async_block_till_done()
    deleted = [one for one in bridge.requests if one.startswith("DELETE")]
    assert deleted == ["DELETE /api/targets/Home%20Assistant%202"]


def _listed(*addresses: str) -> list[dict[str, Any]]:
    path = "api/hoymiles_smiles/ws?token=***"
    return [{"name": one, "url": f"ws://{one}/{path}", "source": "registered"} for one in addresses]


async def _change_address(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, address: str
) -> list[str]:
    """Set another callback URL, and return the requests that change something at the bridge."""
    tries, asked = bridge.asked(REGISTER), len(bridge.requests)
    options = {**entry.options, "callback_url": f"http://{address}"}
    hass.config_entries.async_update_entry(entry, options=options)
    await until(lambda: bridge.asked(REGISTER) > tries)
    await until(lambda: entry.runtime_data.coordinator.registration.has_begun)
    await settle(hass)
    return [one for one in bridge.requests[asked:] if not one.startswith("GET")]


async def test_replaces_the_registration_when_the_url_changes(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    bridge.targets = _listed("127.0.0.1:8123", "10.0.0.1:8123")
    changes = await _change_address(hass, bridge, loaded, "wrong.test:8123")
    # In this order: otherwise a working old address would hide a wrong new one.
    assert changes == ["DELETE /api/targets/127.0.0.1%3A8123", f"POST {REGISTER}"]
    # Loaded once: what the integration stores by itself is not a change of settings.
    assert bridge.asked("/stats") == 2
    bridge.targets = _listed("10.0.0.1:8123", "wrong.test:8123")
    changes = await _change_address(hass, bridge, loaded, "127.0.0.1:8123")
    assert changes == ["DELETE /api/targets/wrong.test%3A8123", f"POST {REGISTER}"]
    await hass.config_entries.async_reload(loaded.entry_id)
    await until(lambda: len(bridge.registered) == 4)
    assert sum(1 for one in bridge.requests if one.startswith("DELETE")) == 2


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/targets", (404, {"error": "nothing here"})),
        ("/api/targets/127.0.0.1:8123", (503, {"error": "the disk is full"})),
    ],
)
async def test_removes_an_old_registration_later_if_it_failed_at_first(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    path: str,
    answer: tuple[int, object],
) -> None:
    bridge.targets = _listed("127.0.0.1:8123")
    bridge.answers[path] = answer
    changes = await _change_address(hass, bridge, loaded, "second.test:8123")
    assert changes[-1] == f"POST {REGISTER}"
    del bridge.answers[path]
    bridge.targets = _listed("127.0.0.1:8123", "second.test:8123")
    asked = len(bridge.requests)
    with patch(f"{REGISTRATION}.get_url", side_effect=NoURLAvailableError):
        hass.config_entries.async_update_entry(loaded, options={})
        await settle(hass)
        await hass.config_entries.async_remove(loaded.entry_id)
    deleted = [one for one in bridge.requests[asked:] if one.startswith("DELETE")]
    assert deleted == [
        "DELETE /api/targets/127.0.0.1%3A8123",
        "DELETE /api/targets/second.test%3A8123",
    ]


async def test_does_not_register_a_new_url_after_the_entry_was_unloaded(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    registration = loaded.runtime_data.coordinator.registration
    data = {**loaded.data, "addresses": ["ws://before.test/api/hoymiles_smiles/ws"]}
    hass.config_entries.async_update_entry(loaded, data=data)
    bridge.data["health"]["start_time"] = "2026-06-01T12:30:00+02:00"

    def close_meanwhile(path: str) -> None:
        if path == "/api/targets":
            registration.close()

    bridge.before_answer = close_meanwhile
    await pass_time(hass, 6)
    assert bridge.asked("/api/targets") == 1
    assert loaded.data["addresses"] == ["ws://before.test/api/hoymiles_smiles/ws"]
    assert len(bridge.registered) == 1


async def test_removes_the_entry_although_the_bridge_hangs(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert FORGET_TIMEOUT + CLOSE_TIMEOUT <= 8
    monkeypatch.setattr("custom_components.hoymiles_smiles.coordinator.FORGET_TIMEOUT", 0.1)
    bridge.hangs = asyncio.Event()
    async with asyncio.timeout(5):
        await hass.config_entries.async_remove(loaded.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []
    bridge.hangs.set()


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("/health", (200, []), "/health is not a health object"),
        ("/health", (200, "hello"), "not like a Hoymiles bridge"),
        ("/api/inverters", (200, {}), "/api/inverters is not a list"),
        ("/stats", (500, {"error": "the disk is full"}), "the disk is full"),
        ("/stats", (500, "oops"), "HTTP status 500"),
        ("/health", (200, {"dtus": {}, "healthy": 1}), None),
        ("/stats", (200, []), None),
        ("/api/plant", (404, {}), None),
        ("/api/plant", (200, []), None),
        ("/api/meters", (404, {}), None),
        ("/api/meters", (200, {}), None),
    ],
)
async def test_reports_unexpected_answers_and_tolerates_older_bridges(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    path: str,
    answer: tuple[int, object],
    reason: str | None,
) -> None:
    bridge.answers[path] = answer
    coordinator = loaded.runtime_data.coordinator
    await coordinator.async_refresh()
    assert coordinator.last_update_success == (reason is None)
    assert reason is None or reason in str(coordinator.last_exception)


async def test_reports_malformed_answers(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coordinator = loaded.runtime_data.coordinator

    async def nothing() -> dict[str, object]:
        return {}

    monkeypatch.setattr(coordinator, "_poll", nothing)
    await coordinator.async_refresh()
    assert "health is not an object" in str(coordinator.last_exception)


async def test_reports_a_timeout(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coordinator = loaded.runtime_data.coordinator

    async def late(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise TimeoutError

    monkeypatch.setattr(coordinator.client, "_read", late)
    await coordinator.async_refresh()
    assert "did not answer in time" in str(coordinator.last_exception)


async def test_shows_the_values_of_an_unhealthy_bridge(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    bridge.data["health"]["healthy"] = False
    await set_up(hass, entry, bridge)
    assert hass.states.get(POWER).state == "206.3"
    assert hass.states.get("binary_sensor.hoymiles_bridge_healthy").state == "off"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_retries_setup_and_reports_the_reason(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    await bridge.stop()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert "cannot be reached" in entry.reason


async def test_starts_reauth_when_the_access_token_is_refused(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    for path in ("/api/inverters", "/api/plant"):
        bridge.answers[path] = (401, {"error": "a bearer token is needed"})
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    flows = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert [flow["context"]["source"] for flow in flows] == [SOURCE_REAUTH]


async def test_applies_options_at_once(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    options = {**loaded.options, "scan_interval": 15}
    hass.config_entries.async_update_entry(loaded, options=options)
    await until(lambda: len(bridge.registered) == 2)
    await hass.async_block_till_done()
    asked = bridge.asked("/api/inverters")
    await pass_time(hass, 16)
    assert bridge.asked("/api/inverters") == asked + 1
