"""A real Home Assistant and the real bridge: values, restarts in each order, push and polling."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from home import Home, wait_for
from plant import Bridge
from truth import differences, expected, read

BACK_WITHIN = 30
PUSHED = "[WebSocket Push] ✓ Received data from bridge: 19 inverters, 37 ports"


def pushes(home: Home) -> int:
    return home.log.count(PUSHED)


def registry(home: Home) -> dict[str, str]:
    listed = home.entities()
    doubled = [
        uid for uid, times in Counter(one["unique_id"] for one in listed).items() if times > 1
    ]
    assert not doubled
    return {one["unique_id"]: one["entity_id"] for one in listed}


def shown(home: Home) -> dict[str, str]:
    """The states of all our entities but the one about push, by unique id."""
    states = home.states()
    entry_id = home.entry()["entry_id"]
    return {
        unique_id: states[entity_id]["state"]
        for unique_id, entity_id in registry(home).items()
        if unique_id != f"{entry_id}_push"
    }


def wrong_of(states: dict[str, str], truth: dict[str, str]) -> list[str]:
    """Where these states differ from the truth."""
    # What the alarm means is said in other words here.
    no_alarm = re.compile(r"\w+_alarm: none instead of none")
    return [one for one in differences(states, truth) if not no_alarm.match(one)]


def all_right(home: Home, bridge: Bridge) -> bool:
    """Compare all states with the truth, unless that changes meanwhile."""
    before = read(bridge)
    states = shown(home)
    if read(bridge)["inverters"] != before["inverters"]:
        return False
    wrong = wrong_of(states, expected(before, home.entry()["entry_id"]))
    assert not wrong, wrong[:5]
    return True


def lags_rightly(home: Home, bridge: Bridge, truths: list[dict[str, str]]) -> bool:
    """Compare all states with one moment of the bridge; polling shows one that may be past."""
    data = read(bridge)
    truth = expected(data, home.entry()["entry_id"])
    if data["inverters"] == read(bridge)["inverters"] and truth not in truths:
        truths.append(truth)
    states = shown(home)
    wrong = min((wrong_of(states, one) for one in truths), key=len, default=["no truth yet"])
    assert not wrong, wrong[:5]
    return True


def is_pushed_to(home: Home) -> bool:
    entity_id = registry(home)[f"{home.entry()['entry_id']}_push"]
    return bool(home.states()[entity_id]["state"] == "on")


def test_the_bridge_is_added_in_the_dialogue_and_pushes_at_once(home: Home, bridge: Bridge) -> None:
    refused = home.add_bridge("127.0.0.1", 9)
    assert refused["errors"] == {"base": "cannot_connect"}
    assert "cannot be reached" in refused["description_placeholders"]["reason"]
    result = home.add_bridge("127.0.0.1", bridge.port)
    assert result["type"] == "create_entry", result
    wait_for("the first push", lambda: pushes(home) > 0, BACK_WITHIN)
    assert home.entry()["state"] == "loaded"


def test_every_entity_shows_the_truth(home: Home, bridge: Bridge) -> None:
    hidden = [one["entity_id"] for one in home.entities() if one["disabled_by"]]
    update = {"type": "config/entity_registry/update", "disabled_by": None}
    home.commands([{**update, "entity_id": entity_id} for entity_id in hidden])
    home.post(f"/api/config/config_entries/entry/{home.entry()['entry_id']}/reload")
    # Each row of the table but those of three phases, of AC power and others that Modbus lacks.
    there = 7 + 8 + 19 * 15 + 37 * 6
    wait_for("all entities", lambda: len(shown(home)) == there, 30)
    wait_for("all entities are right", lambda: all_right(home, bridge), 30)
    print(f"{len(shown(home))} entities are right")


def test_devices_hang_together(home: Home) -> None:
    devices = {one["id"]: one for one in home.command("config/device_registry/list")}
    ours = [one for one in devices.values() if one["identifiers"][0][0] == "hoymiles_smiles"]
    kinds = Counter(one["name"].split()[0] for one in ours)
    assert kinds == {"Hoymiles": 1, "DTU": 1, "Inverter": 19}
    for device in ours:
        via = devices.get(device["via_device_id"] or "", {}).get("name")
        kind = device["name"].split()[0]
        assert via == {"Inverter": "DTU", "DTU": "Hoymiles bridge", "Hoymiles": None}[kind]


def test_diagnostics_name_nobody(home: Home) -> None:
    told = str(home.get(f"/api/diagnostics/config_entry/{home.entry()['entry_id']}")["data"])
    serials = {unique_id[:12] for unique_id in registry(home) if unique_id.startswith("11")}
    assert len(serials) == 19
    assert not [serial for serial in serials if serial in told]
    assert "127.0.0.1" not in told


def restart_home(home: Home, _: Bridge) -> None:
    home.stop()
    home.start()


def kill_home(home: Home, _: Bridge) -> None:
    home.stop(signal.SIGKILL)
    home.start()


def restart_bridge(_: Home, bridge: Bridge) -> None:
    bridge.stop()
    bridge.start()


def restart_bridge_that_forgets(_: Home, bridge: Bridge) -> None:
    bridge.stop()
    bridge.forget_everything()
    bridge.start()


def home_comes_first(home: Home, bridge: Bridge) -> None:
    bridge.stop()
    home.stop()
    home.start()
    bridge.start()


def bridge_comes_first(home: Home, bridge: Bridge) -> None:
    home.stop()
    bridge.stop()
    bridge.start()
    home.start()


def bridge_is_told_to_forget(_: Home, bridge: Bridge) -> None:
    bridge.forget_target()


@pytest.mark.parametrize(
    "happens",
    [
        restart_home,
        kill_home,
        restart_bridge,
        restart_bridge_that_forgets,
        home_comes_first,
        bridge_comes_first,
        bridge_is_told_to_forget,
    ],
)
def test_push_is_back_and_nothing_is_lost_or_doubled(
    home: Home, bridge: Bridge, happens: Callable[[Home, Bridge], None]
) -> None:
    wait_for("push", lambda: is_pushed_to(home), BACK_WITHIN)
    before = registry(home)
    happens(home, bridge)
    known, began = pushes(home), time.monotonic()
    wait_for("push is back", lambda: pushes(home) > known and is_pushed_to(home), BACK_WITHIN)
    print(f"{happens.__name__}: push is back after {time.monotonic() - began:.1f} s")
    assert registry(home) == before
    wait_for("all entities are right", lambda: all_right(home, bridge), 20)


def test_polling_takes_over_and_push_returns(home: Home, bridge: Bridge) -> None:
    flow = "/api/config/config_entries/options/flow"
    form = home.post(flow, {"handler": home.entry()["entry_id"]})
    home.post(f"{flow}/{form['flow_id']}", {"scan_interval": 10})
    wait_for("push", lambda: is_pushed_to(home), BACK_WITHIN)
    bridge.stop()
    bridge.forget_everything()
    bridge.start(HOYMILES__HTTP__REGISTRATION__ENABLED="false")
    known = pushes(home)
    first: list[dict[str, str]] = []
    wait_for("values come by polling", lambda: lags_rightly(home, bridge, first), 2 * 10 + 10)
    later: list[dict[str, str]] = []
    time.sleep(11)
    wait_for("and go on to", lambda: lags_rightly(home, bridge, later), 30)
    assert pushes(home) == known
    assert not is_pushed_to(home)
    assert "does not push to us" in home.log
    bridge.stop()
    bridge.start()
    wait_for("push returns", lambda: pushes(home) > known and is_pushed_to(home), BACK_WITHIN + 5)


def test_nothing_went_wrong_unseen(home: Home, bridge: Bridge) -> None:
    took = home.stop()
    assert took < 10, f"stopping took {took:.1f} s"
    errors = [line for line in home.log.splitlines() if "ERROR" in line or "Traceback" in line]
    # The bridge was away, and that was told once each time it went.
    unexpected = [line for line in errors if "Error fetching Hoymiles bridge" not in line]
    assert not unexpected
    assert "panicked" not in bridge.log
