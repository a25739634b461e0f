"""What the owner is told of, and when it is taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from aiohttp import ClientWebSocketResponse
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import pass_time, until
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
    issues = loaded.runtime_data.issues
    await bridge.stop()
    await loaded.runtime_data.async_refresh()
    issues.look(later())
    issues.look(later(minutes=9))
    assert told(hass) == {}
    issues.look(later(minutes=11))
    assert "cannot be reached" in told(hass)["bridge_unreachable"]["reason"]
    await bridge.start()
    await loaded.runtime_data.async_refresh()
    issues.look(later())
    assert told(hass) == {}


async def test_push_that_stays_away_while_polling_works(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    url = "ws://127.0.0.1:8123/api/hoymiles_smiles/ws"
    bridge.targets = [{"name": "Home Assistant", "url": url, "last_error": "no route to host"}]
    await pass_time(hass, 6)
    issues = loaded.runtime_data.issues
    issues.look(later(minutes=9))
    assert told(hass) == {}
    issues.look(later(minutes=11))
    placeholders = told(hass)["push_down"]
    assert placeholders["reason"] == "no route to host"
    assert placeholders["address"] == "http://127.0.0.1:8123"
    socket = await connect()
    await socket.receive_json()
    issues.look(later(minutes=11))
    assert told(hass) == {}
    await socket.close()


@pytest.mark.parametrize("version", [None, "0.0.9", "strange"])
async def test_a_bridge_that_is_too_old(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, version: str | None
) -> None:
    issues = loaded.runtime_data.issues
    bridge.data["health"]["version"] = version
    await loaded.runtime_data.async_refresh()
    issues.look(later())
    assert told(hass)["bridge_too_old"]["version"] == (version or "?")
    for new_enough in ("0.1.0", "0.10.0-beta.1", "12.0.0"):
        bridge.data["health"]["version"] = new_enough
        await loaded.runtime_data.async_refresh()
        issues.look(later())
        assert told(hass) == {}


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
        await loaded.runtime_data.async_refresh()
        with patch("custom_components.hoymiles_smiles.repairs.is_up", return_value=sun):
            issues.look(later())
        assert ("dtu_silent" in told(hass)) == expected, (status, silence, sun)


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
    issues.look(later())
    assert told(hass)["mqtt_too"]["serials"] == TWO
    devices.async_remove_device(twin.id)
    issues.look(later())
    assert told(hass) == {}


async def test_unloading_takes_everything_back(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    del bridge.data["health"]["version"]
    await loaded.runtime_data.async_refresh()
    await pass_time(hass, 61)
    await until(lambda: "bridge_too_old" in told(hass))
    await hass.config_entries.async_unload(loaded.entry_id)
    assert told(hass) == {}
