"""What the entities show, when they are added, and what they show if a value is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientWebSocketResponse
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hoymiles_smiles.const import DOMAIN, PUSH_PATH

from .conftest import TOKEN, pass_time, push, set_up
from .fake import MIDNIGHT, NOW, ONE, TWO, FakeBridge, inverter, meter, port

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]


def state(hass: HomeAssistant, entity_id: str) -> str:
    found = hass.states.get(entity_id)
    assert found is not None, entity_id
    return found.state


@pytest.mark.usefixtures("loaded")
def test_shows_values_with_units_and_classes(hass: HomeAssistant) -> None:
    for entity_id, value, attributes in [
        (
            f"sensor.inverter_{TWO}_energy_today",
            "1.872",
            {
                "unit_of_measurement": "kWh",
                "device_class": "energy",
                "state_class": "total",
                "last_reset": MIDNIGHT,
            },
        ),
        (
            f"sensor.inverter_{TWO}_energy_total",
            "912.344",
            {"unit_of_measurement": "kWh", "state_class": "total_increasing"},
        ),
        (f"sensor.inverter_{TWO}_port_2_power", "206.3", {"state_class": "measurement"}),
        (f"sensor.inverter_{ONE}_grid_voltage", "233.4", {"unit_of_measurement": "V"}),
        (f"sensor.inverter_{ONE}_operating_status", "producing", {"raw": 3}),
        (f"sensor.inverter_{ONE}_alarm", "none", {"raw": "none"}),
        (f"binary_sensor.inverter_{ONE}_reachable", STATE_ON, {"device_class": "connectivity"}),
        (f"binary_sensor.inverter_{ONE}_problem", STATE_OFF, {"device_class": "problem"}),
        ("sensor.dtu_status", "online", {"device_class": "enum"}),
        ("sensor.dtu_last_successful_query", "2026-06-01T10:00:00+00:00", {}),
        ("binary_sensor.dtu_problem", STATE_OFF, {}),
        ("binary_sensor.hoymiles_bridge_healthy", STATE_ON, {}),
        ("sensor.hoymiles_bridge_plant_energy_today", "2.808", {"last_reset": MIDNIGHT}),
    ]:
        found = hass.states.get(entity_id)
        assert found is not None, entity_id
        assert found.state == value, entity_id
        assert attributes.items() <= found.attributes.items(), (entity_id, found.attributes)
    for entity_id, decimals in [("energy_today", 2), ("energy_total", 1), ("grid_voltage", 1)]:
        entity = er.async_get(hass).async_get(f"sensor.inverter_{TWO}_{entity_id}")
        assert entity.options["sensor"]["suggested_display_precision"] == decimals


async def test_diagnostic_entities_can_be_enabled(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    disabled = f"sensor.inverter_{ONE}_last_reading"
    assert registry.async_get(disabled).disabled_by is er.RegistryEntryDisabler.INTEGRATION
    registry.async_update_entity(disabled, disabled_by=None)
    await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert state(hass, disabled) == "2026-06-01T10:00:00+00:00"


def test_ports_are_entities_of_their_inverter(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    devices, entities = dr.async_get(hass), er.async_get(hass)
    device = devices.async_get_device({(DOMAIN, TWO)})
    assert (device.name, device.model, device.serial_number) == (
        f"Inverter {TWO.upper()}",
        "HM-600/700/800",
        TWO.upper(),
    )
    there = er.async_entries_for_device(entities, device.id, include_disabled_entities=True)
    unique_ids = {entity.unique_id for entity in there}
    assert {f"{TWO}_port1_pv_power", f"{TWO}_port2_total_production", f"{TWO}_alarm"} <= unique_ids
    assert not any(loaded.entry_id in unique_id for unique_id in unique_ids)
    dtu = devices.async_get(device.via_device_id)
    assert dtu.identifiers == {(DOMAIN, f"{loaded.entry_id}_dtu_DTU")}
    shown = (dtu.name, dtu.model, dtu.serial_number, dtu.sw_version)
    assert shown == ("DTU", "DTU-Pro", "10F8BC500000", "V00.01.00")
    bridge = devices.async_get(dtu.via_device_id)
    assert (bridge.identifiers, bridge.sw_version) == ({(DOMAIN, loaded.entry_id)}, "0.1.0")


async def test_missing_values_are_unknown(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    night = bridge.copy()
    for found in night["inverters"]:
        asleep = {"grid_voltage": None, "grid_frequency": None, "temperature": None}
        found.update(asleep, pv_power=0.0, operating_status=None, alarm_code=None)
        for one in found["ports"]:
            one.update(pv_voltage=None, pv_current=None, pv_power=0.0)
    night["health"]["dtus"]["DTU"]["status"] = "asleep"
    await push(hass, socket, night)
    for entity_id, expected in [
        (f"sensor.inverter_{ONE}_grid_voltage", STATE_UNKNOWN),
        (f"sensor.inverter_{ONE}_temperature", STATE_UNKNOWN),
        (f"sensor.inverter_{ONE}_pv_power", "0.0"),
        (f"sensor.inverter_{ONE}_port_1_voltage", STATE_UNKNOWN),
        (f"sensor.inverter_{ONE}_energy_total", "456.172"),
        (f"sensor.inverter_{ONE}_energy_today", "0.936"),
        (f"sensor.inverter_{ONE}_operating_status", STATE_UNKNOWN),
        (f"binary_sensor.inverter_{ONE}_problem", STATE_UNKNOWN),
        ("binary_sensor.dtu_problem", STATE_OFF),
        ("binary_sensor.dtu_reachable", STATE_OFF),
    ]:
        assert state(hass, entity_id) == expected, entity_id
    await socket.close()


async def test_alarms_are_translated_and_unknown_ones_show_their_number(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    for code, text, word in [
        (121, "over-temperature protection", "alarm_121"),
        (4711, "?", "Alarm 4711"),
    ]:
        bridge.data["inverters"][0].update(alarm_code=code, alarm_text=text)
        await push(hass, socket, bridge.copy())
        found = hass.states.get(f"sensor.inverter_{ONE}_alarm")
        assert (found.state, found.attributes["raw"]) == (word, text)
        assert word in found.attributes["options"]
        assert state(hass, f"binary_sensor.inverter_{ONE}_problem") == STATE_ON
    await socket.close()


async def test_adds_inverters_that_appear_and_marks_missing_ones_unavailable(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    new = "1161a0000009"
    assert hass.states.get(f"sensor.inverter_{new}_pv_power") is None
    before = bridge.copy()
    bridge.data["inverters"].append(inverter(new, dtu_name="Garage"))
    bridge.data["inverters"][0]["ports"].append(port(ONE, 2, pv_power=1.5))
    bridge.data["meters"].append(meter())
    await push(hass, socket, bridge.copy())
    assert state(hass, f"sensor.inverter_{new}_pv_power") == "206.3"
    assert state(hass, f"sensor.inverter_{ONE}_port_2_power") == "1.5"
    assert state(hass, "sensor.meter_504a00000001_energy_imported") == "7654.321"
    # What the bridge no longer lists is unavailable, not 0.
    await push(hass, socket, before)
    assert state(hass, f"sensor.inverter_{new}_energy_total") == STATE_UNAVAILABLE
    assert state(hass, f"sensor.inverter_{ONE}_port_2_power") == STATE_UNAVAILABLE
    assert state(hass, f"sensor.inverter_{ONE}_pv_power") == "206.3"
    await push(hass, socket, bridge.copy())
    assert state(hass, f"sensor.inverter_{new}_energy_total") == "456.172"
    await socket.close()


async def test_adds_optional_entities_with_their_first_value(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect, loaded: MockConfigEntry
) -> None:
    socket = await connect()
    await socket.receive_json()
    ac_power = f"sensor.inverter_{ONE}_ac_power"
    assert hass.states.get(ac_power) is None
    bridge.data["inverters"][0].update(active_power=198.4, phase_voltages=[230.0, 231.0, 232.0])
    await push(hass, socket, bridge.copy())
    assert state(hass, ac_power) == "198.4"
    registry = er.async_get(hass)
    assert registry.async_get(f"sensor.inverter_{ONE}_voltage_phase_c") is not None
    assert registry.async_get(f"sensor.inverter_{TWO}_ac_power") is None
    await socket.close()
    bridge.data["inverters"][0]["active_power"] = None
    await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert state(hass, ac_power) == STATE_UNKNOWN


async def test_last_reset_follows_the_bridge(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    bridge.data["inverters"][0].update(
        today_production=0, today_since="2026-06-02T00:00:00+02:00", timestamp=NOW
    )
    await push(hass, socket, bridge.copy())
    found = hass.states.get(f"sensor.inverter_{ONE}_energy_today")
    assert (found.state, found.attributes["last_reset"]) == ("0.0", "2026-06-02T00:00:00+02:00")
    await socket.close()


async def test_last_reset_is_local_midnight_without_the_bridges(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    del bridge.data["inverters"][0]["today_since"]
    await set_up(hass, entry, bridge)
    found = hass.states.get(f"sensor.inverter_{ONE}_energy_today")
    midnight = dt_util.start_of_local_day(entry.runtime_data.coordinator.data.received_at)
    assert found.attributes["last_reset"] == midnight.isoformat()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_an_unreachable_bridge_is_not_healthy_and_its_entities_are_unavailable(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    await bridge.stop()
    await pass_time(hass, 61)
    assert state(hass, f"sensor.inverter_{ONE}_energy_total") == STATE_UNAVAILABLE
    assert state(hass, "sensor.dtu_status") == STATE_UNAVAILABLE
    assert state(hass, "binary_sensor.hoymiles_bridge_healthy") == STATE_OFF
    await bridge.start()
    await pass_time(hass, 61)
    assert state(hass, f"sensor.inverter_{ONE}_energy_total") == "456.172"
    assert state(hass, "binary_sensor.hoymiles_bridge_healthy") == STATE_ON


async def test_shows_whether_the_bridge_is_connected(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bridge: FakeBridge,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    er.async_get(hass).async_get_or_create(
        "binary_sensor", DOMAIN, f"{entry.entry_id}_push", suggested_object_id="push"
    )
    await set_up(hass, entry, bridge)
    assert state(hass, "binary_sensor.push") == STATE_OFF
    client = await hass_client_no_auth()
    socket = await client.ws_connect(f"{PUSH_PATH}?token={TOKEN}")
    await socket.receive_json()
    await hass.async_block_till_done()
    assert state(hass, "binary_sensor.push") == STATE_ON
    await socket.close()
    await hass.config_entries.async_unload(entry.entry_id)


async def test_only_missing_devices_can_be_deleted(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    from custom_components.hoymiles_smiles import async_remove_config_entry_device

    devices = dr.async_get(hass)
    device = devices.async_get_device({(DOMAIN, TWO)})
    assert not await async_remove_config_entry_device(hass, loaded, device)
    bridge.data["inverters"].pop()
    await loaded.runtime_data.coordinator.async_refresh()
    assert await async_remove_config_entry_device(hass, loaded, device)


async def test_a_deleted_inverter_returns_with_all_its_entities(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect, loaded: MockConfigEntry
) -> None:
    socket = await connect()
    await socket.receive_json()
    devices, registry = dr.async_get(hass), er.async_get(hass)
    there = {one.unique_id for one in er.async_entries_for_config_entry(registry, loaded.entry_id)}
    gone = bridge.copy()
    gone["inverters"].pop()
    await push(hass, socket, gone)
    devices.async_remove_device(devices.async_get_device({(DOMAIN, TWO)}).id)
    await hass.async_block_till_done()
    assert hass.states.get(f"sensor.inverter_{TWO}_pv_power") is None
    await push(hass, socket, gone)
    assert devices.async_get_device({(DOMAIN, TWO)}) is None
    await push(hass, socket, bridge.copy())
    assert state(hass, f"sensor.inverter_{TWO}_pv_power") == "412.6"
    assert state(hass, f"binary_sensor.inverter_{TWO}_reachable") == STATE_ON
    back = er.async_entries_for_config_entry(registry, loaded.entry_id)
    assert {one.unique_id for one in back} == there
    await socket.close()


async def test_devices_show_the_newest_version_and_model(
    hass: HomeAssistant, bridge: FakeBridge, connect: Connect, loaded: MockConfigEntry
) -> None:
    socket = await connect()
    await socket.receive_json()
    changes = async_capture_events(hass, dr.EVENT_DEVICE_REGISTRY_UPDATED)
    health = bridge.data["health"]
    health["version"] = "0.1.1"
    health["dtus"]["DTU"].update(model="DTU-Pro-S", firmware_version="V00.02.00")
    bridge.data["inverters"][0].update(inverter_type="HMS-800-2T", firmware_version="V01.00.16")
    await push(hass, socket, bridge.copy())
    # While they are unknown, the last known ones stay.
    health["dtus"]["DTU"].update(model=None, firmware_version=None)
    await push(hass, socket, bridge.copy())
    devices = dr.async_get(hass)
    for identifier, expected in [
        (loaded.entry_id, ("Hoymiles bridge", "0.1.1")),
        (f"{loaded.entry_id}_dtu_DTU", ("DTU-Pro-S", "V00.02.00")),
        (ONE, ("HMS-800-2T", "V01.00.16")),
        (TWO, ("HM-600/700/800", None)),
    ]:
        device = devices.async_get_device({(DOMAIN, identifier)})
        assert (device.model, device.sw_version) == expected, identifier
    assert len(changes) == 3
    await socket.close()
