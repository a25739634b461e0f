"""The config flow: a new bridge, another address or access token, and the options."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.address import (
    InvalidAddressError,
    bridge_url,
    parse_address,
    short_address,
    shown_host,
)
from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import TOKEN, until
from .fake import FakeBridge


async def _submit(
    hass: HomeAssistant, user_input: dict[str, Any], source: str = SOURCE_USER, **context: str
) -> dict[str, Any]:
    flow = hass.config_entries.flow
    form = await flow.async_init(DOMAIN, context={"source": source, **context})
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {}
    result = await flow.async_configure(form["flow_id"], user_input)
    await hass.async_block_till_done()
    return dict(result)


@pytest.mark.parametrize(
    "form",
    [
        "{host}",
        " {host}/ ",
        "//{host}/",
        "{host}:{port}",
        "[{host}]:{port}",
        "http://{host}:{port}/",
        "HTTP://{host}:{port}",
        "http://{host}:{port}/ready",
    ],
)
async def test_adds_a_bridge_from_any_form_of_its_address(
    hass: HomeAssistant, bridge: FakeBridge, form: str
) -> None:
    hass.config.internal_url = "http://127.0.0.1:8123"
    host = form.format(host=bridge.host, port=bridge.port)
    port = 8080 if str(bridge.port) in host else bridge.port
    result = await _submit(hass, {"host": host, "port": port})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == f"Hoymiles bridge (127.0.0.1:{bridge.port})"
    entry = result["result"]
    assert (entry.version, entry.unique_id) == (2, bridge.instance)
    await until(lambda: bridge.registered)
    assert {**entry.data, "push_token": ""} == {
        "host": "127.0.0.1",
        "port": bridge.port,
        "push_token": "",
        "addresses": ["ws://127.0.0.1:8123/api/hoymiles_smiles/ws"],
    }
    assert bridge.registered[0]["websocket_url"].endswith(entry.data["push_token"])
    await hass.config_entries.async_unload(entry.entry_id)


async def test_creates_a_different_push_token_for_every_entry(
    hass: HomeAssistant, bridge: FakeBridge
) -> None:
    other = FakeBridge()
    await other.start()
    other.data["inverters"] = []
    tokens = set()
    for one in (bridge, other):
        entry = (await _submit(hass, {"host": one.host, "port": one.port}))["result"]
        tokens.add(entry.data["push_token"])
        await hass.config_entries.async_unload(entry.entry_id)
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 40
    await other.stop()


@pytest.mark.parametrize(
    ("path", "answer", "error", "reason"),
    [
        ("/health", (200, {}), "not_a_bridge", "/health is not a health object"),
        ("/health", (404, "no"), "refused", "HTTP status 404"),
        ("/api/inverters", (401, {"error": "say Bearer"}), "invalid_auth", "say Bearer"),
        ("/api/inverters", (500, {"error": "it burns"}), "refused", "it burns"),
    ],
)
async def test_shows_the_bridges_error_and_lets_the_owner_correct_the_input(
    hass: HomeAssistant,
    bridge: FakeBridge,
    path: str,
    answer: tuple[int, Any],
    error: str,
    reason: str,
) -> None:
    bridge.answers[path] = answer
    address = {"host": bridge.host, "port": bridge.port}
    form = await _submit(hass, address)
    assert form["errors"] == {"base": error}
    assert reason in form["description_placeholders"]["reason"]
    suggested = {str(key): key.description for key in form["data_schema"].schema}
    assert suggested["host"] == {"suggested_value": bridge.host}
    bridge.answers.clear()
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {**address, "access_token": " secret "}
    )
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["access_token"] == "secret"
    await hass.config_entries.async_unload(result["result"].entry_id)


async def test_reports_that_no_bridge_answers(hass: HomeAssistant, bridge: FakeBridge) -> None:
    await bridge.stop()
    form = await _submit(hass, {"host": bridge.host, "port": bridge.port})
    assert form["errors"] == {"base": "cannot_connect"}
    shown = {"url": f"http://127.0.0.1:{bridge.port}", "reason": "Connection refused"}
    assert form["description_placeholders"] == shown


@pytest.mark.parametrize("source", [SOURCE_USER, "reconfigure"])
@pytest.mark.parametrize(
    "host", ["", "//", "http://[", "{host}/a?b", "ftp://{host}", "user:pw@{host}", "@{host}"]
)
async def test_refuses_an_invalid_address_without_a_request(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, host: str, source: str
) -> None:
    given = {"host": host.format(host=bridge.host), "port": bridge.port}
    context = {"entry_id": entry.entry_id} if source == "reconfigure" else {}
    form = await _submit(hass, given, source, **context)
    assert (form["type"], form["errors"]) == (FlowResultType.FORM, {"host": "invalid_host"})
    assert _suggested(form) == given
    assert bridge.requests == []


@pytest.mark.parametrize(
    ("text", "url", "title"),
    [
        ("Bridge.Local", "http://bridge.local:8080", "bridge.local"),
        ("bridge.local.", "http://bridge.local.:8080", "bridge.local."),
        ("local_hoymiles-bridge:80", "http://local_hoymiles-bridge", "local_hoymiles-bridge:80"),
        ("brücke.fritz.box", "http://brücke.fritz.box:8080", "brücke.fritz.box"),
        ("3com", "http://3com:8080", "3com"),
        ("192.168.1.5:8081", "http://192.168.1.5:8081", "192.168.1.5:8081"),
        ("[::1]", "http://[::1]:8080", "::1"),
        ("http://[FE80:0::1%eth0]:8081/", "http://[fe80::1%eth0]:8081", "[fe80::1%eth0]:8081"),
        ("2001:db8::8080", "http://[2001:db8::8080]:8080", "2001:db8::8080"),
        ("https://home.test", "https://home.test", "home.test"),
        ("HTTPS://Home.test:8443/", "https://home.test:8443", "home.test:8443"),
        ("https://home.test//a/b-c/", "https://home.test/a/b-c", "home.test/a/b-c"),
        ("https://home.test/a/ready", "https://home.test/a", "home.test/a"),
        ("home.test/hoymiles", "http://home.test/hoymiles", "home.test/hoymiles"),
        ("http://home.test:81/a", "http://home.test:81/a", "home.test:81/a"),
        ("https://[::1]/a", "https://[::1]/a", "::1/a"),
    ],
)
def test_parses_addresses(text: str, url: str, title: str) -> None:
    data = parse_address(text, 8080)
    assert bridge_url(data).human_repr().rstrip("/") == url
    assert short_address(data) == title
    # The form for another address shows what it would parse to the same.
    assert parse_address(shown_host(data), data["port"]) == data


@pytest.mark.parametrize(
    "text",
    [
        "bridge:",
        "bridge:0",
        "bridge:65536",
        "bridge:80:80",
        "http:bridge",
        "192.168.1.300",
        "192.168.1",
        "8080",
        "a b",
        "a..b",
        "bridge?x",
        "https://bridge/a?b",
        "https://bridge/a#b",
        "https://user@bridge",
        "::1%a/b",
        "[bridge]",
        ".".join(["a" * 63] * 4),
        "a" * 64,
        "ü" * 63,
    ],
)
def test_refuses_invalid_addresses(text: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_address(text, 8080)


async def test_refuses_a_second_entry_for_the_same_address(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    address = {"host": entry.data["host"], "port": entry.data["port"]}
    result = await _submit(hass, address)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


def _suggested(form: Any) -> dict[str, Any]:
    return {
        str(key): key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }


async def test_reconfigure_changes_only_the_address(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, loaded.entry_id)
    registry.async_update_entity(entities[0].entity_id, name="My own name")
    disabled_by = er.RegistryEntryDisabler.USER
    registry.async_update_entity(entities[1].entity_id, disabled_by=disabled_by)
    kept = er.async_entries_for_config_entry(registry, loaded.entry_id)
    options = dict(loaded.options)
    url = f"ws://127.0.0.1:8123/api/hoymiles_smiles/ws?token={TOKEN}"
    bridge.targets = [{"name": "us", "url": url, "source": "registered"}]
    context = {"source": "reconfigure", "entry_id": loaded.entry_id}
    form = await hass.config_entries.flow.async_init(DOMAIN, context=context)
    assert _suggested(form) == {"host": bridge.host, "port": bridge.port}
    moved = FakeBridge()
    await moved.start()
    address = {"host": moved.host, "port": moved.port}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], address)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    # It may still run at its old address.
    assert "DELETE /api/targets/us" in bridge.requests
    await until(lambda: moved.registered)
    await hass.async_block_till_done()
    # Loaded once.
    assert moved.asked("/stats") == 1
    addresses = ["ws://127.0.0.1:8123/api/hoymiles_smiles/ws"]
    assert dict(loaded.data) == {**address, "push_token": TOKEN, "addresses": addresses}
    assert dict(loaded.options) == options
    assert loaded.unique_id == moved.instance
    assert er.async_entries_for_config_entry(registry, loaded.entry_id) == kept
    await hass.config_entries.async_unload(loaded.entry_id)
    await moved.stop()


async def test_reconfigure_in_place_removes_earlier_registrations(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    earlier = "ws://before.test/api/hoymiles_smiles/ws"
    bridge.targets = [{"name": "us", "url": earlier, "source": "registered"}]
    data = {**loaded.data, "addresses": [earlier]}
    hass.config_entries.async_update_entry(loaded, data=data)
    given = {"host": bridge.host, "port": bridge.port, "access_token": "new"}
    await _submit(hass, given, "reconfigure", entry_id=loaded.entry_id)
    await until(lambda: len(bridge.registered) == 2)
    assert "DELETE /api/targets/us" in bridge.requests
    await hass.async_block_till_done()
    assert loaded.data["access_token"] == "new"


@pytest.mark.parametrize(
    ("title", "expected"),
    [("Hoymiles bridge (old.test)", "Hoymiles bridge (127.0.0.1:{port})"), ("Roof", "Roof")],
)
async def test_reconfigure_updates_a_default_title_only(
    hass: HomeAssistant, bridge: FakeBridge, title: str, expected: str
) -> None:
    data = {"host": "old.test", "port": 8080, "push_token": TOKEN}
    options = {"callback_url": "http://127.0.0.1:8123"}
    entry = MockConfigEntry(domain=DOMAIN, title=title, data=data, options=options, version=2)
    entry.add_to_hass(hass)
    address = {"host": bridge.host, "port": bridge.port}
    await _submit(hass, address, "reconfigure", entry_id=entry.entry_id)
    assert entry.title == expected.format(port=bridge.port)
    # It was not loaded before.
    await until(lambda: bridge.registered)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_reconfigure_refuses_addresses_without_a_bridge_and_of_other_entries(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    gone = FakeBridge()
    await gone.start()
    await gone.stop()
    address = {"host": gone.host, "port": gone.port}
    form = await _submit(hass, address, "reconfigure", entry_id=entry.entry_id)
    assert form["errors"] == {"base": "cannot_connect"}
    other = MockConfigEntry(domain=DOMAIN, data=address, version=2)
    other.add_to_hass(hass)
    result = await _submit(hass, address, "reconfigure", entry_id=entry.entry_id)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    with pytest.raises(UnknownFlow):
        hass.config_entries.flow.async_get(result["flow_id"])


async def test_reauth_tries_the_token_and_stores_it(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    bridge.answers["/api/inverters"] = (401, {"error": "wrong token"})
    form = await _submit(hass, {"access_token": "no"}, SOURCE_REAUTH, entry_id=loaded.entry_id)
    assert form["errors"] == {"base": "invalid_auth"}
    expected = {"reason": "wrong token", "host": bridge.host}
    assert expected.items() <= form["description_placeholders"].items()
    bridge.answers.clear()
    flow = hass.config_entries.flow
    result = await flow.async_configure(form["flow_id"], {"access_token": "yes"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert loaded.data["access_token"] == "yes"
    await until(lambda: len(bridge.registered) == 2)
    await hass.async_block_till_done()
    # The same token again reloads the entry, because the bridge may accept it now.
    await _submit(hass, {"access_token": "yes"}, SOURCE_REAUTH, entry_id=loaded.entry_id)
    await until(lambda: len(bridge.registered) == 3)
    await hass.async_block_till_done()
    assert len(bridge.registered) == 3


async def test_aborts_if_the_entry_no_longer_exists(hass: HomeAssistant) -> None:
    context = {"source": "reconfigure", "entry_id": "gone"}
    result = await hass.config_entries.flow.async_init(DOMAIN, context=context)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "unknown_entry")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"scan_interval": 30}, {"scan_interval": 30}),
        (
            {"scan_interval": 120.0, "callback_url": " http://192.168.1.23:8123/ "},
            {"scan_interval": 120, "callback_url": "http://192.168.1.23:8123"},
        ),
    ],
)
async def test_stores_options(
    hass: HomeAssistant, entry: MockConfigEntry, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert form["type"] is FlowResultType.FORM
    result = await hass.config_entries.options.async_configure(form["flow_id"], given)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert dict(entry.options) == kept
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert _suggested(form) == kept


@pytest.mark.parametrize(
    "url",
    [
        "192.168.1.23:8123",
        "ftp://192.168.1.23",
        "http://",
        "http://[",
        "http://user:pw@192.168.1.2",
    ],
)
async def test_refuses_an_invalid_callback_url(
    hass: HomeAssistant, entry: MockConfigEntry, url: str
) -> None:
    form = await hass.config_entries.options.async_init(entry.entry_id)
    given = {"scan_interval": 30, "callback_url": url}
    form = await hass.config_entries.options.async_configure(form["flow_id"], given)
    assert form["errors"] == {"callback_url": "invalid_url"}
