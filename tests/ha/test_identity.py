"""One entry per bridge: by instance id, at a new address, discovered, or beside another bridge."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import TOKEN, pass_time, push, set_up, settle, until
from .fake import ONE, FakeBridge, inverter

Connect = Callable[..., Awaitable[ClientWebSocketResponse]]
OTHER = "1161a0000b41"
POWER = f"sensor.inverter_{ONE}_pv_power"


@pytest.fixture
async def other() -> AsyncIterator[FakeBridge]:
    """A bridge of another plant."""
    fake = FakeBridge()
    fake.data["inverters"] = [inverter(OTHER)]
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def moved(bridge: FakeBridge) -> AsyncIterator[FakeBridge]:
    """The same bridge at another address."""
    fake = FakeBridge()
    fake.data = bridge.data
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = Encoding.PEM
    file = tmp_path_factory.mktemp("tls") / "bridge.pem"
    private = key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(pem))
    return file


@pytest.fixture
async def tls_bridge(certificate: Path) -> AsyncIterator[FakeBridge]:
    """A bridge behind https."""
    fake = FakeBridge()
    fake.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    fake.tls.load_cert_chain(certificate)
    await fake.start()
    yield fake
    await fake.stop()


def entry_for(hass: HomeAssistant, bridge: FakeBridge, title: str = "Second") -> MockConfigEntry:
    """Add an entry that is not set up yet."""
    made = MockConfigEntry(
        domain=DOMAIN,
        title=title,
        unique_id=f"{bridge.host}:{bridge.port}",
        data={"host": bridge.host, "port": bridge.port, "push_token": f"of {title}"},
        options={"callback_url": "http://127.0.0.1:8123"},
        version=2,
    )
    made.add_to_hass(hass)
    return made


def address_of(bridge: FakeBridge) -> dict[str, Any]:
    return {"host": bridge.host, "port": bridge.port}


def issues(hass: HomeAssistant) -> set[str | None]:
    found = ir.async_get(hass).issues.values()
    return {one.translation_key for one in found if one.domain == DOMAIN}


async def add(hass: HomeAssistant, given: dict[str, Any]) -> dict[str, Any]:
    flow = hass.config_entries.flow
    form = await flow.async_init(DOMAIN, context={"source": "user"})
    result = await flow.async_configure(form["flow_id"], given)
    await settle(hass)
    return dict(result)


async def reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry, given: dict[str, Any]
) -> dict[str, Any]:
    flow = hass.config_entries.flow
    context = {"source": "reconfigure", "entry_id": entry.entry_id}
    form = await flow.async_init(DOMAIN, context=context)
    result = await flow.async_configure(form["flow_id"], given)
    await settle(hass)
    return dict(result)


async def discover(hass: HomeAssistant, bridge: FakeBridge, **properties: str) -> dict[str, Any]:
    at = ip_address(bridge.host)
    found = SimpleNamespace(
        ip_address=at, host=str(at), port=bridge.port, properties=properties, name="x"
    )
    flow = hass.config_entries.flow
    result = await flow.async_init(DOMAIN, context={"source": "zeroconf"}, data=found)
    await settle(hass)
    return dict(result)


async def unload(hass: HomeAssistant) -> None:
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)


async def test_an_existing_entry_takes_the_instance_id_without_a_reload(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    assert loaded.unique_id == bridge.instance
    assert bridge.asked("/stats") == 1


async def test_an_older_bridge_is_known_by_its_address(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    del bridge.data["health"]["instance"]
    await set_up(hass, entry, bridge)
    assert entry.unique_id == f"{bridge.host}:{bridge.port}"
    await unload(hass)


@pytest.mark.parametrize("is_running", [True, False])
async def test_adding_a_known_bridge_again_updates_its_address(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    moved: FakeBridge,
    is_running: bool,  # noqa: FBT001
) -> None:
    entities = er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id)
    if not is_running:
        await bridge.stop()
    result = await add(hass, address_of(moved))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "address_updated")
    await until(lambda: moved.registered)
    await settle(hass)
    assert hass.config_entries.async_entries(DOMAIN) == [loaded]
    assert (loaded.data["port"], loaded.data["push_token"]) == (moved.port, TOKEN)
    assert loaded.state is ConfigEntryState.LOADED
    assert er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id) == entities


async def test_a_bridge_that_replaces_an_unreachable_one_takes_over_its_entry(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, moved: FakeBridge
) -> None:
    moved.data = bridge.copy()
    moved.data["health"]["instance"] = "another"
    result = await add(hass, address_of(moved))
    # Both run: the owner must decide which one shows the inverters.
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "same_inverters")
    assert result["description_placeholders"] == {"title": loaded.title}
    await bridge.stop()
    await pass_time(hass, 61)
    result = await add(hass, address_of(moved))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "address_updated")
    await until(lambda: moved.registered)
    assert (loaded.data["port"], loaded.unique_id) == (moved.port, "another")


async def test_two_entries_for_one_bridge_are_reported_and_not_mixed(
    hass: HomeAssistant,
    bridge: FakeBridge,
    loaded: MockConfigEntry,
    moved: FakeBridge,
    caplog: pytest.LogCaptureFixture,
) -> None:
    twin = entry_for(hass, moved)
    await hass.config_entries.async_setup(twin.entry_id)
    await settle(hass)
    assert twin.state is ConfigEntryState.SETUP_RETRY
    assert loaded.title in twin.reason
    assert issues(hass) == {"same_bridge"}
    assert "does not generate unique IDs" not in caplog.text
    assert hass.states.get(POWER).state == "206.3"
    await hass.config_entries.async_remove(loaded.entry_id)
    await hass.config_entries.async_reload(twin.entry_id)
    assert (twin.state, twin.unique_id) == (ConfigEntryState.LOADED, bridge.instance)
    assert issues(hass) == set()
    assert hass.states.get(POWER).state == "206.3"
    await unload(hass)


async def test_another_bridge_at_the_address_does_not_mix_plants(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    own = bridge.copy()
    bridge.data["health"]["instance"] = "another"
    bridge.data["inverters"] = [inverter(OTHER)]
    answer = await push(hass, socket, bridge.copy())
    assert answer["type"] == "nack"
    assert "another bridge" in answer["reason"]
    await loaded.runtime_data.coordinator.async_refresh()
    await pass_time(hass, 61)
    assert issues(hass) == {"another_bridge"}
    assert hass.states.get(POWER).state == STATE_UNAVAILABLE
    await hass.config_entries.async_reload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.SETUP_RETRY
    assert "another bridge" in loaded.reason
    assert hass.states.get(f"sensor.inverter_{OTHER}_pv_power") is None
    bridge.data = own
    await hass.config_entries.async_reload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.LOADED
    assert issues(hass) == set()


async def test_a_bridge_that_lost_its_state_is_still_the_same(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    socket = await connect()
    await socket.receive_json()
    everything = bridge.data["inverters"]
    bridge.data["health"]["instance"] = "another"
    bridge.data["inverters"] = []
    # It has not read its DTU yet.
    assert (await push(hass, socket, bridge.copy()))["type"] == "ack"
    assert loaded.unique_id == bridge.instance
    bridge.data["inverters"] = everything[:1]
    assert (await push(hass, socket, bridge.copy()))["type"] == "ack"
    assert loaded.unique_id == "another"
    assert hass.states.get(POWER).state == "206.3"
    await socket.close()


async def test_reconfigure_refuses_the_bridge_of_another_entry(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, other: FakeBridge
) -> None:
    second = entry_for(hass, other)
    await hass.config_entries.async_setup(second.entry_id)
    await until(lambda: other.registered)
    elsewhere = FakeBridge()
    elsewhere.data = other.data
    await elsewhere.start()
    for address in (address_of(other), address_of(elsewhere)):
        result = await reconfigure(hass, loaded, address)
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert loaded.data["port"] == bridge.port
    await elsewhere.stop()
    await hass.config_entries.async_unload(second.entry_id)


async def test_reconfigure_asks_before_it_switches_to_another_bridge(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, other: FakeBridge
) -> None:
    form = await reconfigure(hass, loaded, address_of(other))
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "switch")
    assert form["description_placeholders"].items() >= {
        ("title", loaded.title),
        ("address", f"127.0.0.1:{other.port}"),
    }
    assert loaded.data["port"] == bridge.port
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await until(lambda: other.registered)
    await settle(hass)
    assert (loaded.data["port"], loaded.unique_id) == (other.port, other.instance)
    assert hass.states.get(f"sensor.inverter_{OTHER}_pv_power").state == "206.3"
    assert hass.states.get(POWER).state == STATE_UNAVAILABLE


async def test_devices_of_two_bridges_have_different_names(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, other: FakeBridge
) -> None:
    def names() -> set[str | None]:
        devices = dr.async_get(hass).devices.values()
        return {one.name for one in devices if "nverter" not in str(one.name)}

    assert names() == {"Hoymiles bridge", "DTU"}
    entities = set(hass.states.async_entity_ids())
    result = await add(hass, address_of(other))
    second = result["result"]
    await until(lambda: other.registered)
    await settle(hass)
    one, two = (f"127.0.0.1:{each.port}" for each in (bridge, other))
    assert result["title"] == f"Hoymiles bridge ({two})"
    assert names() == {
        f"Hoymiles bridge ({one})",
        f"DTU ({one})",
        f"Hoymiles bridge ({two})",
        f"DTU ({two})",
    }
    # Only names change.
    assert entities <= set(hass.states.async_entity_ids())
    hass.config_entries.async_update_entry(second, title="Garage")
    await until(lambda: len(other.registered) == 2)
    await settle(hass)
    assert names() >= {"Garage", "DTU (Garage)"}
    await hass.config_entries.async_remove(second.entry_id)
    await settle(hass)
    assert names() == {"Hoymiles bridge", "DTU"}


async def test_devices_have_names_in_the_users_language(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    hass.config.language = "de"
    await set_up(hass, entry, bridge)
    names = {one.name for one in dr.async_get(hass).devices.values()}
    assert names == {"Hoymiles-Bridge", "DTU", *(f"Wechselrichter {one}" for one in SERIALS)}
    await unload(hass)


SERIALS = (ONE, "1141A0000001")


async def test_serial_numbers_in_capitals_are_the_same_inverters(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    entities = er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id)
    for found in bridge.data["inverters"]:
        found["serial_number"] = found["serial_number"].upper()
    await hass.config_entries.async_reload(loaded.entry_id)
    await settle(hass)
    assert er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id) == entities
    assert hass.states.get("sensor.inverter_1141a0000001_pv_power").state == "412.6"


async def test_healthy_turns_off_with_the_push_connection(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, connect: Connect
) -> None:
    def healthy() -> str:
        return hass.states.get("binary_sensor.hoymiles_bridge_healthy").state

    socket = await connect()
    await socket.receive_json()
    await push(hass, socket, bridge.copy())
    assert healthy() == STATE_ON
    await bridge.stop()
    await socket.close()
    await until(lambda: healthy() == STATE_OFF)
    # Values stay for two intervals.
    assert hass.states.get(POWER).state == "206.3"
    await pass_time(hass, 6)
    assert healthy() == STATE_OFF
    # A bridge that only cannot connect is healthy.
    await bridge.start()
    await pass_time(hass, 11)
    assert healthy() == STATE_ON
    socket = await connect()
    await socket.receive_json()
    await socket.close()
    await until(lambda: healthy() == STATE_OFF)
    socket = await connect()
    await until(lambda: healthy() == STATE_ON)
    await socket.close()


async def test_reads_a_bridge_behind_a_path(hass: HomeAssistant, bridge: FakeBridge) -> None:
    hass.config.internal_url = "http://127.0.0.1:8123"
    bridge.prefix = "/hoymiles"
    host = f"http://{bridge.host}:{bridge.port}/hoymiles/"
    result = await add(hass, {"host": host, "port": 8080})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["path"] == "/hoymiles"
    await until(lambda: bridge.registered)
    assert {one.split()[1].split("/")[1] for one in bridge.requests} == {"hoymiles"}
    device = dr.async_get(hass).async_get_device({(DOMAIN, result["result"].entry_id)})
    assert device.configuration_url == host.rstrip("/")
    await unload(hass)


async def test_reports_an_untrusted_certificate(
    hass: HomeAssistant, tls_bridge: FakeBridge
) -> None:
    # The server's end of a handshake that the client broke off.
    hass.loop.set_exception_handler(lambda _loop, _context: None)
    given = {"host": f"https://{tls_bridge.host}", "port": tls_bridge.port}
    form = await add(hass, given)
    assert form["errors"] == {"base": "certificate"}
    shown = form["description_placeholders"]
    assert shown["url"] == f"https://127.0.0.1:{tls_bridge.port}"
    assert "certificate" in shown["reason"]


async def test_reads_a_bridge_over_https(
    hass: HomeAssistant,
    tls_bridge: FakeBridge,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hass.config.internal_url = "http://127.0.0.1:8123"
    context = ssl.create_default_context(cafile=certificate)
    trusting = ClientSession(connector=TCPConnector(ssl=context))
    for module in ("coordinator", "config_flow"):
        name = f"custom_components.hoymiles_smiles.{module}.async_get_clientsession"
        monkeypatch.setattr(name, lambda _: trusting)
    given = {"host": f"https://{tls_bridge.host}", "port": tls_bridge.port}
    result = await add(hass, given)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["ssl"] is True
    await until(lambda: tls_bridge.registered)
    await unload(hass)
    await trusting.close()


async def test_offers_a_discovered_bridge(
    hass: HomeAssistant, bridge: FakeBridge, moved: FakeBridge
) -> None:
    hass.config.internal_url = "http://127.0.0.1:8123"
    form = await discover(hass, bridge)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "zeroconf_confirm")
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {"name": f"127.0.0.1:{bridge.port}"}
    # The same bridge at another of its addresses is the same offer.
    assert (await discover(hass, moved))["reason"] == "already_in_progress"
    bridge.answers["/api/inverters"] = (401, {"error": "a token is needed"})
    flows = hass.config_entries.flow
    form = await flows.async_configure(form["flow_id"], {})
    assert form["errors"] == {"base": "invalid_auth"}
    bridge.answers.clear()
    result = await flows.async_configure(form["flow_id"], {"access_token": "sesame"})
    await settle(hass)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == bridge.instance
    assert result["data"]["access_token"] == "sesame"
    await until(lambda: bridge.registered)
    await unload(hass)


async def test_discovery_updates_the_address_of_a_bridge_that_is_lost(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry, moved: FakeBridge
) -> None:
    result = await discover(hass, moved)
    # It works at the address that the owner entered.
    assert result["reason"] == "already_configured"
    assert loaded.data["port"] == bridge.port
    await bridge.stop()
    await pass_time(hass, 61)
    result = await discover(hass, moved)
    assert result["reason"] == "address_updated"
    await until(lambda: moved.registered)
    assert loaded.data["port"] == moved.port


async def test_discovery_never_sends_a_token_to_another_address(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, moved: FakeBridge
) -> None:
    data = {**entry.data, "access_token": "sesame"}
    hass.config_entries.async_update_entry(entry, data=data, unique_id=bridge.instance)
    await bridge.stop()
    assert await async_setup_component(hass, DOMAIN, {})
    await settle(hass)
    assert (await discover(hass, moved))["reason"] == "already_configured"
    assert entry.data["port"] == bridge.port


async def test_discovery_ignores_what_is_not_a_bridge(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    assert (await discover(hass, bridge))["reason"] == "already_configured"
    assert bridge.requests == []
    assert (await discover(hass, bridge, path="/a b"))["reason"] == "cannot_connect"
    stopped = FakeBridge()
    await stopped.start()
    await stopped.stop()
    assert (await discover(hass, stopped))["reason"] == "cannot_connect"
