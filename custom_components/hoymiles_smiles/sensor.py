"""Sensors: the rows of the table that are not flags."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .const import CONF_MIGRATED_AT
from .coordinator import HoymilesCoordinator, coordinator_of
from .data import Ref, Subject, value_at
from .entity import HoymilesEntity, async_add_as_they_appear
from .table import Choice, Number, Row, Time, parse_time

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: ConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the sensors of one bridge."""
    coordinator = coordinator_of(entry)
    async_add_as_they_appear(coordinator, Platform.SENSOR, HoymilesSensor, async_add_entities)


class HoymilesSensor(HoymilesEntity, SensorEntity):
    """One value of the table."""

    def __init__(self, coordinator: HoymilesCoordinator, ref: Ref, row: Row) -> None:
        """Take class, unit and precision from the row."""
        super().__init__(coordinator, ref, row)
        match row.kind:
            case Number() as number:
                self._attr_native_unit_of_measurement = number.unit
                self._attr_suggested_display_precision = number.precision
                if number.shown_precision is not None:
                    self._attr_suggested_display_precision = number.shown_precision
                if number.shown_unit:
                    self._attr_suggested_unit_of_measurement = number.shown_unit
                if number.device_class:
                    self._attr_device_class = SensorDeviceClass(number.device_class)
                if number.state_class:
                    self._attr_state_class = SensorStateClass(number.state_class)
            case Choice():
                self._attr_device_class = SensorDeviceClass.ENUM
            case Time():
                self._attr_device_class = SensorDeviceClass.TIMESTAMP
        self._migrated_at = parse_time(coordinator.entry.data.get(CONF_MIGRATED_AT))

    @property
    def native_value(self) -> StateType | datetime:
        """The current value; None if it is unknown."""
        return self.value

    @property
    def options(self) -> list[str] | None:
        """The possible words, and the current one if it names an unknown code."""
        if not isinstance(self.row.kind, Choice):
            return None
        options, value = self.row.kind.options, self.value
        return options if value is None or value in options else [*options, str(value)]

    @property
    def state_class(self) -> SensorStateClass | None:
        """The row's state class, except on the day of the migration from version 2.

        A `last_reset` that first appears during a day would make statistics count that day twice.
        Without one, only `total_increasing` notices a day that began while Home Assistant was off.
        """
        of_row: SensorStateClass | None = getattr(self, "_attr_state_class", None)
        if of_row is SensorStateClass.TOTAL and (migrated_at := self._migrated_at):
            return SensorStateClass.TOTAL_INCREASING if self._since <= migrated_at else of_row
        return of_row

    @property
    def last_reset(self) -> datetime | None:
        """The midnight since which the energy of a day is counted, by the bridge's time zone."""
        if self.state_class is not SensorStateClass.TOTAL or self.found is None:
            return None
        return self._since

    @property
    def _since(self) -> datetime:
        pointer = "/plant/today_since" if self.ref.subject is Subject.BRIDGE else "/today_since"
        since = None if self.found is None else parse_time(value_at(self.found, pointer))
        return since or dt_util.start_of_local_day(self.coordinator.data.received_at)

    @property
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """The device's own code behind a word, or the bridge's text for it."""
        if self.row.raw is None or self.found is None:
            return None
        return {"raw": value_at(self.found, self.row.raw)}
