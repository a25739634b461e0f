"""MQTT discovery with a real Home Assistant, a real mosquitto and the real bridge."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from broker import Broker
from expected_states import OVER_MQTT, differences, expected, read
from home import Home, wait_for
from plant import Bridge

RIGHT_WITHIN = 30


@dataclass
class System:
    """Everything that runs, in the order in which it was started."""

    broker: Broker
    bridge: Bridge
    home: Home


def section(broker: Broker) -> str:
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Home Assistant and a bridge with 19 inverters and 37 ports at one broker."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    bridge = Bridge(tmp_path_factory.mktemp("bridge"), section(broker))
    made = System(broker, bridge, Home(tmp_path_factory.mktemp("home")))
    try:
        broker.start()
        bridge.start()
        made.home.start()
        yield made
    finally:
        made.home.stop()
        bridge.end()
        broker.stop()


def all_right(system: System, since: datetime) -> bool:
    """Compare all states with the bridge, unless it changes meanwhile or has not polled since."""
    before = read(system.bridge)
    states = system.home.shown("mqtt")
    polled = before["health"]["dtus"]["DTU"]["last_successful_query"]
    if read(system.bridge)["inverters"] != before["inverters"]:
        return False
    assert datetime.fromisoformat(polled) > since, f"polled at {polled}"
    wrong = differences(states, expected(before, OVER_MQTT))
    assert not wrong, wrong[:5]
    return True


def test_adds_every_device_below_its_parent(system: System) -> None:
    plain = {"set_ca_cert": "off", "set_client_cert": False}
    place = {"broker": "127.0.0.1", "port": system.broker.port}
    added = system.home.add("mqtt", **place, other_settings=plain)
    assert added["type"] == "create_entry", added

    def devices() -> list[dict[str, str]]:
        listed: list[dict[str, str]] = system.home.command("config/device_registry/list")
        return [one for one in listed if one["manufacturer"] in {"Hoymiles", "hoymiles-bridge"}]

    wait_for("21 devices", lambda: len(devices()) == 21, RIGHT_WITHIN)
    names = {one["id"]: one["name"].split()[0] for one in devices()}
    above = Counter((names[one["id"]], names.get(one["via_device_id"] or "")) for one in devices())
    assert above == {("Hoymiles", None): 1, ("DTU", "Hoymiles"): 1, ("Inverter", "DTU"): 19}


def test_every_entity_shows_the_bridges_value(system: System) -> None:
    # Each row of the table but those of three phases, of AC power and others that Modbus lacks.
    there = 7 + 8 + 19 * 15 + 37 * 6
    wait_for("the registry", lambda: len(system.home.registry("mqtt")) == there, RIGHT_WITHIN)
    system.home.enable_all("mqtt")
    wait_for("all entities", lambda: len(system.home.shown("mqtt")) == there, RIGHT_WITHIN)
    now = datetime.now(UTC)
    wait_for("all entities are right", lambda: all_right(system, now), RIGHT_WITHIN)


def test_energy_dashboard_accepts_every_energy(system: System) -> None:
    energies = [one for uid, one in system.home.registry("mqtt").items() if "production" in uid]
    assert len(energies) == 2 * (1 + 19 + 37)
    assert not system.home.energy_problems(energies)


def broker_restarts(system: System) -> None:
    system.broker.stop()
    system.broker.start()


def broker_forgets(system: System) -> None:
    system.broker.stop()
    system.broker.forget_everything()
    system.broker.start()


def home_restarts(system: System) -> None:
    system.home.stop()
    system.home.start()


def home_is_killed(system: System) -> None:
    system.home.stop(signal.SIGKILL)
    system.home.start()


def bridge_restarts(system: System) -> None:
    system.bridge.stop()
    gone = {"unavailable"}
    wait_for("no values", lambda: set(system.home.shown("mqtt").values()) == gone, RIGHT_WITHIN)
    system.bridge.start()


def bridge_is_killed(system: System) -> None:
    system.bridge.stop(signal.SIGKILL)
    system.bridge.start()


def broker_forgets_while_home_is_away(system: System) -> None:
    system.home.stop()
    broker_forgets(system)
    system.home.start()


def broker_comes_last(system: System) -> None:
    system.broker.stop()
    system.bridge.stop()
    system.home.stop()
    system.broker.forget_everything()
    system.home.start()
    system.bridge.start()
    system.broker.start()


def bridge_comes_last(system: System) -> None:
    system.bridge.stop()
    system.home.stop()
    broker_forgets(system)
    system.home.start()
    system.bridge.start()


@pytest.mark.parametrize(
    "happens",
    [
        broker_restarts,
        broker_forgets,
        home_restarts,
        home_is_killed,
        bridge_restarts,
        bridge_is_killed,
        broker_forgets_while_home_is_away,
        broker_comes_last,
        bridge_comes_last,
    ],
)
def test_recovers_without_losing_or_doubling_entities(
    system: System, happens: Callable[[System], None]
) -> None:
    before = system.home.registry("mqtt")
    happens(system)
    since, began = datetime.now(UTC), time.monotonic()
    wait_for("all entities are right", lambda: all_right(system, since), RIGHT_WITHIN)
    print(f"{happens.__name__}: all is right after {time.monotonic() - began:.1f} s")
    assert system.home.registry("mqtt") == before


def test_ports_become_devices_and_entities_again(system: System) -> None:
    before = system.home.registry("mqtt")

    def ports() -> list[str]:
        listed = system.home.command("config/device_registry/list")
        return [one["id"] for one in listed if one["name"].startswith("Port ")]

    def at_ports() -> int:
        there = ports()
        return sum(one["device_id"] in there for one in system.home.entities("mqtt"))

    for choice, devices in [("true", 37), ("false", 0)]:
        system.bridge.stop()
        system.bridge.configure(f"{section(system.broker)}child_devices = {choice}\n")
        system.bridge.start()
        since = datetime.now(UTC)
        wait_for("the devices", lambda many=devices: len(ports()) == many, RIGHT_WITHIN)
        wait_for("their entities", lambda many=devices: at_ports() == 6 * many, RIGHT_WITHIN)
        wait_for(
            "all entities are right", lambda after=since: all_right(system, after), RIGHT_WITHIN
        )
        assert system.home.registry("mqtt") == before


def test_logs_no_unexpected_errors(system: System) -> None:
    system.home.stop()
    of_us = re.compile(r"(ERROR|WARNING).*(components\.mqtt|components\.(binary_)?sensor|template)")
    wrong = [line for line in system.home.log.splitlines() if of_us.search(line)]
    # That the broker was away is logged.
    assert not [line for line in wrong if "mqtt.client" not in line]
    assert "panicked" not in system.bridge.log
