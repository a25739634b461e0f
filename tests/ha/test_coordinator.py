"""Push and polling take turns, and the bridge is made to come again when it has gone."""

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


async def test_no_question_is_asked_while_push_works(
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


async def test_polling_takes_over_after_two_silent_intervals_and_push_returns(
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
async def test_a_bridge_that_is_back_is_told_once_whichever_way_it_comes(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    coordinator = loaded.runtime_data.coordinator

    def told(level: int) -> int:
        said = [text for _, at, text in caplog.record_tuples if at == level]
        return sum(1 for text in said if "Error fetching" in text or "data recovered" in text)

    socket = await connect()
    await socket.receive_json()
    await push(hass, socket, bridge.copy())
    assert told(logging.INFO) == 0
    await bridge.stop()
    for _ in range(2):
        await coordinator.async_refresh()
    assert (told(logging.ERROR), told(logging.INFO)) == (1, 0)
    await bridge.start()
    for one in (way, "push", "poll"):
        if one == "push":
            await push(hass, socket, bridge.copy())
        else:
            await coordinator.async_refresh()
        assert (told(logging.ERROR), told(logging.INFO)) == (1, 1)
    await socket.close()


async def test_a_push_during_a_poll_is_newer_than_the_poll(
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


async def test_the_token_stays_and_every_start_registers(
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
async def test_where_the_bridge_finds_us(
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


async def test_without_any_address_values_come_by_polling(
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


async def test_a_bridge_that_lost_us_is_asked_again(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    registration = loaded.runtime_data.coordinator.registration
    socket = await connect()
    await socket.receive_json()
    await socket.close()
    await until(lambda: registration.down_since)
    # The bridge goes, comes back, and has forgotten everything.
    await bridge.stop()
    await pass_time(hass, 6)
    assert "cannot be reached" in registration.reason
    bridge.data["health"]["start_time"] = "2026-06-01T12:30:00+02:00"
    await bridge.start()
    assert len(bridge.registered) == 1
    await pass_time(hass, 11)
    assert len(bridge.registered) == 2
    # It has not forgotten us since: it reconnects by itself, and says why it cannot.
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws?token=***"
    bridge.targets = [{"name": "Home Assistant", "url": url, "last_error": "connection refused"}]
    for _ in range(5):
        await pass_time(hass, 31)
    assert len(bridge.registered) == 2
    assert registration.reason == "connection refused"
    # Now it has, without a restart.
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
async def test_it_finds_itself_among_the_targets(
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


async def test_a_bridge_that_does_not_tell_of_its_targets_is_left_in_peace(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    bridge.answers["/api/targets"] = (404, {"error": "nothing here"})
    for _ in range(9):
        await pass_time(hass, 31)
    assert len(bridge.registered) == 1


@pytest.mark.parametrize("path", [REGISTER, "/health"])
async def test_a_connection_that_is_closed_at_the_moment_of_a_question_costs_nothing(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, path: str
) -> None:
    bridge.closes_once_at = path
    await set_up(hass, entry, bridge)
    assert entry.runtime_data.coordinator.registration.reason is None
    assert len(bridge.registered) == 1
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_look_that_ends_after_its_entry_registers_nobody(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    registration = loaded.runtime_data.coordinator.registration

    def ends_meanwhile(path: str) -> None:
        if path == "/api/targets":
            registration.close()

    bridge.before_answer = ends_meanwhile
    await pass_time(hass, 6)
    assert bridge.asked("/api/targets") == 1
    assert len(bridge.registered) == 1


async def test_after_many_fruitless_looks_it_is_asked_again_in_any_case(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [{"name": "x", "url": url, "last_error": None}]
    for _ in range(11):
        await pass_time(hass, 31)
    assert len(bridge.registered) == 2


async def test_a_refused_registration_is_told_once_in_the_bridges_words(
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
    assert caplog.text.count("does not push to Home Assistant: websocket_url: 10.0.0.9 is not allowed") == 1
    del bridge.answers[REGISTER]
    await pass_time(hass, 21)
    assert len(bridge.registered) == 1
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_registration_that_breaks_off_is_tried_again(
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


async def test_removing_the_entry_makes_the_bridge_forget_us(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    ours = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [
        {"name": "Other", "url": "ws://10.0.0.1/x", "source": "registered"},
        {"name": "Home Assistant 2", "url": f"{ours}?token=***", "source": "registered"},
        "strange",
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
    """Set another address of this Home Assistant; what the bridge is asked to change then."""
    tries, asked = bridge.asked(REGISTER), len(bridge.requests)
    options = {**entry.options, "callback_url": f"http://{address}"}
    hass.config_entries.async_update_entry(entry, options=options)
    await until(lambda: bridge.asked(REGISTER) > tries)
    await until(lambda: entry.runtime_data.coordinator.registration.has_begun)
    await settle(hass)
    return [one for one in bridge.requests[asked:] if not one.startswith("GET")]


async def test_another_address_of_ours_takes_the_place_of_the_one_before(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    bridge.targets = _listed("127.0.0.1:8123", "10.0.0.1:8123")
    changes = await _change_address(hass, bridge, loaded, "wrong.test:8123")
    # First, so that it does not hide that nobody is at the new one.
    assert changes == ["DELETE /api/targets/127.0.0.1%3A8123", f"POST {REGISTER}"]
    # Loaded once: what we note by ourselves is no change of the owner's.
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
async def test_an_address_that_could_not_be_taken_back_is_so_later(
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


async def test_an_entry_that_ends_while_it_changes_its_address_registers_nobody(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    registration = loaded.runtime_data.coordinator.registration
    data = {**loaded.data, "addresses": ["ws://before.test/api/hoymiles_smiles/ws"]}
    hass.config_entries.async_update_entry(loaded, data=data)
    bridge.data["health"]["start_time"] = "2026-06-01T12:30:00+02:00"

    def ends_meanwhile(path: str) -> None:
        if path == "/api/targets":
            registration.close()

    bridge.before_answer = ends_meanwhile
    await pass_time(hass, 6)
    assert bridge.asked("/api/targets") == 1
    assert loaded.data["addresses"] == ["ws://before.test/api/hoymiles_smiles/ws"]
    assert len(bridge.registered) == 1


async def test_a_bridge_that_hangs_does_not_hold_up_the_removal(
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
        ("/health", (200, []), "/health is no health object"),
        ("/health", (200, "hello"), "not like a Hoymiles bridge"),
        ("/api/inverters", (200, {}), "/api/inverters is no list"),
        ("/stats", (500, {"error": "the disk is full"}), "the disk is full"),
        ("/stats", (500, "oops"), "the answer was 500"),
        ("/health", (200, {"dtus": {}, "healthy": 1}), None),
        ("/stats", (200, []), None),
        ("/api/plant", (404, {}), None),
        ("/api/plant", (200, []), None),
        ("/api/meters", (404, {}), None),
        ("/api/meters", (200, {}), None),
    ],
)
async def test_strange_answers_are_told_and_what_older_bridges_lack_is_not_missed(
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


async def test_malformed_answers_are_an_error(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coordinator = loaded.runtime_data.coordinator

    async def nothing() -> dict[str, object]:
        return {}

    monkeypatch.setattr(coordinator, "_ask", nothing)
    await coordinator.async_refresh()
    assert "health is no object" in str(coordinator.last_exception)


async def test_a_bridge_that_does_not_answer_in_time_is_unreachable(
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


async def test_an_unhealthy_bridge_still_has_values(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    bridge.data["health"]["healthy"] = False
    await set_up(hass, entry, bridge)
    assert hass.states.get(POWER).state == "206.3"
    assert hass.states.get("binary_sensor.hoymiles_bridge_healthy").state == "off"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_setup_without_a_bridge_is_tried_again_and_says_why(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    await bridge.stop()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert "cannot be reached" in entry.reason


async def test_a_refused_access_token_asks_for_another(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    for path in ("/api/inverters", "/api/plant"):
        bridge.answers[path] = (401, {"error": "a bearer token is needed"})
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    flows = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert [flow["context"]["source"] for flow in flows] == [SOURCE_REAUTH]


async def test_options_are_taken_at_once(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    options = {**loaded.options, "scan_interval": 15}
    hass.config_entries.async_update_entry(loaded, options=options)
    await until(lambda: len(bridge.registered) == 2)
    await hass.async_block_till_done()
    asked = bridge.asked("/api/inverters")
    await pass_time(hass, 16)
    assert bridge.asked("/api/inverters") == asked + 1
