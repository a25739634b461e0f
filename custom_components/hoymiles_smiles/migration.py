"""Brings what the old component left in the registries to serial numbers, so that history stays.

Its unique ids began with the id of the entry, so that a new entry made all entities new:

- inverter `{entry}_{serial}_{key}`, port `{entry}_{serial}_port{n}_{key}`;
- DTU `{entry}_dtu_{name}_{key}`, bridge `{entry}_{key}`: these have no serial number, and stay so.

Entity ids, names, areas and history hang on the registry's entry, of which only the unique id
changes. Ports were devices of their own; they become entities of their inverter.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .const import CONF_MIGRATED_AT, DOMAIN, MANUFACTURER
from .data import BRIDGE, Ref, Subject
from .entity import device_id, unique_id

_LOGGER = logging.getLogger(__name__)

# Since Home Assistant 2026.8 a device belongs to one entry.
_ARE_SHARED: Final = not hasattr(dr.DeviceEntry, "config_entry_id")

_SAME: Final = ("grid_voltage", "grid_frequency", "temperature", "alarm_count", "link_status")
_INVERTER: Final = {key: key for key in (*_SAME, "operating_status")} | {
    "alarm_code": "alarm",
    "total_power": "pv_power",
    "total_today_production": "today_production",
    "total_lifetime_production": "total_production",
}
_PORT: Final = {
    key: key
    for key in ("pv_voltage", "pv_current", "pv_power", "today_production", "total_production")
}
_DTU: Final = {
    "communication_status": "status",
    "last_query_time": "last_successful_query",
    "total_power": "pv_power",
}
_BRIDGE: Final = {"database_size": "database_size_bytes"}

_OF_INVERTER: Final = re.compile(
    r"(?P<serial>[0-9A-Fa-f]{12})_(?:port(?P<port>\d{1,3})_)?(?P<key>\w+)"
)
_OF_DTU: Final = re.compile(rf"dtu_(?P<name>.+)_(?P<key>{'|'.join(_DTU)})")


def new_unique_id(entry_id: str, old: str) -> str | None:
    """Name an entity of the old component anew; None for one that keeps its name."""
    prefix = f"{entry_id}_"
    if not old.startswith(prefix):
        return None
    rest = old.removeprefix(prefix)
    if rest in _BRIDGE:
        return unique_id(entry_id, BRIDGE, _BRIDGE[rest])
    if found := _OF_DTU.fullmatch(rest):
        return unique_id(entry_id, Ref(Subject.DTU, found["name"]), _DTU[found["key"]])
    if not (found := _OF_INVERTER.fullmatch(rest)):
        return None
    ref = _ref(found["serial"], found["port"])
    key = (_INVERTER if ref.subject is Subject.INVERTER else _PORT).get(found["key"])
    return unique_id(entry_id, ref, key) if key else None


@callback
def async_migrate_registries(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Name entities and devices anew, and note when: that day goes on as it began."""
    data = {**entry.data, CONF_MIGRATED_AT: dt_util.utcnow().isoformat()}
    hass.config_entries.async_update_entry(entry, data=data)
    entities, devices = er.async_get(hass), dr.async_get(hass)
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        new = new_unique_id(entry.entry_id, entity.unique_id)
        if new is None or new == entity.unique_id:
            continue
        if taken := entities.async_get_entity_id(entity.domain, DOMAIN, new):
            _LOGGER.warning("%s stays as it is: %s has its place", entity.entity_id, taken)
            continue
        entities.async_update_entity(entity.entity_id, new_unique_id=new)
        if found := re.fullmatch(r"([0-9A-Fa-f]{12})_port\d+_\w+", new):
            _move_to_inverter(devices, entities, entry, entity, found[1])
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        for domain, name in list(device.identifiers):
            if domain == DOMAIN and name.startswith("dtu_"):
                ref = Ref(Subject.DTU, name.removeprefix("dtu_"))
                identifiers = {device_id(entry.entry_id, ref)}
                devices.async_update_device(device.id, new_identifiers=identifiers)


@callback
def async_remove_empty_devices(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Leave devices that have lost our last entity: ports to the inverter's, a DTU to its own."""
    entities, devices = er.async_get(hass), dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        is_port = any(re.search(r"_port\d+$", name) for _, name in device.identifiers)
        kept = er.async_entries_for_device(entities, device.id, include_disabled_entities=True)
        if is_port and not kept:
            devices.async_remove_device(device.id)
        elif (
            _ARE_SHARED
            and len(device.config_entries) > 1
            and entry.entry_id not in {entity.config_entry_id for entity in kept}
        ):
            # Two bridges share it, as the old component named DTUs; ours has one of its own now.
            devices.async_update_device(device.id, remove_config_entry_id=entry.entry_id)


def _move_to_inverter(
    devices: dr.DeviceRegistry,
    entities: er.EntityRegistry,
    entry: ConfigEntry,
    entity: er.RegistryEntry,
    serial: str,
) -> None:
    inverter = devices.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={device_id(entry.entry_id, Ref(Subject.INVERTER, serial))},
        manufacturer=MANUFACTURER,
        name=f"Inverter {serial}",
    )
    port = devices.async_get(entity.device_id) if entity.device_id else None
    # An area that the owner gave to the port stays with its entities.
    area_id = entity.area_id or (port.area_id if port else None)
    entities.async_update_entity(entity.entity_id, device_id=inverter.id, area_id=area_id)


def _ref(serial: str, port: str | None) -> Ref:
    return Ref(Subject.PORT, serial, int(port)) if port else Ref(Subject.INVERTER, serial)
