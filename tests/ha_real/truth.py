"""What every entity must show, from the bridge's own table and its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plant import ROOT, Bridge

TABLE = json.loads((ROOT / "src/entities/entities.json").read_text())["entities"]


def read(bridge: Bridge) -> dict[str, Any]:
    """The data of an update, put together from the API."""
    return {
        "health": bridge.get("/health"),
        "stats": bridge.get("/stats"),
        "plant": bridge.get("/api/plant"),
        "inverters": bridge.get("/api/inverters"),
        "meters": bridge.get("/api/meters"),
    }


@dataclass(frozen=True)
class Names:
    """What the unique ids of the subjects' entities begin with."""

    bridge: str
    dtu: str
    inverter: str
    port: str


def by_integration(entry_id: str) -> Names:
    """As the integration names them."""
    return Names(entry_id, entry_id + "_dtu_{dtu}", "{serial}", "{serial}_port{port}")


OVER_MQTT = Names(
    "hoymiles_bridge", "hoymiles_dtu_{dtu}", "hoymiles_{serial}", "hoymiles_{serial}_p{port}"
)


def expected(data: dict[str, Any], names: Names) -> dict[str, str]:
    """The state of each entity by unique id; those that are not known and may never come too."""
    states = {}
    for subject, prefix, found in _objects(data, names):
        for row in TABLE:
            if row["subject"] == subject:
                states[f"{prefix}_{row['key']}"] = _state(row, found)
    return states


def differences(shown: dict[str, str], truth: dict[str, str]) -> list[str]:
    """Where Home Assistant is wrong."""
    return [
        f"{unique_id}: {state} instead of {truth.get(unique_id)}"
        for unique_id, state in shown.items()
        if not _is_equal(state, truth.get(unique_id))
    ]


def _objects(data: dict[str, Any], names: Names) -> Iterator[tuple[str, str, Any]]:
    yield "bridge", names.bridge, data
    for name, dtu in data["health"]["dtus"].items():
        yield "dtu", names.dtu.format(dtu=name), dtu
    for inverter in data["inverters"]:
        serial = inverter["serial_number"]
        yield "inverter", names.inverter.format(serial=serial), inverter
        for port in inverter["ports"]:
            number = port["port_number"]
            yield "port", names.port.format(serial=serial, port=number), port


def _state(row: dict[str, Any], found: Any) -> str:
    value = _pointed(found, row["source"])
    if value is None:
        return "unknown"
    if row["on"]:
        ((how, wanted),) = row["on"].items()
        return "on" if (value == wanted) == (how == "is") else "off"
    if row["words"]:
        return str(row["words"].get(str(value), row["other_word"]))
    if row["divisor"]:
        return str(value / row["divisor"])
    return str(value)


def _pointed(found: Any, pointer: str) -> Any:
    for step in pointer.strip("/").split("/"):
        if isinstance(found, list):
            found = found[int(step)] if int(step) < len(found) else None
        else:
            found = (found or {}).get(step)
    return found


def _is_equal(shown: str, truth: str | None) -> bool:
    if truth is None or shown == truth:
        return shown == truth
    for kind in (float, datetime.fromisoformat):
        try:
            one, other = kind(shown), kind(truth)
        except ValueError:
            continue
        return bool(abs(one - other) < 1e-6) if isinstance(one, float) else bool(one == other)
    return False
