"""What the bridge sent, checked once: everything behind this file can rely on its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeGuard

Object = Mapping[str, Any]


class Subject(StrEnum):
    """What an entity belongs to."""

    BRIDGE = "bridge"
    DTU = "dtu"
    INVERTER = "inverter"
    PORT = "port"
    METER = "meter"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Names one subject: the bridge, a DTU, an inverter, one of its ports, or a meter."""

    subject: Subject
    name: str = ""
    """The DTU's name, or the serial number of inverter and meter."""
    port: int = 0


BRIDGE = Ref(Subject.BRIDGE)


class MalformedError(ValueError):
    """What came is not what a bridge sends; the text says where it is not."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The plant at one instant, as the bridge sees it."""

    received_at: datetime
    is_pushed: bool
    objects: Mapping[Ref, Object] = field(repr=False)

    @classmethod
    def read(cls, data: Any, *, received_at: datetime, is_pushed: bool) -> Snapshot:
        """Read the `data` of an update, or the same put together from single answers."""
        if not isinstance(data, dict):
            raise MalformedError("data is no object")
        health = data.get("health")
        if not isinstance(health, dict):
            raise MalformedError("health is no object")
        inverters = data.get("inverters")
        if not isinstance(inverters, list):
            raise MalformedError("inverters is no list")
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
        """Go through all objects of one kind."""
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
        """When the bridge started: another value means that it has been restarted."""
        return _text(self.health.get("start_time"))

    @property
    def version(self) -> str | None:
        """The bridge's version; older ones do not tell it."""
        return _text(self.health.get("version"))


def pointed(found: Object, pointer: str) -> Any:
    """Follow a JSON pointer; None where it leads to nothing."""
    value: Any = found
    for step in pointer.removeprefix("/").split("/"):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _sums(dtu: str, objects: Mapping[Ref, Object]) -> dict[str, Any]:
    """Add up what the old component showed of a DTU and the bridge does not give."""
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


def is_number(value: Any) -> TypeGuard[float]:
    """Tell a number from everything else; JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _by_serial(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in _objects(value):
        if serial := _text(found.get("serial_number")):
            yield serial, found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
