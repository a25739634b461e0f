"""The state that every entity must have, from the bridge's own table and its HTTP API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plant import ROOT, Bridge

TABLE = json.loads((ROOT / "src/entities/entities.json").read_text())["entities"]


def read(bridge: Bridge) -> dict[str, Any]:
    """Return the data of an update, collected from the API."""
    return {
        "health": bridge.get("/health"),
        "stats": bridge.get("/stats"),
        "plant": bridge.get("/api/plant"),
        "inverters": bridge.get("/api/inverters"),
        "meters": bridge.get("/api/meters"),
    }


@dataclass(frozen=True)
class Names:
    """How the unique ids of each subject's entities begin."""

    bridge: str
    dtu: str
    inverter: str
    port: str
    are_days_in_kwh: bool = False


def by_integration(entry_id: str) -> Names:
    """Return the names that the integration uses."""
    dtu = entry_id + "_dtu_{dtu}"
    return Names(entry_id, dtu, "{serial}", "{serial}_port{port}", are_days_in_kwh=True)


OVER_MQTT = Names(
    "hoymiles_bridge", "hoymiles_dtu_{dtu}", "hoymiles_{serial}", "hoymiles_{serial}_p{port}"
)


def expected(data: dict[str, Any], names: Names) -> dict[str, str]:
    """Return the state of each entity by unique id, also of optional ones that may not exist."""
    states = {}
    for subject, prefix, found in _objects(data, names):
        for row in TABLE:
            if row["subject"] == subject:
                is_in_kwh = names.are_days_in_kwh and row["key"] == "today_production"
                shown = {**row, "divisor": 1000} if is_in_kwh else row
                states[f"{prefix}_{row['key']}"] = _state(shown, found)
    return states


def differences(shown: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Return where Home Assistant shows another state."""
    return [
        f"{unique_id}: {state} instead of {wanted.get(unique_id)}"
        for unique_id, state in shown.items()
        if not _is_equal(state, wanted.get(unique_id))
    ]


def _objects(data: dict[str, Any], names: Names) -> Iterator[tuple[str, str, Any]]:
    yield "bridge", names.bridge, data
    for name, dtu in data["health"]["dtus"].items():
        yield "dtu", names.dtu.format(dtu=name), dtu
    for inverter in data["inverters"]:
        serial = inverter["serial_number"]
        if names.are_days_in_kwh:
            serial = serial.lower()
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


def _is_equal(shown: str, wanted: str | None) -> bool:
    if wanted is None or shown == wanted:
        return shown == wanted
    for kind in (float, datetime.fromisoformat):
        try:
            one, other = kind(shown), kind(wanted)
        except ValueError:
            continue
        return bool(abs(one - other) < 1e-6) if isinstance(one, float) else bool(one == other)
    return False
