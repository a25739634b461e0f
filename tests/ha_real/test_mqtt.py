"""A real Home Assistant, a real mosquitto and the real bridge: what MQTT discovery makes of it."""

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
from home import Home, wait_for
from plant import Bridge
from truth import OVER_MQTT, differences, expected, read

RIGHT_WITHIN = 30


@dataclass
class House:
    """All that runs here, in the order in which it was started."""

    broker: Broker
    bridge: Bridge
    home: Home


def section(broker: Broker) -> str:
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Home Assistant and a bridge with 19 inverters and 37 ports at one broker."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    bridge = Bridge(tmp_path_factory.mktemp("bridge"), section(broker))
    made = House(broker, bridge, Home(tmp_path_factory.mktemp("home")))
    try:
        broker.start()
        bridge.start()
        made.home.start()
        yield made
    finally:
        made.home.stop()
        bridge.end()
        broker.stop()


def all_right(house: House, since: datetime) -> bool:
    """Compare all states with the truth, unless that changes meanwhile or is older than this."""
    before = read(house.bridge)
    states = house.home.shown("mqtt")
    polled = before["health"]["dtus"]["DTU"]["last_successful_query"]
    if read(house.bridge)["inverters"] != before["inverters"]:
        return False
    assert datetime.fromisoformat(polled) > since, f"polled at {polled}"
    wrong = differences(states, expected(before, OVER_MQTT))
    assert not wrong, wrong[:5]
    return True


def test_adds_every_device_below_its_parent(house: House) -> None:
    plain = {"set_ca_cert": "off", "set_client_cert": False}
    place = {"broker": "127.0.0.1", "port": house.broker.port}
    added = house.home.add("mqtt", **place, other_settings=plain)
    assert added["type"] == "create_entry", added

    def devices() -> list[dict[str, str]]:
        listed: list[dict[str, str]] = house.home.command("config/device_registry/list")
        return [one for one in listed if one["manufacturer"] in {"Hoymiles", "hoymiles-bridge"}]

    wait_for("21 devices", lambda: len(devices()) == 21, RIGHT_WITHIN)
    names = {one["id"]: one["name"].split()[0] for one in devices()}
    above = Counter((names[one["id"]], names.get(one["via_device_id"] or "")) for one in devices())
    assert above == {("Hoymiles", None): 1, ("DTU", "Hoymiles"): 1, ("Inverter", "DTU"): 19}


def test_every_entity_shows_the_bridges_value(house: House) -> None:
    # Each row of the table but those of three phases, of AC power and others that Modbus lacks.
    there = 7 + 8 + 19 * 15 + 37 * 6
    wait_for("the registry", lambda: len(house.home.registry("mqtt")) == there, RIGHT_WITHIN)
    house.home.enable_all("mqtt")
    wait_for("all entities", lambda: len(house.home.shown("mqtt")) == there, RIGHT_WITHIN)
    now = datetime.now(UTC)
    wait_for("all entities are right", lambda: all_right(house, now), RIGHT_WITHIN)


def test_energy_dashboard_accepts_every_energy(house: House) -> None:
    energies = [one for uid, one in house.home.registry("mqtt").items() if "production" in uid]
    assert len(energies) == 2 * (1 + 19 + 37)
    assert not house.home.energy_problems(energies)


def broker_restarts(house: House) -> None:
    house.broker.stop()
    house.broker.start()


def broker_forgets(house: House) -> None:
    house.broker.stop()
    house.broker.forget_everything()
    house.broker.start()


def home_restarts(house: House) -> None:
    house.home.stop()
    house.home.start()


def home_is_killed(house: House) -> None:
    house.home.stop(signal.SIGKILL)
    house.home.start()


def bridge_restarts(house: House) -> None:
    house.bridge.stop()
    gone = {"unavailable"}
    wait_for("no values", lambda: set(house.home.shown("mqtt").values()) == gone, RIGHT_WITHIN)
    house.bridge.start()


def bridge_is_killed(house: House) -> None:
    house.bridge.stop(signal.SIGKILL)
    house.bridge.start()


def broker_forgets_while_home_is_away(house: House) -> None:
    house.home.stop()
    broker_forgets(house)
    house.home.start()


def broker_comes_last(house: House) -> None:
    house.broker.stop()
    house.bridge.stop()
    house.home.stop()
    house.broker.forget_everything()
    house.home.start()
    house.bridge.start()
    house.broker.start()


def bridge_comes_last(house: House) -> None:
    house.bridge.stop()
    house.home.stop()
    broker_forgets(house)
    house.home.start()
    house.bridge.start()


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
    house: House, happens: Callable[[House], None]
) -> None:
    before = house.home.registry("mqtt")
    happens(house)
    since, began = datetime.now(UTC), time.monotonic()
    wait_for("all entities are right", lambda: all_right(house, since), RIGHT_WITHIN)
    print(f"{happens.__name__}: all is right after {time.monotonic() - began:.1f} s")
    assert house.home.registry("mqtt") == before


def test_ports_become_devices_and_entities_again(house: House) -> None:
    before = house.home.registry("mqtt")

    def ports() -> list[str]:
        listed = house.home.command("config/device_registry/list")
        return [one["id"] for one in listed if one["name"].startswith("Port ")]

    def at_ports() -> int:
        there = ports()
        return sum(one["device_id"] in there for one in house.home.entities("mqtt"))

    for choice, devices in [("true", 37), ("false", 0)]:
        house.bridge.stop()
        house.bridge.configure(f"{section(house.broker)}child_devices = {choice}\n")
        house.bridge.start()
        since = datetime.now(UTC)
        wait_for("the devices", lambda many=devices: len(ports()) == many, RIGHT_WITHIN)
        wait_for("their entities", lambda many=devices: at_ports() == 6 * many, RIGHT_WITHIN)
        wait_for(
            "all entities are right", lambda after=since: all_right(house, after), RIGHT_WITHIN
        )
        assert house.home.registry("mqtt") == before


def test_logs_no_unexpected_errors(house: House) -> None:
    house.home.stop()
    of_us = re.compile(r"(ERROR|WARNING).*(components\.mqtt|components\.(binary_)?sensor|template)")
    wrong = [line for line in house.home.log.splitlines() if of_us.search(line)]
    # The broker was away, and that was told.
    assert not [line for line in wrong if "mqtt.client" not in line]
    assert "panicked" not in house.bridge.log
