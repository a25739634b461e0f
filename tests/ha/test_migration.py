"""Migration from version 2 of the component: entities, names and history stay."""

from __future__ import annotations

from datetime import datetime

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN
from custom_components.hoymiles_smiles.migration import new_unique_id

from .conftest import set_up, until
from .fake import ONE, TWO, FakeBridge

E = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{E}_{ONE}_grid_voltage", f"{ONE}_grid_voltage"),
        (f"{E}_{ONE}_grid_frequency", f"{ONE}_grid_frequency"),
        (f"{E}_{ONE}_temperature", f"{ONE}_temperature"),
        (f"{E}_{ONE}_operating_status", f"{ONE}_operating_status"),
        (f"{E}_{ONE}_link_status", f"{ONE}_link_status"),
        (f"{E}_{ONE}_alarm_code", f"{ONE}_alarm"),
        (f"{E}_{ONE}_alarm_count", f"{ONE}_alarm_count"),
        (f"{E}_{ONE}_total_power", f"{ONE}_pv_power"),
        (f"{E}_{ONE}_total_today_production", f"{ONE}_today_production"),
        (f"{E}_{ONE}_total_lifetime_production", f"{ONE}_total_production"),
        (f"{E}_{ONE}_port12_pv_voltage", f"{ONE}_port12_pv_voltage"),
        (f"{E}_{ONE}_port1_pv_current", f"{ONE}_port1_pv_current"),
        (f"{E}_{ONE}_port1_pv_power", f"{ONE}_port1_pv_power"),
        (f"{E}_{ONE}_port1_today_production", f"{ONE}_port1_today_production"),
        (f"{E}_{ONE}_port1_total_production", f"{ONE}_port1_total_production"),
        (f"{E}_dtu_DTU_communication_status", f"{E}_dtu_DTU_status"),
        (f"{E}_dtu_my_dtu_last_query_time", f"{E}_dtu_my_dtu_last_successful_query"),
        (f"{E}_dtu_DTU_total_power", f"{E}_dtu_DTU_pv_power"),
        (f"{E}_dtu_DTU_query_count", None),
        (f"{E}_database_size", f"{E}_database_size_bytes"),
        (f"{E}_uptime", None),
        (f"{E}_healthy", None),
        (f"{E}_{ONE}_something_else", None),
        (f"{E}_{ONE}_port1_something_else", None),
        (f"other_{ONE}_temperature", None),
    ],
)
def test_migrates_unique_ids(old: str, new: str | None) -> None:
    assert new_unique_id(E, old) == new


@pytest.fixture
def old(hass: HomeAssistant, bridge: FakeBridge) -> MockConfigEntry:
    """An entry of version 2 of the component."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Hoymiles MQTT Bridge (127.0.0.1)",
        unique_id=f"{bridge.host}:{bridge.port}",
        data={"host": bridge.host, "port": bridge.port},
        version=1,
    )
    entry.add_to_hass(hass)
    return entry


class Past:
    """The registries as version 2 of the component filled them."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        self.entry = entry
        self.devices = dr.async_get(hass)
        self.entities = er.async_get(hass)

    def device(self, identifier: str, name: str) -> dr.DeviceEntry:
        return self.devices.async_get_or_create(
            config_entry_id=self.entry.entry_id, identifiers={(DOMAIN, identifier)}, name=name
        )

    def entity(self, key: str, object_id: str, device: dr.DeviceEntry) -> str:
        entity = self.entities.async_get_or_create(
            "binary_sensor" if key == "healthy" else "sensor",
            DOMAIN,
            f"{self.entry.entry_id}_{key}",
            suggested_object_id=object_id,
            config_entry=self.entry,
            device_id=device.id,
        )
        return entity.entity_id


async def test_migrated_entities_keep_their_ids_and_show_values(
    hass: HomeAssistant, old: MockConfigEntry, bridge: FakeBridge
) -> None:
    past = Past(hass, old)
    area = ar.async_get(hass).async_create("Roof")
    bridge_device = past.device(old.entry_id, "Hoymiles S-Miles")
    dtu_device = past.device("dtu_DTU", "DTU DTU")
    inverter = past.device(TWO, f"Inverter {TWO}")
    port = past.device(f"{TWO}_port2", f"Inverter {TWO} Port 2")
    past.devices.async_update_device(port.id, area_id=area.id)
    expected = {}
    for key, object_id, device, state in [
        ("healthy", "hoymiles_s_miles_bridge", bridge_device, "on"),
        ("uptime", "uptime", bridge_device, "21600"),
        ("dtu_query_count", "dtu_query_count", bridge_device, "7"),
        ("dtu_error_count", "dtu_error_count", bridge_device, "1"),
        ("dtu_last_query", "dtu_last_query", bridge_device, "2"),
        ("database_size", "database_size", bridge_device, "45056"),
        ("cached_records", "cached_records", bridge_device, "39"),
        ("dtu_DTU_inverter_count", "dtu_dtu_inverter_count", dtu_device, "2"),
        ("dtu_DTU_query_count", "dtu_dtu_query_count", dtu_device, "7"),
        ("dtu_DTU_total_power", "dtu_dtu_total_power", dtu_device, "618.9"),
        ("dtu_DTU_communication_status", "dtu_dtu_communication_status", dtu_device, "online"),
        (f"{TWO}_total_power", f"inverter_{TWO}_total_power", inverter, "412.6"),
        (f"{TWO}_total_lifetime_production", f"inverter_{TWO}_lifetime", inverter, "912.344"),
        (f"{TWO}_alarm_code", f"inverter_{TWO}_alarm_code", inverter, "none"),
        (f"{TWO}_link_status", f"inverter_{TWO}_link_status", inverter, "reached"),
        (f"{TWO}_port2_pv_power", f"inverter_{TWO}_port_2_pv_power", port, "206.3"),
        (f"{TWO}_port2_total_production", "my_own_name", port, "456.172"),
    ]:
        expected[past.entity(key, object_id, device)] = state
    await set_up(hass, old, bridge)
    assert old.version == 2
    assert old.title == f"Hoymiles bridge (127.0.0.1:{bridge.port})"
    assert old.unique_id == bridge.instance
    assert len(old.data["push_token"]) >= 40
    for entity_id, state in expected.items():
        found = hass.states.get(entity_id)
        assert found is not None, entity_id
        assert found.state == state, entity_id
    # Nothing exists twice, and nothing is left over.
    there = er.async_entries_for_config_entry(past.entities, old.entry_id)
    assert len({entity.unique_id for entity in there}) == len(there)
    assert not [entity for entity in there if entity.unique_id.startswith(f"{old.entry_id}_1")]
    assert past.devices.async_get(port.id) is None
    assert past.devices.async_get(dtu_device.id).identifiers == {
        (DOMAIN, f"{old.entry_id}_dtu_DTU")
    }
    moved = past.entities.async_get("sensor.my_own_name")
    assert (moved.device_id, moved.area_id) == (inverter.id, area.id)
    token = old.data["push_token"]
    await hass.config_entries.async_reload(old.entry_id)
    await hass.async_block_till_done()
    assert old.data["push_token"] == token
    await hass.config_entries.async_unload(old.entry_id)


async def test_separates_the_dtu_device_that_two_bridges_shared(
    hass: HomeAssistant, old: MockConfigEntry, bridge: FakeBridge
) -> None:
    # Version 2 named the device after the DTU alone, and most are called DTU.
    other = FakeBridge()
    await other.start()
    other.data["inverters"] = []
    data = {"host": other.host, "port": other.port}
    second = MockConfigEntry(domain=DOMAIN, title="Second", data=data, version=1)
    second.add_to_hass(hass)
    pasts = [Past(hass, entry) for entry in (old, second)]
    shared = [past.device("dtu_DTU", "DTU DTU") for past in pasts]
    kept = [
        past.entity("dtu_DTU_total_power", "power", device)
        for past, device in zip(pasts, shared, strict=True)
    ]
    assert shared[0].id == shared[1].id
    await set_up(hass, old, bridge)
    await until(lambda: other.registered)
    await hass.async_block_till_done()
    devices = []
    for past, entity_id in zip(pasts, kept, strict=True):
        entity = past.entities.async_get(entity_id)
        device = past.devices.async_get(entity.device_id)
        entry_id = past.entry.entry_id
        assert entity.unique_id == f"{entry_id}_dtu_DTU_pv_power"
        assert device.identifiers == {(DOMAIN, f"{entry_id}_dtu_DTU")}
        assert device.config_entries == {entry_id}
        devices.append(device.id)
    assert len(set(devices)) == 2
    # Their names differ.
    names = {past.devices.async_get(one).name for past, one in zip(pasts, devices, strict=True)}
    assert names == {f"DTU (127.0.0.1:{bridge.port})", "DTU (Second)"}
    for past in pasts:
        await hass.config_entries.async_unload(past.entry.entry_id)
    await other.stop()


async def test_migration_keeps_what_the_owner_changed(
    hass: HomeAssistant, old: MockConfigEntry, bridge: FakeBridge
) -> None:
    past = Past(hass, old)
    areas = ar.async_get(hass)
    roof, attic = areas.async_create("Roof"), areas.async_create("Attic")
    inverter = past.device(TWO, "Inverter")
    past.devices.async_update_device(inverter.id, area_id=attic.id, name_by_user="South")
    port = past.device(f"{TWO}_port1", "Port 1")
    past.devices.async_update_device(port.id, area_id=attic.id)
    past.devices.async_update_device(port.id, name_by_user="East roof")
    entity_id = past.entity(f"{TWO}_port1_pv_power", "panel", port)
    unnamed = past.entity(f"{TWO}_port1_today_production", "unnamed", port)
    off = past.entity(f"{TWO}_total_power", "off", inverter)
    changes = {"name": "Panel", "icon": "mdi:sun", "area_id": roof.id}
    past.entities.async_update_entity(entity_id, **changes)
    past.entities.async_update_entity(off, disabled_by=er.RegistryEntryDisabler.USER)
    await set_up(hass, old, bridge)
    entity = past.entities.async_get(entity_id)
    assert {key: getattr(entity, key) for key in changes} == changes
    assert hass.states.get(entity_id).attributes["friendly_name"] == "Panel"
    # The name of the port's device becomes part of its entities' names.
    assert hass.states.get(unnamed).attributes["friendly_name"] == "East roof energy today"
    assert past.entities.async_get(off).disabled_by is er.RegistryEntryDisabler.USER
    assert hass.states.get(off) is None
    device = past.devices.async_get(inverter.id)
    assert (device.name_by_user, device.area_id) == ("South", attic.id)
    await hass.config_entries.async_unload(old.entry_id)


async def test_migration_names_entities_of_a_port_in_the_users_language(
    hass: HomeAssistant, old: MockConfigEntry, bridge: FakeBridge
) -> None:
    hass.config.language = "de"
    past = Past(hass, old)
    port = past.device(f"{TWO}_port1", "Port 1")
    past.devices.async_update_device(port.id, name_by_user="Ostdach")
    entity_id = past.entity(f"{TWO}_port1_pv_power", "panel", port)
    await set_up(hass, old, bridge)
    assert past.entities.async_get(entity_id).name == "Ostdach Leistung"
    device = past.devices.async_get_device({(DOMAIN, TWO)})
    assert device.name == f"Wechselrichter {TWO.upper()}"
    await hass.config_entries.async_unload(old.entry_id)


async def test_migration_skips_a_unique_id_that_is_taken(
    hass: HomeAssistant, old: MockConfigEntry, bridge: FakeBridge
) -> None:
    past = Past(hass, old)
    inverter = past.device(ONE, "Inverter")
    past.entities.async_get_or_create("sensor", DOMAIN, f"{ONE}_pv_power")
    stays = past.entity(f"{ONE}_total_power", "stays", inverter)
    await set_up(hass, old, bridge)
    assert past.entities.async_get(stays).unique_id == f"{old.entry_id}_{ONE}_total_power"
    await hass.config_entries.async_unload(old.entry_id)


async def test_new_entries_get_no_legacy_entities(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    assert hass.states.get("sensor.hoymiles_bridge_uptime") is None
    registry = er.async_get(hass)
    identity = f"{loaded.entry_id}_uptime"
    assert registry.async_get_entity_id("sensor", DOMAIN, identity) is None


async def test_reconfigure_keeps_the_time_of_the_migration(
    hass: HomeAssistant, old: MockConfigEntry, bridge: FakeBridge
) -> None:
    before = dt_util.utcnow()
    await set_up(hass, old, bridge)
    went = old.data["migrated_at"]
    assert before <= datetime.fromisoformat(went) <= dt_util.utcnow()
    moved = FakeBridge()
    await moved.start()
    flow = hass.config_entries.flow
    context = {"source": "reconfigure", "entry_id": old.entry_id}
    form = await flow.async_init(DOMAIN, context=context)
    await flow.async_configure(form["flow_id"], {"host": moved.host, "port": moved.port})
    await until(lambda: moved.registered)
    await hass.async_block_till_done()
    assert (old.data["port"], old.data["migrated_at"]) == (moved.port, went)
    await hass.config_entries.async_unload(old.entry_id)
    await moved.stop()


async def test_refuses_an_entry_of_a_later_version(
    hass: HomeAssistant, old: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(old, version=3)
    assert not await hass.config_entries.async_setup(old.entry_id)
    assert old.state is ConfigEntryState.MIGRATION_ERROR
