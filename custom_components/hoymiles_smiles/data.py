"""Snapshots of the plant as the bridge sends them, validated once; other modules rely on that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeGuard

Object = Mapping[str, Any]


class Subject(StrEnum):
    """What an entity describes."""

    BRIDGE = "bridge"
    DTU = "dtu"
    INVERTER = "inverter"
    PORT = "port"
    METER = "meter"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Identifies one subject: the bridge, a DTU, an inverter, one of its ports, or a meter."""

    subject: Subject
    name: str = ""
    """The DTU's name, or the serial number of an inverter or meter in lower case."""
    port: int = 0

    @property
    def serial(self) -> str:
        """The serial number of an inverter or meter, as on its label."""
        return self.name.upper()


BRIDGE = Ref(Subject.BRIDGE)


class MalformedError(ValueError):
    """The data are not a bridge's snapshot; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The plant at one instant, as the bridge sees it."""

    received_at: datetime
    is_pushed: bool
    objects: Mapping[Ref, Object] = field(repr=False)

    @classmethod
    def read(cls, data: Any, *, received_at: datetime, is_pushed: bool) -> Snapshot:
        """Validate the `data` of an update, or the same data collected from single requests."""
        if not isinstance(data, dict):
            raise MalformedError("data is not an object")
        health = data.get("health")
        if not isinstance(health, dict):
            raise MalformedError("health is not an object")
        inverters = data.get("inverters")
        if not isinstance(inverters, list):
            raise MalformedError("inverters is not a list")
        objects: dict[Ref, Object] = {BRIDGE: data}
        for serial, inverter in _by_serial(inverters):
            objects[Ref(Subject.INVERTER, serial)] = inverter
            for port in _objects(inverter.get("ports")):
                number = port.get("port_number")
                if isinstance(number, int):
                    objects[Ref(Subject.PORT, serial, number)] = port
        for serial, meter in _by_serial(data.get("meters")):
            objects[Ref(Subject.METER, serial)] = meter
        dtus = health.get("dtus")
        for name, dtu in dtus.items() if isinstance(dtus, dict) else ():
            if isinstance(dtu, dict):
                objects[Ref(Subject.DTU, name)] = dtu | _sums(name, objects)
        return cls(received_at, is_pushed, objects)

    def of(self, subject: Subject) -> Iterator[tuple[Ref, Object]]:
        """Iterate over all objects of one kind."""
        return ((ref, found) for ref, found in self.objects.items() if ref.subject is subject)

    def count(self, subject: Subject) -> int:
        """Count the objects of one kind."""
        return sum(1 for _ in self.of(subject))

    @property
    def health(self) -> Object:
        """The health object."""
        health: Object = self.objects[BRIDGE]["health"]
        return health

    @property
    def start_time(self) -> str | None:
        """When the bridge started; another value means that it has restarted."""
        return _text(self.health.get("start_time"))

    @property
    def version(self) -> str | None:
        """The bridge's version; older bridges do not report one."""
        return _text(self.health.get("version"))


def instance_of(health: Object) -> str | None:
    """Return the bridge's instance id from its health object; older bridges have none."""
    return _text(health.get("instance"))


def serials_of(inverters: Any) -> set[str]:
    """Return the serial numbers of a list of inverter objects."""
    return {serial for serial, _ in _by_serial(inverters)}


def last_error(found: Object) -> str | None:
    """Format the last error of a DTU or target; the remedy, if there is one, below the error."""
    error, remedy = _text(found.get("last_error")), _text(found.get("last_error_remedy"))
    if error and remedy and remedy not in error:
        return f"{error}\n\n→ {remedy}"
    return error


def dtu_label(name: str) -> str:
    """Return how a DTU is called where its name alone would not say that it is one."""
    return name if name.casefold().startswith("dtu") else f"DTU {name}"


def value_at(found: Object, pointer: str) -> Any:
    """Follow a JSON pointer; None if it leads nowhere."""
    value: Any = found
    for step in pointer.removeprefix("/").split("/"):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether this is a JSON number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sums(dtu: str, objects: Mapping[Ref, Object]) -> dict[str, Any]:
    """Add up the sums of a DTU that version 2 of this component showed."""
    inverters = [
        found
        for ref, found in objects.items()
        if ref.subject is Subject.INVERTER and found.get("dtu_name") == dtu
    ]
    powers = [power for found in inverters if is_number(power := found.get("pv_power"))]
    return {
        "inverter_count": len(inverters),
        "pv_power": round(sum(powers), 1) if powers else None,
    }


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _by_serial(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in _objects(value):
        if serial := _text(found.get("serial_number")):
            # Bridges write them in either case; unique ids must stay the same.
            yield serial.lower(), found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
