"""Compares what the integration shows in a real Home Assistant with the bridge."""

from __future__ import annotations

from expected_states import by_integration, differences, expected, read
from home import Home
from plant import Bridge

OURS = "hoymiles_smiles"
BACK_WITHIN = 30
PUSHED = "[WebSocket Push] ✓ Received data from bridge: 19 inverters, 37 ports"


def pushes(home: Home) -> int:
    return home.log.count(PUSHED)


def registry(home: Home) -> dict[str, str]:
    return home.registry(OURS)


def entry_id(home: Home) -> str:
    return str(home.entry(OURS)["entry_id"])


def shown(home: Home) -> dict[str, str]:
    """Return the states of all entities by unique id, without that of the push connection."""
    push = f"{entry_id(home)}_push"
    return {unique_id: state for unique_id, state in home.shown(OURS).items() if unique_id != push}


def all_right(home: Home, bridge: Bridge) -> bool:
    """Compare all states with the bridge, unless it changes meanwhile."""
    before = read(bridge)
    states = shown(home)
    if read(bridge)["inverters"] != before["inverters"]:
        return False
    wrong = differences(states, expected(before, by_integration(entry_id(home))))
    assert not wrong, wrong[:5]
    return True


def lags_rightly(home: Home, bridge: Bridge, candidates: list[dict[str, str]]) -> bool:
    """Compare all states with one moment of the bridge, which may be past when polling."""
    data = read(bridge)
    wanted = expected(data, by_integration(entry_id(home)))
    if data["inverters"] == read(bridge)["inverters"] and wanted not in candidates:
        candidates.append(wanted)
    states = shown(home)
    wrong = min(
        (differences(states, one) for one in candidates),
        key=len,
        default=["nothing yet"],
    )
    assert not wrong, wrong[:5]
    return True


def is_pushed_to(home: Home) -> bool:
    entity_id = registry(home)[f"{entry_id(home)}_push"]
    return bool(home.states()[entity_id]["state"] == "on")
