"""What all entities share: unique ids, devices, availability, and when they are added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .address import short_address
from .const import DOMAIN, MANUFACTURER, PRODUCT
from .coordinator import HoymilesCoordinator, coordinator_of
from .data import BRIDGE, Object, Ref, Snapshot, Subject, dtu_label, value_at
from .identity import default_title
from .table import BY_SUBJECT, Flag, Row, Value

# Home Assistant 2026.8 and later want the parent's id, older ones its identifiers.
_PARENTS_HAVE_IDS: Final = "via_device_id" in DeviceInfo.__annotations__


def unique_id(entry_id: str, ref: Ref, key: str) -> str:
    """Return the unique id of an entity: by serial number where there is one."""
    match ref.subject:
        case Subject.BRIDGE:
            return f"{entry_id}_{key}"
        case Subject.DTU:
            return f"{entry_id}_dtu_{ref.name}_{key}"
        case Subject.INVERTER:
            return f"{ref.name}_{key}"
        case Subject.PORT:
            return f"{ref.name}_port{ref.port}_{key}"
        case Subject.METER:
            return f"meter_{ref.name}_{key}"


def device_id(entry_id: str, ref: Ref) -> tuple[str, str]:
    """Return the identifier of a device; a port belongs to its inverter's."""
    match ref.subject:
        case Subject.BRIDGE:
            return (DOMAIN, entry_id)
        case Subject.DTU:
            return (DOMAIN, f"{entry_id}_dtu_{ref.name}")
        case Subject.INVERTER | Subject.PORT:
            return (DOMAIN, ref.name)
        case Subject.METER:
            return (DOMAIN, f"meter_{ref.name}")


class HoymilesEntity(CoordinatorEntity[HoymilesCoordinator]):
    """One row of the table for one subject."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: HoymilesCoordinator, ref: Ref, row: Row) -> None:
        """Show `row` of the subject `ref`."""
        super().__init__(coordinator)
        self.ref = ref
        self.row = row
        self._attr_unique_id = unique_id(coordinator.entry.entry_id, ref, row.key)
        self._attr_translation_key = row.translation_key
        self._attr_entity_registry_enabled_default = row.is_enabled
        self._attr_entity_category = EntityCategory.DIAGNOSTIC if row.is_diagnostic else None
        if ref.subject is Subject.PORT:
            self._attr_translation_placeholders = {"port": str(ref.port)}
        self._attr_device_info = _device_info(coordinator, ref)

    @property
    def found(self) -> Object | None:
        """The subject's object; None while the bridge has none."""
        return self.coordinator.data.objects.get(self.ref)

    @property
    def value(self) -> Value:
        """The current value; None if it is unknown."""
        found = self.found
        return None if found is None else self.row.value(found)

    @property
    def available(self) -> bool:
        """Whether the bridge can be read and still has the subject."""
        return super().available and self.found is not None


def _device_info(coordinator: HoymilesCoordinator, ref: Ref) -> DeviceInfo:
    entry_id = coordinator.entry.entry_id
    snapshot = coordinator.data
    found = snapshot.objects[ref]
    info = DeviceInfo(identifiers={device_id(entry_id, ref)}, manufacturer=MANUFACTURER)
    via = BRIDGE
    match ref.subject:
        case Subject.BRIDGE:
            info["model"] = info["manufacturer"] = PRODUCT
            info["configuration_url"] = coordinator.client.url
            cast(Any, info).update(_bridge_name(coordinator.hass, coordinator.entry))
        case Subject.DTU:
            info["name"] = _dtu_name(coordinator.hass, coordinator.entry, ref.name)
            info["model"] = "DTU"
        case Subject.INVERTER | Subject.PORT:
            found = snapshot.objects.get(Ref(Subject.INVERTER, ref.name), found)
            info["translation_key"] = "inverter"
            info["translation_placeholders"] = {"serial": ref.serial}
            via = _dtu_of(snapshot, found)
        case Subject.METER:
            info["translation_key"] = "meter"
            info["translation_placeholders"] = {"serial": ref.serial}
            via = _dtu_of(snapshot, found)
    cast(Any, info).update(_reported(ref, found))
    if ref.subject is Subject.BRIDGE:
        return info
    if _PARENTS_HAVE_IDS:
        # The parent must exist first.
        parent = dr.async_get(coordinator.hass).async_get_or_create(
            config_entry_id=entry_id, **_device_info(coordinator, via)
        )
        cast(Any, info)["via_device_id"] = parent.id
    else:
        info["via_device"] = device_id(entry_id, via)
    return info


def _bridge_name(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, Any]:
    """Name the bridge's device as the owner named the entry; by address if there are several."""
    if _is_named_by_owner(entry):
        return {"name": entry.title}
    if not _are_several(hass):
        return {"translation_key": "bridge"}
    address = short_address(entry.data)
    return {"translation_key": "bridge_at", "translation_placeholders": {"address": address}}


def _dtu_name(hass: HomeAssistant, entry: ConfigEntry, name: str) -> str:
    name = dtu_label(name)
    if not _are_several(hass):
        return name
    return f"{name} ({entry.title if _is_named_by_owner(entry) else short_address(entry.data)})"


def _is_named_by_owner(entry: ConfigEntry) -> bool:
    return entry.title not in (PRODUCT, default_title(entry.data))


def _are_several(hass: HomeAssistant) -> bool:
    return (
        sum(1 for entry in hass.config_entries.async_entries(DOMAIN) if not entry.disabled_by) > 1
    )


@callback
def async_name_bridges(hass: HomeAssistant) -> None:
    """Name the devices of all bridges and DTUs so that they can be told apart."""
    devices = dr.async_get(hass)
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state is not ConfigEntryState.LOADED or entry.disabled_by:
            continue
        coordinator = coordinator_of(entry)
        for ref in coordinator.data.objects:
            if ref.subject in (Subject.BRIDGE, Subject.DTU):
                info = _device_info(coordinator, ref)
                devices.async_get_or_create(config_entry_id=entry.entry_id, **info)


def _reported(ref: Ref, found: Object) -> dict[str, str]:
    """Return what the bridge reports about a device, and may report differently later."""
    model = dict.fromkeys((Subject.INVERTER, Subject.PORT), "/inverter_type")
    model[Subject.DTU] = "/model"
    is_bridge = ref.subject is Subject.BRIDGE
    sources = {
        "model": model.get(ref.subject, ""),
        "serial_number": "" if is_bridge else "/serial_number",
        "sw_version": "/health/version" if is_bridge else "/firmware_version",
    }
    values = {field: value_at(found, source) for field, source in sources.items() if source}
    given = {field: str(value) for field, value in values.items() if value}
    if serial := given.get("serial_number"):
        given["serial_number"] = serial.upper()
    return given


@callback
def async_keep_devices_current(coordinator: HoymilesCoordinator) -> None:
    """Update the devices when the bridge reports another version or model."""
    devices = dr.async_get(coordinator.hass)
    entry_id = coordinator.entry.entry_id

    @callback
    def updated() -> None:
        reported = {
            device_id(entry_id, ref): _reported(ref, found)
            for ref, found in coordinator.data.objects.items()
            if ref.subject is not Subject.PORT
        }
        for device in dr.async_entries_for_config_entry(devices, entry_id):
            newest = next((reported[one] for one in device.identifiers if one in reported), {})
            changes = {key: one for key, one in newest.items() if getattr(device, key) != one}
            if changes:
                cast(Any, devices).async_update_device(device.id, **changes)

    coordinator.entry.async_on_unload(coordinator.async_add_listener(updated))


def _dtu_of(snapshot: Snapshot, found: Object) -> Ref:
    """Return the DTU that reads a device, or the bridge if it reports no such DTU."""
    dtu = Ref(Subject.DTU, str(found.get("dtu_name")))
    return dtu if dtu in snapshot.objects else BRIDGE


@callback
def async_add_as_they_appear(
    coordinator: HoymilesCoordinator,
    platform: Platform,
    make: Callable[[HoymilesCoordinator, Ref, Row], Entity],
    add: AddEntitiesCallback,
) -> None:
    """Add the entities of one platform, and later those of inverters and ports that appear."""
    known: dict[str, Entity] = {}
    entry_id = coordinator.entry.entry_id
    registry = er.async_get(coordinator.hass)

    def is_wanted(identity: str, row: Row, found: Object) -> bool:
        """Return whether the entity has a value, or was added before Home Assistant restarted."""
        has_one = not row.is_legacy and (not row.is_optional or row.value(found) is not None)
        return has_one or registry.async_get_entity_id(platform, DOMAIN, identity) is not None

    def newcomers() -> Iterator[Entity]:
        for ref, found in sorted(coordinator.data.objects.items(), key=lambda item: item[0]):
            for row in BY_SUBJECT[ref.subject]:
                is_ours = isinstance(row.kind, Flag) == (platform is Platform.BINARY_SENSOR)
                identity = unique_id(entry_id, ref, row.key)
                if is_ours and identity not in known and is_wanted(identity, row, found):
                    known[identity] = make(coordinator, ref, row)
                    yield known[identity]

    @callback
    def updated() -> None:
        if fresh := list(newcomers()):
            add(fresh)

    updated()
    coordinator.entry.async_on_unload(coordinator.async_add_listener(updated))
    forget = partial(_forget_removed, known, platform, registry)
    listen = cast(Any, coordinator.hass.bus.async_listen)
    coordinator.entry.async_on_unload(listen(er.EVENT_ENTITY_REGISTRY_UPDATED, forget))


@callback
def _forget_removed(
    known: dict[str, Entity], platform: Platform, registry: er.EntityRegistry, event: Event
) -> None:
    """Let entities whose device was deleted be added again, disabled ones too."""
    if event.data["action"] == "remove":
        for identity, entity in list(known.items()):
            is_registered = registry.async_get_entity_id(platform, DOMAIN, identity)
            if entity.entity_id and not is_registered:
                del known[identity]
