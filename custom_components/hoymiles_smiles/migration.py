"""Migrates the registries from version 2 of this component, so that entities keep their history.

Its unique ids began with the entry's id, so that a new entry made all entities new:

- inverter `{entry}_{serial}_{key}`, port `{entry}_{serial}_port{n}_{key}`;
- DTU `{entry}_dtu_{name}_{key}`, bridge `{entry}_{key}`: these have no serial number, and stay.

Entity ids, names, areas and history belong to the registry entry, of which only the unique id
changes. Ports were devices of their own; they become entities of their inverter.
"""

from __future__ import annotations

import inspect
import logging
import re
from typing import Any, Final, cast

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .const import CONF_MIGRATED_AT, DOMAIN, MANUFACTURER
from .data import BRIDGE, Ref, Subject
from .entity import device_id, unique_id
from .identity import default_title

_LOGGER = logging.getLogger(__name__)

# Since Home Assistant 2026.8 a device belongs to one entry.
_DEVICES_ARE_SHARED: Final = not hasattr(dr.DeviceEntry, "config_entry_id")

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
_OF_PORT: Final = re.compile(r"(?P<serial>[0-9a-f]{12})_port(?P<port>\d+)_(?P<key>\w+)")
_OF_DTU: Final = re.compile(rf"dtu_(?P<name>.+)_(?P<key>{'|'.join(_DTU)})")
_HAD_WORD_AS_UNIT: Final = re.compile(
    r".*_(?:query_count|error_count|inverter_count|cached_records)"
)


def new_unique_id(entry_id: str, old: str) -> str | None:
    """Return the new unique id of an entity; None if it keeps the old one."""
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
    serial = found["serial"].lower()
    if found["port"]:
        ref, key = Ref(Subject.PORT, serial, int(found["port"])), _PORT.get(found["key"])
    else:
        ref, key = Ref(Subject.INVERTER, serial), _INVERTER.get(found["key"])
    return unique_id(entry_id, ref, key) if key else None


async def async_migrate_registries(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Change unique ids and devices, and note when: the sums of that day continue."""
    data = {**entry.data, CONF_MIGRATED_AT: dt_util.utcnow().isoformat()}
    title = entry.title
    if title == f"Hoymiles MQTT Bridge ({entry.data['host']})":
        title = default_title(entry.data)
    hass.config_entries.async_update_entry(entry, data=data, title=title)
    texts = await async_get_translations(hass, hass.config.language, "entity", {DOMAIN})
    entities, devices = er.async_get(hass), dr.async_get(hass)
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        if _HAD_WORD_AS_UNIT.fullmatch(entity.unique_id):
            _remove_unit_of_statistics(hass, entity.entity_id)
        new = new_unique_id(entry.entry_id, entity.unique_id)
        if new is None or new == entity.unique_id:
            continue
        if taken := entities.async_get_entity_id(entity.domain, DOMAIN, new):
            _LOGGER.warning("%s is not migrated: %s has its unique id", entity.entity_id, taken)
            continue
        entities.async_update_entity(entity.entity_id, new_unique_id=new)
        if found := _OF_PORT.fullmatch(new):
            key = f"component.{DOMAIN}.entity.sensor.port_{found['key']}.name"
            changes = _from_port(devices, entity, texts.get(key, "Port {port}"))
            inverter = devices.async_get_or_create(
                config_entry_id=entry.entry_id,
                identifiers={device_id(entry.entry_id, Ref(Subject.INVERTER, found["serial"]))},
                manufacturer=MANUFACTURER,
                translation_key="inverter",
                translation_placeholders={"serial": found["serial"].upper()},
            )
            entities.async_update_entity(entity.entity_id, device_id=inverter.id, **changes)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        for domain, name in list(device.identifiers):
            if domain == DOMAIN and name.startswith("dtu_"):
                ref = Ref(Subject.DTU, name.removeprefix("dtu_"))
                identifiers = {device_id(entry.entry_id, ref)}
                devices.async_update_device(device.id, new_identifiers=identifiers)


def async_remove_empty_devices(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Remove devices without entities: of ports, and of a DTU shared with another bridge."""
    entities, devices = er.async_get(hass), dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        is_port = any(re.search(r"_port\d+$", name) for _, name in device.identifiers)
        kept = er.async_entries_for_device(entities, device.id, include_disabled_entities=True)
        if is_port and not kept:
            devices.async_remove_device(device.id)
        elif (
            _DEVICES_ARE_SHARED
            and len(device.config_entries) > 1
            and entry.entry_id not in {entity.config_entry_id for entity in kept}
        ):
            # Version 2 named the device after the DTU alone; now each bridge has its own.
            devices.async_update_device(device.id, remove_config_entry_id=entry.entry_id)


def _from_port(devices: dr.DeviceRegistry, entity: er.RegistryEntry, name: str) -> dict[str, Any]:
    """Return what the owner gave to the device of a port, for its entities to keep."""
    port = devices.async_get(entity.device_id) if entity.device_id else None
    if port is None:
        return {}
    changes: dict[str, Any] = {"area_id": entity.area_id or port.area_id}
    if port.name_by_user and not entity.name:
        changes["name"] = name.replace("Port {port}", port.name_by_user)
    return changes


def _remove_unit_of_statistics(hass: HomeAssistant, entity_id: str) -> None:
    """Remove units such as `queries`, which cannot be translated; the statistics go on."""
    if "recorder" not in hass.config.components:
        return
    from homeassistant.components import recorder  # noqa: PLC0415

    update = cast(Any, recorder).get_instance(hass).async_update_statistics_metadata
    has_class = "new_unit_class" in inspect.signature(update).parameters
    update(
        entity_id, new_unit_of_measurement=None, **({"new_unit_class": None} if has_class else {})
    )
