"""All entities in one table; `tests/ha` compares it with the bridge's own, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from .data import Object, Subject, is_number, value_at

LONGEST_STATE: Final = 255

Value = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Number:
    """A number: device class, unit, state class and decimals, as the bridge's table has them."""

    device_class: str | None = None
    unit: str | None = None
    state_class: str | None = None
    precision: int | None = None
    divisor: int = 1
    shown_unit: str | None = None
    """The unit that new entities are shown in; those that exist keep theirs."""
    shown_precision: int | None = None

    def value(self, source: Any) -> Value:
        """Accept numbers only: a text where a number belongs is unknown."""
        if not is_number(source):
            return None
        number: float = source
        return number if self.divisor == 1 else number / self.divisor


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list of words, which are translated."""

    words: Mapping[str, str]
    other: str | None = None
    """The word for any other code; `{}` in it stands for the code."""

    @property
    def options(self) -> list[str]:
        """All translated words."""
        others = [self.other] if self.other and "{}" not in self.other else []
        return [*dict.fromkeys(self.words.values()), *others]

    def value(self, source: Any) -> Value:
        """Translate a code or a word of the bridge."""
        if source is None:
            return None
        code = str(source)
        return self.words.get(code, self.other and self.other.format(code))


@dataclass(frozen=True, slots=True)
class Text:
    """Free text, as the bridge writes it."""

    def value(self, source: Any) -> Value:
        """Cut the text to what a state can hold."""
        return None if source is None else str(source)[:LONGEST_STATE]


@dataclass(frozen=True, slots=True)
class Time:
    """An RFC 3339 time."""

    def value(self, source: Any) -> Value:
        """Accept only times with an offset."""
        return parse_time(source)


@dataclass(frozen=True, slots=True)
class Flag:
    """On or off, as `is_on` decides."""

    device_class: str
    is_on: Callable[[Any], bool]

    def value(self, source: Any) -> Value:
        """Decide; a missing value is unknown."""
        return None if source is None else self.is_on(source)


@dataclass(frozen=True, slots=True)
class Row:
    """One entity."""

    subject: Subject
    key: str
    """Identifies the entity within its subject; never changes."""
    kind: Number | Choice | Text | Time | Flag
    source: str
    """JSON pointer into the subject's object."""
    is_diagnostic: bool = False
    is_enabled: bool = True
    is_optional: bool = False
    """Whether devices may lack the value: the entity is added with the first value."""
    is_legacy: bool = False
    """Whether only owners who had version 2 of this component get the entity."""
    raw: str | None = None
    """JSON pointer to the code behind a word, shown as an attribute."""

    def value(self, found: Object) -> Value:
        """Return the value from the subject's object."""
        return self.kind.value(value_at(found, self.source))

    @property
    def translation_key(self) -> str:
        """The key of the name and the states in the translations."""
        return f"{self.subject}_{self.key}"

    def diagnostic(self) -> Row:
        """Copy as a diagnostic entity."""
        return replace(self, is_diagnostic=True)

    def disabled(self) -> Row:
        """Copy as an entity that is disabled by default."""
        return replace(self, is_enabled=False)

    def optional(self) -> Row:
        """Copy as an entity that is added with its first value."""
        return replace(self, is_optional=True)


def parse_time(source: Any) -> datetime | None:
    """Parse an RFC 3339 time; None without an offset."""
    if not isinstance(source, str):
        return None
    try:
        at = datetime.fromisoformat(source)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


# fmt: off
_ALARMS: Final = (
    1, 2, 3, 4, 11, 12, 13, 14, 15, 36, 38, 46, 47, 48, 49, 50, 61, 62, 63, 71, 72, 73, 95, 96,
    97, 98, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 141, 142, 143, 144, 145, 146, 147,
    148, 149, 150, 151, 152, 171, 181, 182, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214,
    215, 216, 217, 218, 219, 220, 221, 222, 223, 301, 302, 303, 304, 305, 306, 307, 308, 309,
    310, 311, 312, 313, 314, 1111, 2000, 2001, 2002, 2003, 2004, 3001, 3002, 3003, 3004, 5011,
    5012, 5013, 5014, 5020, 5041, 5042, 5043, 5044, 5051, 5052, 5053, 5054, 5060, 5070, 5080,
    5090, 5100, 5110, 5120, 5141, 5142, 5143, 5144, 5150, 5160, 5200, 5511, 5512, 5513, 5514,
    5520, 8310, 8320, 9000,
)
# fmt: on
ALARMS: Final[Mapping[str, str]] = {"0": "none"} | {str(code): f"alarm_{code}" for code in _ALARMS}
"""The alarm codes of inverters that have a translated text."""

POWER: Final = Number("power", "W", "measurement", 1)
TODAY: Final = Number("energy", "Wh", "total", 0, shown_unit="kWh", shown_precision=2)
ENERGY: Final = Number("energy", "kWh", "total_increasing", 3, divisor=1000, shown_precision=1)
VOLTAGE: Final = Number("voltage", "V", "measurement", 1)
CURRENT: Final = Number("current", "A", "measurement", 2)
FREQUENCY: Final = Number("frequency", "Hz", "measurement", 2)
TEMPERATURE: Final = Number("temperature", "°C", "measurement", 1)
REACTIVE_POWER: Final = Number("reactive_power", "var", "measurement", 1)
POWER_FACTOR: Final = Number("power_factor", None, "measurement", 3)
BYTES: Final = Number("data_size", "B", "measurement", 0)
PERCENT: Final = Number(None, "%", "measurement", 0)
COUNT: Final = Number(None, None, "total_increasing", 0)
CODE: Final = Number(None, None, None, 0)


def _bridge(key: str, kind: Number | Flag | Time, source: str) -> Row:
    return Row(Subject.BRIDGE, key, kind, source)


def _dtu(key: str, kind: Number | Flag | Choice | Time | Text, source: str = "") -> Row:
    return Row(Subject.DTU, key, kind, source or f"/{key}", is_diagnostic=True)


def _inverter(
    key: str, kind: Number | Flag | Choice | Time, source: str = "", raw: str | None = None
) -> Row:
    return Row(Subject.INVERTER, key, kind, source or f"/{key}", raw=raw)


def _port(key: str, kind: Number | Time) -> Row:
    return Row(Subject.PORT, key, kind, f"/{key}")


def _meter(key: str, kind: Number | Time, source: str = "") -> Row:
    return Row(Subject.METER, key, kind, source or f"/{key}")


def _phases(subject: Subject, source: str, kinds: Mapping[str, Number]) -> list[Row]:
    """Return rows for the phases A, B and C of three-phase devices."""
    return [
        Row(
            subject,
            f"phase_{letter}_{quantity}",
            kind,
            source.format(index=index, quantity=quantity),
            is_enabled=False,
            is_optional=True,
        )
        for quantity, kind in kinds.items()
        for index, letter in enumerate("abc")
    ]


def _legacy(subject: Subject, key: str, kind: Number, source: str) -> Row:
    return Row(subject, key, kind, source, is_diagnostic=True, is_legacy=True)


BRIDGE: Final = [
    _bridge("pv_power", POWER, "/plant/pv_power"),
    _bridge("today_production", TODAY, "/plant/today_production"),
    _bridge("total_production", ENERGY, "/plant/total_production"),
    _bridge("active_power", POWER, "/plant/active_power").optional(),
    _bridge("healthy", Flag("connectivity", lambda it: it is True), "/health/healthy").diagnostic(),
    _bridge("start_time", Time(), "/health/start_time").diagnostic().disabled(),
    _bridge("inverters_count", CODE, "/stats/inverters_count").diagnostic().disabled(),
    _bridge("database_size_bytes", BYTES, "/stats/database_size_bytes").diagnostic().disabled(),
]

DTU: Final = [
    _dtu("status", Choice({word: word for word in ("online", "asleep", "error", "unknown")})),
    _dtu("reachable", Flag("connectivity", lambda it: it == "online"), "/status"),
    _dtu("problem", Flag("problem", lambda it: it == "error"), "/status"),
    _dtu("last_successful_query", Time()),
    _dtu("query_count", COUNT).disabled(),
    _dtu("error_count", COUNT).disabled(),
    _dtu("last_error", Text()).disabled(),
    _dtu("last_error_time", Time()).disabled(),
]

INVERTER: Final = [
    _inverter("pv_power", POWER),
    _inverter("today_production", TODAY),
    _inverter("total_production", ENERGY),
    _inverter("active_power", POWER).optional(),
    _inverter("grid_voltage", VOLTAGE),
    _inverter("grid_frequency", FREQUENCY),
    _inverter("current", CURRENT).optional().disabled(),
    _inverter("reactive_power", REACTIVE_POWER).optional().disabled(),
    _inverter("power_factor", POWER_FACTOR).optional().disabled(),
    *_phases(
        Subject.INVERTER, "/phase_{quantity}s/{index}", {"voltage": VOLTAGE, "current": CURRENT}
    ),
    _inverter("temperature", TEMPERATURE).diagnostic(),
    _inverter("reachable", Flag("connectivity", lambda it: it == 1), "/link_status").diagnostic(),
    _inverter("problem", Flag("problem", lambda it: it != 0), "/alarm_code")
    .optional()
    .diagnostic(),
    # The bridge's own texts are English; these are translated.
    _inverter("alarm", Choice(ALARMS, "Alarm {}"), "/alarm_code", raw="/alarm_text")
    .optional()
    .diagnostic(),
    _inverter("alarm_code", CODE).optional().diagnostic().disabled(),
    _inverter("alarm_count", COUNT).diagnostic().disabled(),
    _inverter(
        "operating_status",
        Choice({"0": "no_data", "3": "producing"}, "other"),
        raw="/operating_status",
    ).diagnostic(),
    _inverter(
        "link_status", Choice({"0": "not_reached", "1": "reached"}, "other"), raw="/link_status"
    )
    .diagnostic()
    .disabled(),
    _inverter("power_limit", PERCENT).optional().diagnostic(),
    _inverter("signal", PERCENT).optional().diagnostic().disabled(),
    _inverter("timestamp", Time()).diagnostic().disabled(),
    _inverter("last_seen", Time()).diagnostic().disabled(),
]

PORT: Final = [
    _port("pv_power", POWER),
    _port("today_production", TODAY),
    _port("total_production", ENERGY),
    _port("pv_voltage", VOLTAGE),
    _port("pv_current", CURRENT),
    _port("timestamp", Time()).diagnostic().disabled(),
]

METER: Final = [
    _meter("power", POWER),
    _meter("energy_exported", ENERGY),
    _meter("energy_imported", ENERGY),
    _meter("power_factor", POWER_FACTOR).disabled(),
    *_phases(
        Subject.METER,
        "/phases/{index}/{quantity}",
        {"power": POWER, "voltage": VOLTAGE, "current": CURRENT},
    ),
    _meter("timestamp", Time()).diagnostic().disabled(),
]

# Only entities that exist already are kept, for the owner's dashboards.
LEGACY: Final = [
    _legacy(
        Subject.BRIDGE,
        "uptime",
        Number("duration", "s", "total_increasing", 0),
        "/health/uptime_seconds",
    ),
    _legacy(
        Subject.BRIDGE,
        "cached_records",
        Number(None, None, "measurement", 0),
        "/stats/total_records",
    ),
    _legacy(Subject.BRIDGE, "dtu_query_count", COUNT, "/health/dtus/DTU/query_count"),
    _legacy(Subject.BRIDGE, "dtu_error_count", COUNT, "/health/dtus/DTU/error_count"),
    _legacy(
        Subject.BRIDGE,
        "dtu_last_query",
        Number("duration", "s", None, 0),
        "/health/dtus/DTU/seconds_since_last_success",
    ),
    _legacy(
        Subject.DTU,
        "inverter_count",
        Number(None, None, "measurement", 0),
        "/inverter_count",
    ),
    _legacy(Subject.DTU, "pv_power", POWER, "/pv_power"),
]

TABLE: Final = [*BRIDGE, *DTU, *INVERTER, *PORT, *METER, *LEGACY]
"""Every entity but the one for the push connection."""

BY_SUBJECT: Final[Mapping[Subject, list[Row]]] = {
    subject: [row for row in TABLE if row.subject is subject] for subject in Subject
}
