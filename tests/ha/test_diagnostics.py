"""Diagnostics without secrets, and the lines of the system information."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import ClientWebSocketResponse
from homeassistant.components import system_health
from homeassistant.components.diagnostics import REDACTED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN
from custom_components.hoymiles_smiles.diagnostics import (
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)
from custom_components.hoymiles_smiles.redaction import redact

from .conftest import TOKEN, push
from .fake import ONE, TWO, FakeBridge
from .repository import COMPONENT

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]
LABELS = json.loads((COMPONENT / "translations/en.json").read_text())["system_health"]["info"]
NEVER_READ = "114100000077"
SECRETS = (TOKEN, "sesame", ONE, TWO, NEVER_READ, "10F8BC500000", "10.1.2.3", "127.0.0.1")


async def test_diagnostics_contain_the_data_but_no_secrets(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    hass.config_entries.async_update_entry(loaded, data={**loaded.data, "access_token": "sesame"})
    await hass.async_block_till_done()
    socket = await connect()
    await socket.receive_json()
    data = bridge.copy()
    health = data["health"]["dtus"]["DTU"]
    health["last_error_remedy"] = "Check that 10.1.2.3 is the address of the DTU"
    health["last_error_cause"] = "timeout"
    missing = {"missing_inverters": [NEVER_READ], "warnings": [f"does not list {NEVER_READ}; look"]}
    health.update(missing)
    await push(hass, socket, data)
    info = await async_get_config_entry_diagnostics(hass, loaded)
    text = json.dumps(info, default=str)
    assert not [secret for secret in SECRETS if secret in text]
    assert info["push"]["is_connected"]
    assert info["newest"]["received_by"] == "push"
    one, two = info["data"]["inverters"]
    assert one["grid_voltage"] == 233.4
    assert one["serial_number"].startswith("1121-")
    assert one["ports"][0]["serial_number"] == one["serial_number"] != two["serial_number"]
    dtu = info["data"]["health"]["dtus"]["DTU"]
    assert dtu["last_error"].endswith("no answer within 3 s")
    assert dtu["last_error_cause"] == "timeout"
    assert dtu["last_error_remedy"] == f"Check that {REDACTED} is the address of the DTU"
    assert info["push"]["refused_update"] is None
    await socket.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "the name dtu-roof could not be resolved (no such host)",
            "the name * could not be resolved (no such host)",
        ),
        ("the name of dtu-roof was not resolved", "the name of * was not resolved"),
        ("dtu-roof:10081 cannot be reached (no route)", "*:10081 cannot be reached (no route)"),
        ("refused by dtu-roof.fritz.box:502; check host", "refused by *:502; check host"),
        ("TLS: the certificate is not for dtu-roof", "TLS: the certificate is not for *"),
        (
            "dtu-roof is not allowed; add it to http.registration.allow",
            "* is not allowed; add it to http.registration.allow",
        ),
        ('the bridge\'s configuration, as "dtu-roof"', 'the bridge\'s configuration, as "*"'),
        ("dtu-roof is no address of a target", "* is no address of a target"),
        ("http://dtu-roof:8080 did not answer in time", "* did not answer in time"),
        ("pointing to HTTPS://me:pw@dtu-roof/x?token=pw; look", "pointing to *; look"),
        ("Authorization: Bearer dtu-roof, token=pw", "Authorization: Bearer *, token=*"),
        ("asked bridge-box; nothing", "asked *; nothing"),
        ("from [fe80::12%eth0]:502, ::1 and fd00::", "from [*]:502, * and *"),
        ("::ffff:10.1.2.3, fd00::5: fd00::6...", "*, *: *..."),
        ("last:fe80::1", "last:*"),
        ("2001:DB8:0:0:0:0:0:1, 010.1.2.3:502", "*, *:502"),
        ("10.1.2.3.nip.io, 3c:84:6a:00:00:01", "*, *"),
        ("the DTU 10F8BC500000 lists none", "the DTU 10F8-087b79f7 lists none"),
        ("inverter 1141a0000001, 1141A0000001", "inverter 1141-fd2568ef, 1141-fd2568ef"),
    ],
)
def test_redacts_hosts_and_addresses_in_texts(text: str, shown: str) -> None:
    assert redact(text, ["bridge-box", "a"]) == shown.replace("*", REDACTED)


@pytest.mark.parametrize(
    "text",
    [
        "online",
        "2026-06-01T12:00:00+02:00",
        "said at 12:30:05 that there is a fault, code 7",
        "V00.01.00",
        "0.10.0-beta.1",
        "HM-600/700/800",
        "registration is turned off in the bridge's configuration (http.registration.enabled)",
        "the DTU sent only part of its answer within 3s (4 of 12 bytes); set a longer `timeout`",
    ],
)
def test_leaves_harmless_texts_unchanged(text: str) -> None:
    assert redact(text, ["online", "a", "bridge-box"]) == text


def test_redacts_values_of_secret_keys() -> None:
    described = {
        "url": "x",
        "websocket_url": ["y"],
        "configuration_url": "z",
        "ip": 16909060,
        "token": None,
        "curl": "stays",
        "host": {"fd00::5": 1, "fd00::6": 2},
    }
    assert redact(described) == {
        "url": REDACTED,
        "websocket_url": REDACTED,
        "configuration_url": REDACTED,
        "ip": REDACTED,
        "token": None,
        "curl": "stays",
        "host": {REDACTED: 1, f"{REDACTED} #2": 2},
    }


async def test_redacts_short_host_names_only_where_they_are_hosts(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    hass.config.internal_url = "http://my-home:8123"
    data = {**loaded.data, "host": "a"}
    registration = loaded.runtime_data.coordinator.registration
    with patch.object(hass.config_entries, "async_reload"):
        hass.config_entries.async_update_entry(loaded, data=data)
        await hass.async_block_till_done()
    registration.reason = "a gateway: my-home is not there"
    info = await async_get_config_entry_diagnostics(hass, loaded)
    assert info["entry"]["data"]["host"] == REDACTED
    assert info["entry"]["options"]["callback_url"] == REDACTED
    assert info["push"]["reason"] == f"a gateway: {REDACTED} is not there"
    assert info["data"]["health"]["dtus"]["DTU"]["model"] == "DTU-Pro"
    assert info["data"]["inverters"][0]["alarm_text"] == "none"


async def test_device_diagnostics_contain_only_that_device(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    device = dr.async_get(hass).async_get_device({(DOMAIN, TWO)})
    info = await async_get_device_diagnostics(hass, loaded, device)
    inverter, first, second = info["objects"]
    assert (inverter["pv_power"], first["port_number"], second["port_number"]) == (412.6, 1, 2)
    assert TWO not in json.dumps(info)


async def test_system_health_describes_the_bridge(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info = await system_health.get_integration_info(hass, hass.data["system_health"][DOMAIN])
    lines = info["info"]
    assert await lines.pop("can_reach_bridge") == "ok"
    age = lines.pop("newest_data")
    assert age.endswith("s, by polling")
    assert lines == {"bridges": "1 of 1", "bridge_version": "0.1.0", "push": "not connected"}


async def test_system_health_numbers_several_bridges(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    other = FakeBridge()
    await other.start()
    second = MockConfigEntry(
        domain=DOMAIN,
        title="Another bridge",
        data={"host": other.host, "port": other.port, "push_token": "other"},
        options={"callback_url": "http://127.0.0.1:8123"},
        version=2,
    )
    second.add_to_hass(hass)
    del other.data["health"]["version"]
    await hass.config_entries.async_setup(second.entry_id)
    await hass.async_block_till_done()
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()

    async def lines() -> dict[str, Any]:
        registered = hass.data["system_health"][DOMAIN]
        info = (await system_health.get_integration_info(hass, registered))["info"]
        reached = {key: await info[key] for key in info if key.startswith("can_reach")}
        return info | reached

    both = await lines()
    # In the order of their titles.
    assert (both["bridge_version_1"], both["bridge_version_2"]) == ("?", "0.1.0")
    assert both["can_reach_bridge_1"] == both["can_reach_bridge_2"] == "ok"
    # Lines without a label would be shown by their key.
    assert set(both) <= set(LABELS)
    # The numbers stay when one bridge is not loaded.
    await hass.config_entries.async_unload(second.entry_id)
    rest = await lines()
    assert (rest["bridges"], rest["bridge_version_2"]) == ("1 of 2", "0.1.0")
    assert "bridge_version_1" not in rest
    await other.stop()
