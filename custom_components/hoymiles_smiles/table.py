"""All entities in one table; `tests/ha` compares it with the bridge's own, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .alarms import ALARMS
from .data import Subject
from .row import Choice, Flag, Number, Row, Text, Time

POWER: Final = Number("power", "W", "measurement", 1)
TODAY: Final = Number("energy", "Wh", "total", 0)
ENERGY: Final = Number("energy", "kWh", "total_increasing", 3, divisor=1000)
VOLTAGE: Final = Number("voltage", "V", "measurement", 1)
CURRENT: Final = Number("current", "A", "measurement", 2)
FREQUENCY: Final = Number("frequency", "Hz", "measurement", 2)
TEMPERATURE: Final = Number("temperature", "°C", "measurement", 1)
REACTIVE_POWER: Final = Number("reactive_power", "var", "measurement", 1)
POWER_FACTOR: Final = Number("power_factor", None, "measurement", 3)
BYTES: Final = Number("data_size", "B", "measurement", 0)
PERCENT: Final = Number(None, "%", "measurement", 0)
COUNT: Final = Number(None, None, "total_increasing", 0)
# The old component gave these units, and an entity keeps its unit.
QUERIES: Final = Number(None, "queries", "total_increasing", 0)
ERRORS: Final = Number(None, "errors", "total_increasing", 0)
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
    """What phases A, B and C have, if the device has three of them."""
    return [
        Row(
            subject,
            f"phase_{letter}_{quantity}",
            kind,
            source.format(index=index, quantity=quantity),
            is_enabled=False,
            is_given_late=True,
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
    _bridge("active_power", POWER, "/plant/active_power").late(),
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
    _dtu("query_count", QUERIES).disabled(),
    _dtu("error_count", ERRORS).disabled(),
    _dtu("last_error", Text()).disabled(),
    _dtu("last_error_time", Time()).disabled(),
]

INVERTER: Final = [
    _inverter("pv_power", POWER),
    _inverter("today_production", TODAY),
    _inverter("total_production", ENERGY),
    _inverter("active_power", POWER).late(),
    _inverter("grid_voltage", VOLTAGE),
    _inverter("grid_frequency", FREQUENCY),
    _inverter("current", CURRENT).late().disabled(),
    _inverter("reactive_power", REACTIVE_POWER).late().disabled(),
    _inverter("power_factor", POWER_FACTOR).late().disabled(),
    *_phases(
        Subject.INVERTER, "/phase_{quantity}s/{index}", {"voltage": VOLTAGE, "current": CURRENT}
    ),
    _inverter("temperature", TEMPERATURE).diagnostic(),
    _inverter("reachable", Flag("connectivity", lambda it: it == 1), "/link_status").diagnostic(),
    _inverter("problem", Flag("problem", lambda it: it != 0), "/alarm_code").late().diagnostic(),
    # The bridge writes alarms in English; here they are words that the user's language has.
    _inverter("alarm", Choice(ALARMS, "other"), "/alarm_code", raw="/alarm_text")
    .late()
    .diagnostic(),
    _inverter("alarm_code", CODE).late().diagnostic().disabled(),
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
    _inverter("power_limit", PERCENT).late().diagnostic(),
    _inverter("signal", PERCENT).late().diagnostic().disabled(),
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

# Their owners' dashboards go on; nobody gets them anew.
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
        Number(None, "records", "measurement", 0),
        "/stats/total_records",
    ),
    _legacy(Subject.BRIDGE, "dtu_query_count", QUERIES, "/health/dtus/DTU/query_count"),
    _legacy(Subject.BRIDGE, "dtu_error_count", ERRORS, "/health/dtus/DTU/error_count"),
    _legacy(
        Subject.BRIDGE,
        "dtu_last_query",
        Number("duration", "s", None, 0),
        "/health/dtus/DTU/seconds_since_last_success",
    ),
    _legacy(
        Subject.DTU,
        "inverter_count",
        Number(None, "inverters", "measurement", 0),
        "/inverter_count",
    ),
    _legacy(Subject.DTU, "pv_power", POWER, "/pv_power"),
]

TABLE: Final = [*BRIDGE, *DTU, *INVERTER, *PORT, *METER, *LEGACY]
"""Every entity there can be, but for the one that shows whether push works."""

BY_SUBJECT: Final[Mapping[Subject, list[Row]]] = {
    subject: [row for row in TABLE if row.subject is subject] for subject in Subject
}
