"""What an owner may show around, and what the system's information page says."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import ClientWebSocketResponse
from homeassistant.components import system_health
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN
from custom_components.hoymiles_smiles.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)

from .conftest import TOKEN, push
from .fake import ONE, TWO, FakeBridge

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]
NEVER_READ = "114100000077"
SECRETS = (TOKEN, "sesame", ONE, TWO, NEVER_READ, "10F8BC500000", "10.1.2.3", "127.0.0.1")


async def test_diagnostics_tell_everything_but_who_and_where(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "access_token": "sesame"})
    await hass.async_block_till_done()
    socket = await connect()
    await socket.receive_json()
    data = bridge.copy()
    missing = {"missing_inverters": [NEVER_READ], "warnings": [f"does not list {NEVER_READ}; look"]}
    data["health"]["dtus"]["DTU"].update(missing)
    await push(hass, socket, data)
    told = await async_get_config_entry_diagnostics(hass, loaded)
    text = json.dumps(told, default=str)
    assert not [secret for secret in SECRETS if secret in text]
    assert told["push"]["is_connected"]
    assert told["newest"]["came_by"] == "push"
    one, two = told["data"]["inverters"]
    assert one["grid_voltage"] == 233.4
    assert one["serial_number"].startswith("1121-")
    assert one["ports"][0]["serial_number"] == one["serial_number"] != two["serial_number"]
    assert told["data"]["health"]["dtus"]["DTU"]["last_error"].endswith("no answer within 3 s")
    await socket.close()


async def test_diagnostics_of_a_device_are_its_own(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    device = dr.async_get(hass).async_get_device({(DOMAIN, TWO)})
    told = await async_get_device_diagnostics(hass, loaded, device)
    inverter, first, second = told["objects"]
    assert (inverter["pv_power"], first["port_number"], second["port_number"]) == (412.6, 1, 2)
    assert TWO not in json.dumps(told)


async def test_system_health_tells_how_each_bridge_fares(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info = await system_health.get_integration_info(hass, hass.data["system_health"][DOMAIN])
    told = info["info"]
    assert await told.pop("can_reach_bridge") == "ok"
    age = told.pop("newest_data")
    assert age.endswith("s, by polling")
    assert told == {"bridges": "1 of 1", "bridge_version": "0.1.0", "push": "not connected"}


async def test_system_health_numbers_several_bridges(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    other = FakeBridge()
    await other.start()
    second = MockConfigEntry(
        domain=DOMAIN,
        data={"host": other.host, "port": other.port, "push_token": "other"},
        options={"callback_url": "http://127.0.0.1:8123"},
        version=2,
    )
    second.add_to_hass(hass)
    del other.data["health"]["version"]
    await hass.config_entries.async_setup(second.entry_id)
    await hass.async_block_till_done()
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info = await system_health.get_integration_info(hass, hass.data["system_health"][DOMAIN])
    assert (info["info"]["bridge_version_1"], info["info"]["bridge_version_2"]) == ("0.1.0", "?")
    for number in (1, 2):
        await info["info"][f"can_reach_bridge_{number}"]
    await hass.config_entries.async_unload(second.entry_id)
    await other.stop()
