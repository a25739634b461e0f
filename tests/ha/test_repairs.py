"""Repair issues: when they are created, and when they are deleted."""

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


def issues(hass: HomeAssistant) -> dict[str, dict[str, str]]:
    found = ir.async_get(hass).issues.values()
    return {
        str(issue.translation_key): dict(issue.translation_placeholders or {})
        for issue in found
        if issue.domain == DOMAIN
    }


def later(**by: float) -> datetime:
    return dt_util.utcnow() + timedelta(**by)


async def test_reports_a_bridge_that_stays_unreachable(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    await bridge.stop()
    await loaded.runtime_data.coordinator.async_refresh()
    await pass_time(hass, 61)
    await pass_time(hass, 540)
    assert issues(hass) == {}
    await pass_time(hass, 601)
    assert "cannot be reached" in issues(hass)["bridge_unreachable"]["reason"]
    await bridge.start()
    await loaded.runtime_data.coordinator.async_refresh()
    assert issues(hass) == {}


async def away_at_setup(hass: HomeAssistant, entry: MockConfigEntry, bridge: FakeBridge) -> None:
    await bridge.stop()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert issues(hass) == {}
    await pass_time(hass, 601)
    assert "cannot be reached" in issues(hass)["bridge_unreachable"]["reason"]


async def test_reports_a_bridge_that_is_unreachable_at_setup(
    hass: HomeAssistant, entry: MockConfigEntry, bridge: FakeBridge
) -> None:
    await away_at_setup(hass, entry, bridge)
    assert issues(hass)["bridge_unreachable"]["title"] == entry.title
    # Another failed attempt does not restart the time.
    await hass.config_entries.async_reload(entry.entry_id)
    assert "bridge_unreachable" in issues(hass)
    await bridge.start()
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == {}
    await pass_time(hass, 1300)
    assert issues(hass).keys() <= {"push_down"}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_reports_a_bridge_that_is_unreachable_at_a_reload(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    await bridge.stop()
    await hass.config_entries.async_reload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.SETUP_RETRY
    await pass_time(hass, 601)
    assert issues(hass).keys() == {"bridge_unreachable"}


@pytest.mark.parametrize("is_reported", [True, False])
@pytest.mark.parametrize("is_removed", [True, False])
async def test_does_not_report_bridges_of_removed_or_disabled_entries(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bridge: FakeBridge,
    is_reported: bool,  # noqa: FBT001
    is_removed: bool,  # noqa: FBT001
) -> None:
    if is_reported:
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
    assert issues(hass) == {}
    await pass_time(hass, 601)
    assert issues(hass) == {}


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_does_not_report_a_refused_access_token_as_unreachable(
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
    assert issues(hass) == {}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_reports_push_that_stays_down(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [{"name": "Home Assistant", "url": url, "last_error": "no route to host"}]
    await pass_time(hass, 6)
    check = loaded.runtime_data.issues.check
    check(later(minutes=9))
    assert issues(hass) == {}
    check(later(minutes=11))
    placeholders = issues(hass)["push_down"]
    assert placeholders["reason"] == "no route to host"
    assert placeholders["address"] == "http://127.0.0.1:8123"
    socket = await connect()
    await socket.receive_json()
    check(later(minutes=11))
    assert issues(hass) == {}
    await socket.close()


async def test_reports_a_connected_bridge_that_does_not_push(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    coordinator = loaded.runtime_data.coordinator
    check = loaded.runtime_data.issues.check
    dtu = bridge.data["health"]["dtus"]["DTU"]
    socket = await connect()
    await socket.receive_json()
    await push(hass, socket, bridge.copy())
    # A bridge that polls its DTUs once an hour has nothing to push.
    await coordinator.async_refresh()
    check(later(minutes=59))
    assert issues(hass) == {}
    # It polled them, but did not push the result.
    dtu["query_count"] += 1
    await coordinator.async_refresh()
    check(later(minutes=9))
    assert issues(hass) == {}
    check(later(minutes=11))
    assert issues(hass)["push_silent"]["reason"] == "-"
    # Its update is refused.
    malformed = {**bridge.copy(), "inverters": None}
    assert (await push(hass, socket, malformed))["type"] == "nack"
    check(later(minutes=11))
    assert issues(hass)["push_silent"]["reason"] == "inverters is not a list"
    await push(hass, socket, bridge.copy())
    check(later(minutes=11))
    assert issues(hass) == {}
    # An earlier refusal is not the reason for a later silence.
    dtu["query_count"] += 1
    await coordinator.async_refresh()
    check(later(minutes=11))
    assert issues(hass)["push_silent"]["reason"] == "-"
    # A bridge that is not connected is another issue.
    await socket.close()
    await until(lambda: not coordinator.is_push_connected)
    check(later(minutes=11))
    assert issues(hass).keys() == {"push_down"}


@pytest.mark.parametrize("version", [None, "0.0.9", "invalid"])
async def test_reports_a_bridge_that_is_too_old(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, version: str | None
) -> None:
    check = loaded.runtime_data.issues.check
    bridge.data["health"]["version"] = version
    await loaded.runtime_data.coordinator.async_refresh()
    check(later())
    assert issues(hass)["bridge_too_old"]["version"] == (version or "?")
    for new_enough in ("0.1.0", "0.1.17", "0.1.2-beta.1"):
        bridge.data["health"]["version"] = new_enough
        await loaded.runtime_data.coordinator.async_refresh()
        check(later())
        assert issues(hass) == {}


@pytest.mark.parametrize("version", ["0.2.0", "0.10.0-beta.1", "12.0.0"])
async def test_reports_a_bridge_that_is_too_new(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, version: str
) -> None:
    check = loaded.runtime_data.issues.check
    bridge.data["health"]["version"] = version
    await loaded.runtime_data.coordinator.async_refresh()
    check(later())
    expected = {"title": loaded.title, "version": version, "known": "0.1"}
    assert issues(hass) == {"bridge_too_new": expected}


async def test_reports_a_dtu_that_is_silent_by_day(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    check = loaded.runtime_data.issues.check
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
            check(later())
        assert ("dtu_silent" in issues(hass)) == expected, (status, silence, sun)


async def test_issue_ids_do_not_contain_names_of_dtus(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    dtus = bridge.data["health"]["dtus"]
    silent = {**dtus.pop("DTU"), "status": "error", "seconds_since_last_success": 4000}
    names = ["10.1.2.3", "10.1.2.4"]
    dtus.update(dict.fromkeys(names, silent))
    await loaded.runtime_data.coordinator.async_refresh()
    with patch("custom_components.hoymiles_smiles.repairs.is_up", return_value=True):
        loaded.runtime_data.issues.check(later())
    found = {
        issue.issue_id: issue.translation_placeholders["dtu"]
        for issue in ir.async_get(hass).issues.values()
        if issue.translation_key == "dtu_silent"
    }
    assert sorted(found.values()) == [f"DTU {name}" for name in names]
    assert not [issue_id for issue_id in found for name in names if name in issue_id]


async def test_reports_inverters_that_mqtt_shows_too(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    mqtt = MockConfigEntry(domain="mqtt")
    mqtt.add_to_hass(hass)
    devices = dr.async_get(hass)
    twin = devices.async_get_or_create(
        config_entry_id=mqtt.entry_id, identifiers={("mqtt", f"hoymiles_{TWO.upper()}")}, name="x"
    )
    devices.async_get_or_create(
        config_entry_id=mqtt.entry_id, identifiers={("mqtt", "hoymiles_116100000000")}, name="y"
    )
    check = loaded.runtime_data.issues.check
    check(later())
    assert issues(hass)["mqtt_too"]["serials"] == TWO.upper()
    devices.async_remove_device(twin.id)
    check(later())
    assert issues(hass) == {}


async def test_unloading_deletes_all_issues(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    del bridge.data["health"]["version"]
    await loaded.runtime_data.coordinator.async_refresh()
    await pass_time(hass, 61)
    await until(lambda: "bridge_too_old" in issues(hass))
    await hass.config_entries.async_unload(loaded.entry_id)
    assert issues(hass) == {}
