"""What the owner is told of, and when it is taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from aiohttp import ClientWebSocketResponse
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import pass_time, push, set_up, until
from .fake import TWO, FakeBridge

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]


def told(hass: HomeAssistant) -> dict[str, dict[str, str]]:
    issues = ir.async_get(hass).issues.values()
    return {
        str(issue.translation_key): dict(issue.translation_placeholders or {})
        for issue in issues
        if issue.domain == DOMAIN
    }


def later(**by: float) -> datetime:
    return dt_util.utcnow() + timedelta(**by)


async def test_a_bridge_that_stays_away(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    await bridge.stop()
    await loaded.runtime_data.coordinator.async_refresh()
    await pass_time(hass, 61)
    await pass_time(hass, 540)
    assert told(hass) == {}
    await pass_time(hass, 601)
    assert "cannot be reached" in told(hass)["bridge_unreachable"]["reason"]
    await bridge.start()
    await loaded.runtime_data.coordinator.async_refresh()
    assert told(hass) == {}


async def away_at_setup(hass: HomeAssistant, entry: MockConfigEntry, bridge: FakeBridge) -> None:
    await bridge.stop()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert told(hass) == {}
    await pass_time(hass, 601)
    assert "cannot be reached" in told(hass)["bridge_unreachable"]["reason"]


async def test_a_bridge_that_is_away_at_the_start_until_it_comes(
    hass: HomeAssistant, entry: MockConfigEntry, bridge: FakeBridge
) -> None:
    await away_at_setup(hass, entry, bridge)
    assert told(hass)["bridge_unreachable"]["title"] == entry.title
    # A try in between, of a bridge that knocks and cannot be asked, say, begins nothing anew.
    await hass.config_entries.async_reload(entry.entry_id)
    assert "bridge_unreachable" in told(hass)
    await bridge.start()
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert told(hass) == {}
    await pass_time(hass, 1300)
    assert told(hass).keys() <= {"push_down"}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_bridge_that_is_away_at_a_reload(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    await bridge.stop()
    await hass.config_entries.async_reload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.SETUP_RETRY
    await pass_time(hass, 601)
    assert told(hass).keys() == {"bridge_unreachable"}


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("is_removed", [True, False])
async def test_nobody_misses_the_bridge_of_an_entry_that_is_removed_or_disabled(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bridge: FakeBridge,
    is_told: bool,  # noqa: FBT001
    is_removed: bool,  # noqa: FBT001
) -> None:
    if is_told:
        await away_at_setup(hass, entry, bridge)
    else:
        await bridge.stop()
        assert await async_setup_component(hass, DOMAIN, {})
        await hass.async_block_till_done()
    if is_removed:
        await hass.config_entries.async_remove(entry.entry_id)
    else:
        disabled_by = ConfigEntryDisabler.USER
        await hass.config_entries.async_set_disabled_by(entry.entry_id, disabled_by)
    assert told(hass) == {}
    await pass_time(hass, 601)
    assert told(hass) == {}


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_a_bridge_that_wants_another_token_is_not_away(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bridge: FakeBridge,
    is_loaded: bool,  # noqa: FBT001
) -> None:
    if is_loaded:
        await set_up(hass, entry, bridge)
    else:
        await away_at_setup(hass, entry, bridge)
        await bridge.start()
    bridge.answers["/api/inverters"] = (401, {"error": "a bearer token is needed"})
    if is_loaded:
        await entry.runtime_data.coordinator.async_refresh()
        await pass_time(hass, 61)
        await pass_time(hass, 601)
    else:
        await hass.config_entries.async_reload(entry.entry_id)
    assert told(hass) == {}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_push_that_stays_away_while_polling_works(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [{"name": "Home Assistant", "url": url, "last_error": "no route to host"}]
    await pass_time(hass, 6)
    issues = loaded.runtime_data.issues
    issues.check(later(minutes=9))
    assert told(hass) == {}
    issues.check(later(minutes=11))
    placeholders = told(hass)["push_down"]
    assert placeholders["reason"] == "no route to host"
    assert placeholders["address"] == "http://127.0.0.1:8123"
    socket = await connect()
    await socket.receive_json()
    issues.check(later(minutes=11))
    assert told(hass) == {}
    await socket.close()


async def test_push_that_is_connected_and_silent(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    coordinator = loaded.runtime_data.coordinator
    issues = coordinator.issues
    dtu = bridge.data["health"]["dtus"]["DTU"]
    socket = await connect()
    await socket.receive_json()
    await push(hass, socket, bridge.copy())
    # It has nothing new to say: it asks its DTUs once an hour.
    await coordinator.async_refresh()
    issues.check(later(minutes=59))
    assert told(hass) == {}
    # It asks them, and we see only by asking it.
    dtu["query_count"] += 1
    await coordinator.async_refresh()
    issues.check(later(minutes=9))
    assert told(hass) == {}
    issues.check(later(minutes=11))
    assert told(hass)["push_silent"]["reason"] == "-"
    # What it sends is refused.
    strange = {**bridge.copy(), "inverters": None}
    assert (await push(hass, socket, strange))["type"] == "nack"
    issues.check(later(minutes=11))
    assert told(hass)["push_silent"]["reason"] == "inverters is no list"
    await push(hass, socket, bridge.copy())
    issues.check(later(minutes=11))
    assert told(hass) == {}
    # What was refused before is no reason for a silence after.
    dtu["query_count"] += 1
    await coordinator.async_refresh()
    issues.check(later(minutes=11))
    assert told(hass)["push_silent"]["reason"] == "-"
    # Not connected, it is another matter.
    await socket.close()
    await until(lambda: not coordinator.is_push_connected)
    issues.check(later(minutes=11))
    assert told(hass).keys() == {"push_down"}


@pytest.mark.parametrize("version", [None, "0.0.9", "strange"])
async def test_a_bridge_that_is_too_old(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, version: str | None
) -> None:
    issues = loaded.runtime_data.issues
    bridge.data["health"]["version"] = version
    await loaded.runtime_data.coordinator.async_refresh()
    issues.check(later())
    assert told(hass)["bridge_too_old"]["version"] == (version or "?")
    for new_enough in ("0.1.0", "0.1.17", "0.1.2-beta.1"):
        bridge.data["health"]["version"] = new_enough
        await loaded.runtime_data.coordinator.async_refresh()
        issues.check(later())
        assert told(hass) == {}


@pytest.mark.parametrize("version", ["0.2.0", "0.10.0-beta.1", "12.0.0"])
async def test_a_bridge_that_is_newer_than_the_integration(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, version: str
) -> None:
    issues = loaded.runtime_data.issues
    bridge.data["health"]["version"] = version
    await loaded.runtime_data.coordinator.async_refresh()
    issues.check(later())
    expected = {"title": loaded.title, "version": version, "known": "0.1"}
    assert told(hass) == {"bridge_too_new": expected}


async def test_a_dtu_that_is_silent_by_day(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    issues = loaded.runtime_data.issues
    dtu = bridge.data["health"]["dtus"]["DTU"]
    for status, silence, sun, expected in [
        ("error", 4000, True, True),
        ("error", 4000, False, False),
        ("error", 600, True, False),
        ("error", None, True, True),
        ("asleep", 40000, True, False),
        ("online", 1, True, False),
    ]:
        dtu.update(status=status, seconds_since_last_success=silence)
        await loaded.runtime_data.coordinator.async_refresh()
        with patch("custom_components.hoymiles_smiles.repairs.is_up", return_value=sun):
            issues.check(later())
        assert ("dtu_silent" in told(hass)) == expected, (status, silence, sun)


async def test_an_issue_does_not_name_a_dtu_in_its_id_which_diagnostics_show(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    dtus = bridge.data["health"]["dtus"]
    silent = {**dtus.pop("DTU"), "status": "error", "seconds_since_last_success": 4000}
    names = ["10.1.2.3", "10.1.2.4"]
    dtus.update(dict.fromkeys(names, silent))
    await loaded.runtime_data.coordinator.async_refresh()
    with patch("custom_components.hoymiles_smiles.repairs.is_up", return_value=True):
        loaded.runtime_data.issues.check(later())
    issues = ir.async_get(hass).issues.values()
    found = {
        issue.issue_id: issue.translation_placeholders["dtu"]
        for issue in issues
        if issue.translation_key == "dtu_silent"
    }
    assert sorted(found.values()) == names
    assert not [issue_id for issue_id in found for name in names if name in issue_id]


async def test_inverters_that_mqtt_shows_too(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    mqtt = MockConfigEntry(domain="mqtt")
    mqtt.add_to_hass(hass)
    devices = dr.async_get(hass)
    twin = devices.async_get_or_create(
        config_entry_id=mqtt.entry_id, identifiers={("mqtt", f"hoymiles_{TWO.upper()}")}, name="x"
    )
    devices.async_get_or_create(
        config_entry_id=mqtt.entry_id, identifiers={("mqtt", "hoymiles_116100000000")}, name="y"
    )
    issues = loaded.runtime_data.issues
    issues.check(later())
    assert told(hass)["mqtt_too"]["serials"] == TWO
    devices.async_remove_device(twin.id)
    issues.check(later())
    assert told(hass) == {}


async def test_unloading_takes_everything_back(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    del bridge.data["health"]["version"]
    await loaded.runtime_data.coordinator.async_refresh()
    await pass_time(hass, 61)
    await until(lambda: "bridge_too_old" in told(hass))
    await hass.config_entries.async_unload(loaded.entry_id)
    assert told(hass) == {}
