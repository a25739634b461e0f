"""Binary sensors: the table's flags, and whether the bridge's push connection is up."""

from __future__ import annotations

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HoymilesCoordinator, coordinator_of
from .data import BRIDGE, Ref, Subject
from .entity import HoymilesEntity, async_add_as_they_appear
from .table import Flag, Row

PARALLEL_UPDATES = 0

PUSH = Row(
    Subject.BRIDGE,
    "push",
    Flag("connectivity", lambda it: it is True),
    "",
    is_diagnostic=True,
    is_enabled=False,
)
"""Not part of the bridge's own table, because it describes this end of the connection."""


async def async_setup_entry(
    hass: HomeAssistant, entry: ConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the binary sensors of one bridge."""
    coordinator = coordinator_of(entry)
    async_add_entities([PushSensor(coordinator)])
    async_add_as_they_appear(
        coordinator, Platform.BINARY_SENSOR, HoymilesBinarySensor, async_add_entities
    )


class HoymilesBinarySensor(HoymilesEntity, BinarySensorEntity):
    """One flag of the table."""

    def __init__(self, coordinator: HoymilesCoordinator, ref: Ref, row: Row) -> None:
        """Take the device class from the row."""
        super().__init__(coordinator, ref, row)
        if isinstance(row.kind, Flag):
            self._attr_device_class = BinarySensorDeviceClass(row.kind.device_class)

    @property
    def is_on(self) -> bool | None:
        """The flag's value; a bridge that is lost or cannot be read is not healthy."""
        coordinator = self.coordinator
        is_down = coordinator.is_lost or not coordinator.last_update_success
        if self._is_about_bridge and is_down:
            return False
        value = self.value
        return None if value is None else bool(value)

    @property
    def available(self) -> bool:
        """Whether the value is known; that the bridge is down is known, too."""
        return self._is_about_bridge or super().available

    @property
    def _is_about_bridge(self) -> bool:
        return self.ref == BRIDGE


class PushSensor(HoymilesBinarySensor):
    """Whether the bridge is connected."""

    def __init__(self, coordinator: HoymilesCoordinator) -> None:
        """Show the connection of `coordinator`."""
        super().__init__(coordinator, BRIDGE, PUSH)

    @property
    def is_on(self) -> bool:
        """Whether the bridge is connected."""
        return self.coordinator.is_push_connected
