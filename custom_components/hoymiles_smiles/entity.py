"""What all entities have in common: identity, device, availability, and when they appear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast

from homeassistant.const import EntityCategory, Platform
from homeassistant.core import Event, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN, MANUFACTURER
from .coordinator import HoymilesCoordinator
from .data import BRIDGE, Object, Ref, Snapshot, Subject, pointed
from .row import Flag, Row, Value
from .table import BY_SUBJECT

# Home Assistant 2026.8 and later want the id of a parent, the older ones what identifies it.
_PARENTS_HAVE_IDS: Final = "via_device_id" in DeviceInfo.__annotations__


def unique_id(entry_id: str, ref: Ref, key: str) -> str:
    """Name an entity for ever: by serial number where there is one."""
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
    """Name a device; a port belongs to its inverter's."""
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
        """Show `row` of the subject that `ref` names."""
        super().__init__(coordinator)
        self.ref = ref
        self.row = row
        self._attr_unique_id = unique_id(coordinator.entry.entry_id, ref, row.key)
        self._attr_translation_key = row.translation_key
        self._attr_entity_registry_enabled_default = row.is_enabled
        self._attr_entity_category = EntityCategory.DIAGNOSTIC if row.is_diagnostic else None
        if ref.subject is Subject.PORT:
            self._attr_translation_placeholders = {"port": str(ref.port)}
        self._attr_device_info = _device(coordinator, ref)

    @property
    def found(self) -> Object | None:
        """The bridge's object of our subject; None while it has none."""
        return self.coordinator.data.objects.get(self.ref)

    @property
    def value(self) -> Value:
        """The value of the moment; None is not known."""
        found = self.found
        return None if found is None else self.row.value(found)

    @property
    def available(self) -> bool:
        """Whether the bridge can be asked and still has the subject."""
        return super().available and self.found is not None


def _device(coordinator: HoymilesCoordinator, ref: Ref) -> DeviceInfo:
    entry_id = coordinator.entry.entry_id
    snapshot = coordinator.data
    found = snapshot.objects[ref]
    info = DeviceInfo(identifiers={device_id(entry_id, ref)}, manufacturer=MANUFACTURER)
    via = BRIDGE
    match ref.subject:
        case Subject.BRIDGE:
            info["name"] = info["model"] = info["manufacturer"] = "Hoymiles bridge"
            info["configuration_url"] = coordinator.client.url
        case Subject.DTU:
            is_called_so = ref.name.casefold().startswith("dtu")
            info["name"] = ref.name if is_called_so else f"DTU {ref.name}"
            info["model"] = "DTU"
        case Subject.INVERTER | Subject.PORT:
            found = snapshot.objects.get(Ref(Subject.INVERTER, ref.name), found)
            info["name"] = f"Inverter {ref.name}"
            via = _dtu_of(snapshot, found)
        case Subject.METER:
            info["name"] = f"Meter {ref.name}"
            info["model"] = "Energy meter"
            via = _dtu_of(snapshot, found)
    cast(Any, info).update(_told(ref.subject, found))
    if ref.subject is Subject.BRIDGE:
        return info
    if _PARENTS_HAVE_IDS:
        # It must be there before those that hang on it.
        parent = dr.async_get(coordinator.hass).async_get_or_create(
            config_entry_id=entry_id, **_device(coordinator, via)
        )
        cast(Any, info)["via_device_id"] = parent.id
    else:
        info["via_device"] = device_id(entry_id, via)
    return info


def _told(subject: Subject, found: Object) -> dict[str, str]:
    """Take what the bridge tells of a device itself and may tell otherwise later."""
    model = dict.fromkeys((Subject.INVERTER, Subject.PORT), "/inverter_type")
    model[Subject.DTU] = "/model"
    is_bridge = subject is Subject.BRIDGE
    sources = {
        "model": model.get(subject, ""),
        "serial_number": "" if is_bridge else "/serial_number",
        "sw_version": "/health/version" if is_bridge else "/firmware_version",
    }
    values = {field: pointed(found, source) for field, source in sources.items() if source}
    return {field: str(value) for field, value in values.items() if value}


@callback
def async_keep_devices_current(coordinator: HoymilesCoordinator) -> None:
    """Show another version or model on the devices' pages when the bridge tells of one."""
    devices = dr.async_get(coordinator.hass)
    entry_id = coordinator.entry.entry_id

    @callback
    def look() -> None:
        told = {
            device_id(entry_id, ref): _told(ref.subject, found)
            for ref, found in coordinator.data.objects.items()
            if ref.subject is not Subject.PORT
        }
        for device in dr.async_entries_for_config_entry(devices, entry_id):
            newest = next((told[one] for one in device.identifiers if one in told), {})
            changes = {key: one for key, one in newest.items() if getattr(device, key) != one}
            if changes:
                cast(Any, devices).async_update_device(device.id, **changes)

    coordinator.entry.async_on_unload(coordinator.async_add_listener(look))


def _dtu_of(snapshot: Snapshot, found: Object) -> Ref:
    """Name the DTU that reads a device, or the bridge while it tells of no such DTU."""
    dtu = Ref(Subject.DTU, str(found.get("dtu_name")))
    return dtu if dtu in snapshot.objects else BRIDGE


@callback
def async_add_as_they_appear(
    coordinator: HoymilesCoordinator,
    platform: Platform,
    make: Callable[[HoymilesCoordinator, Ref, Row], Entity],
    add: AddEntitiesCallback,
) -> None:
    """Add the entities there are, and later those of inverters and ports that come."""
    known: dict[str, Entity] = {}
    entry_id = coordinator.entry.entry_id
    registry = er.async_get(coordinator.hass)

    def is_wanted(identity: str, row: Row, found: Object) -> bool:
        """Whether it has a value, or had one before Home Assistant was restarted."""
        has_one = not row.is_legacy and (not row.is_given_late or row.value(found) is not None)
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
    def look() -> None:
        if fresh := list(newcomers()):
            add(fresh)

    look()
    coordinator.entry.async_on_unload(coordinator.async_add_listener(look))
    forget = partial(_forget_removed, known, platform, registry)
    listen = cast(Any, coordinator.hass.bus.async_listen)
    coordinator.entry.async_on_unload(listen(er.EVENT_ENTITY_REGISTRY_UPDATED, forget))


@callback
def _forget_removed(
    known: dict[str, Entity], platform: Platform, registry: er.EntityRegistry, event: Event
) -> None:
    """Let those come back whose device was deleted; disabled ones, too, which nobody tells."""
    if event.data["action"] == "remove":
        for identity, entity in list(known.items()):
            is_registered = registry.async_get_entity_id(platform, DOMAIN, identity)
            if entity.entity_id and not is_registered:
                del known[identity]
