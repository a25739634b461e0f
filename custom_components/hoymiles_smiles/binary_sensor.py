"""The rows of the table that are on or off, and whether push works."""

from __future__ import annotations

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HoymilesCoordinator, coordinator_of
from .data import BRIDGE, Ref, Subject
from .entity import HoymilesEntity, async_add_as_they_appear
from .row import Flag, Row

PARALLEL_UPDATES = 0

PUSH = Row(
    Subject.BRIDGE,
    "push",
    Flag("connectivity", lambda it: it is True),
    "",
    is_diagnostic=True,
    is_enabled=False,
)
"""Not of the bridge's table: it is about our end of the connection."""


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
    """One state that is on or off."""

    def __init__(self, coordinator: HoymilesCoordinator, ref: Ref, row: Row) -> None:
        """Take the class from the row."""
        super().__init__(coordinator, ref, row)
        if isinstance(row.kind, Flag):
            self._attr_device_class = BinarySensorDeviceClass(row.kind.device_class)

    @property
    def is_on(self) -> bool | None:
        """Whether it is on; a bridge that cannot be asked is not healthy."""
        if self._is_about_bridge and not self.coordinator.last_update_success:
            return False
        value = self.value
        return None if value is None else bool(value)

    @property
    def available(self) -> bool:
        """Whether it can be known: that the bridge is away is known too."""
        return self._is_about_bridge or super().available

    @property
    def _is_about_bridge(self) -> bool:
        return self.ref == BRIDGE


class PushSensor(HoymilesBinarySensor):
    """Whether the bridge is connected to us."""

    def __init__(self, coordinator: HoymilesCoordinator) -> None:
        """Watch the connection of `coordinator`."""
        super().__init__(coordinator, BRIDGE, PUSH)

    @property
    def is_on(self) -> bool:
        """Whether the bridge is connected."""
        return self.coordinator.is_push_connected
