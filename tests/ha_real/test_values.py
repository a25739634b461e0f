"""The integration in a real Home Assistant with the real bridge shows the right values."""

from __future__ import annotations

from collections import Counter

from home import Home, wait_for
from plant import Bridge
from pushed import BACK_WITHIN, OURS, all_right, entry_id, pushes, registry, shown


def test_adds_the_bridge_and_receives_a_push_at_once(home: Home, bridge: Bridge) -> None:
    refused = home.add(OURS, host="127.0.0.1", port=9)
    assert refused["errors"] == {"base": "cannot_connect"}
    assert refused["description_placeholders"]["reason"] == "Connection refused"
    result = home.add(OURS, host="127.0.0.1", port=bridge.port)
    assert result["type"] == "create_entry", result
    wait_for("the first push", lambda: pushes(home) > 0, BACK_WITHIN)
    assert home.entry(OURS)["state"] == "loaded"


def test_every_entity_shows_the_bridges_value(home: Home, bridge: Bridge) -> None:
    home.enable_all(OURS)
    # Each row of the table but those of three phases, of AC power and others that Modbus lacks.
    there = 7 + 8 + 19 * 15 + 37 * 6
    wait_for("all entities", lambda: len(shown(home)) == there, 30)
    wait_for("all entities are right", lambda: all_right(home, bridge), 30)
    print(f"{len(shown(home))} entities are right")


def test_energy_dashboard_accepts_every_energy(home: Home) -> None:
    energies = [one for uid, one in registry(home).items() if "production" in uid]
    assert len(energies) == 2 * (1 + 19 + 37)
    assert not home.energy_problems(energies)


def test_devices_have_the_right_parents(home: Home) -> None:
    devices = {one["id"]: one for one in home.command("config/device_registry/list")}
    ours = [one for one in devices.values() if one["identifiers"][0][0] == "hoymiles_smiles"]
    kinds = Counter(one["name"].split()[0] for one in ours)
    assert kinds == {"Hoymiles": 1, "DTU": 1, "Inverter": 19}
    for device in ours:
        via = devices.get(device["via_device_id"] or "", {}).get("name")
        kind = device["name"].split()[0]
        assert via == {"Inverter": "DTU", "DTU": "Hoymiles bridge", "Hoymiles": None}[kind]


def test_home_assistant_reports_no_deprecated_use(home: Home) -> None:
    against = "Detected that custom integration"
    assert not [line for line in home.log.splitlines() if against in line]


def test_diagnostics_contain_no_serial_number_or_address(home: Home) -> None:
    diagnostics = str(home.get(f"/api/diagnostics/config_entry/{entry_id(home)}")["data"])
    serials = {unique_id[:12] for unique_id in registry(home) if unique_id.startswith("11")}
    assert len(serials) == 19
    assert not [serial for serial in serials if serial in diagnostics]
    assert "127.0.0.1" not in diagnostics
