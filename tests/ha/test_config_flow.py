"""The dialogues."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hoymiles_smiles.address import InvalidAddressError, host_and_port
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
    ],
)
async def test_a_bridge_is_added_however_its_address_is_pasted(
    hass: HomeAssistant, bridge: FakeBridge, form: str
) -> None:
    hass.config.internal_url = "http://127.0.0.1:8123"
    host = form.format(host=bridge.host, port=bridge.port)
    port = 8080 if str(bridge.port) in host else bridge.port
    result = await _submit(hass, {"host": host, "port": port})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Hoymiles bridge (127.0.0.1)"
    entry = result["result"]
    assert (entry.version, entry.unique_id) == (2, f"127.0.0.1:{bridge.port}")
    await until(lambda: bridge.registered)
    assert {**entry.data, "push_token": ""} == {
        "host": "127.0.0.1",
        "port": bridge.port,
        "push_token": "",
        "addresses": ["ws://127.0.0.1:8123/api/hoymiles_smiles/ws"],
    }
    assert bridge.registered[0]["websocket_url"].endswith(entry.data["push_token"])
    await hass.config_entries.async_unload(entry.entry_id)


async def test_every_entry_has_a_token_of_its_own(hass: HomeAssistant, bridge: FakeBridge) -> None:
    other = FakeBridge()
    await other.start()
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
        ("/health", (200, {}), "cannot_connect", "not like a Hoymiles bridge"),
        ("/health", (404, "no"), "refused", "the answer was 404"),
        ("/api/inverters", (401, {"error": "say Bearer"}), "invalid_auth", "say Bearer"),
        ("/api/inverters", (500, {"error": "it burns"}), "refused", "it burns"),
    ],
)
async def test_an_error_is_told_in_the_bridges_words_and_can_be_corrected(
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


async def test_what_is_no_bridge_is_told(hass: HomeAssistant, bridge: FakeBridge) -> None:
    await bridge.stop()
    form = await _submit(hass, {"host": bridge.host, "port": bridge.port})
    assert form["errors"] == {"base": "cannot_connect"}
    assert form["description_placeholders"]["reason"]


@pytest.mark.parametrize("source", [SOURCE_USER, "reconfigure"])
@pytest.mark.parametrize(
    "host", ["", "//", "http://[", "https://{host}", "{host}/ready", "user:pw@{host}", "@{host}"]
)
async def test_a_host_that_is_none_is_refused_in_our_own_words(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry, host: str, source: str
) -> None:
    given = {"host": host.format(host=bridge.host), "port": bridge.port}
    context = {"entry_id": entry.entry_id} if source == "reconfigure" else {}
    form = await _submit(hass, given, source, **context)
    assert (form["type"], form["errors"]) == (FlowResultType.FORM, {"host": "invalid_host"})
    assert _suggested(form) == given
    assert bridge.requests == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bridge.Local", ("bridge.local", 1)),
        ("bridge.local.", ("bridge.local.", 1)),
        ("local_hoymiles-bridge:80", ("local_hoymiles-bridge", 80)),
        ("brücke.fritz.box", ("brücke.fritz.box", 1)),
        ("3com", ("3com", 1)),
        ("192.168.1.5:8080", ("192.168.1.5", 8080)),
        ("[::1]", ("::1", 1)),
        ("http://[FE80:0::1%eth0]:8080/", ("fe80::1%eth0", 8080)),
        ("2001:db8::8080", ("2001:db8::8080", 1)),
        ("bridge:", None),
        ("bridge:0", None),
        ("bridge:65536", None),
        ("bridge:80:80", None),
        ("http:bridge", None),
        ("192.168.1.300", None),
        ("192.168.1", None),
        ("8080", None),
        ("a b", None),
        ("a..b", None),
        ("bridge?x", None),
        ("::1%a/b", None),
        ("[bridge]", None),
        (".".join(["a" * 63] * 4), None),
        ("a" * 64, None),
        ("ü" * 63, None),
    ],
)
def test_a_host_is_read_as_it_is_meant(text: str, expected: tuple[str, int] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidAddressError):
            host_and_port(text, 1)
    else:
        assert host_and_port(text, 1) == expected


async def test_a_bridge_is_added_once(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    address = {"host": entry.data["host"], "port": entry.data["port"]}
    result = await _submit(hass, address)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


def _suggested(form: Any) -> dict[str, Any]:
    return {
        str(key): key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }


async def test_a_bridge_that_moved_keeps_all_but_its_address(
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
    # Where it was, it may run on.
    assert "DELETE /api/targets/us" in bridge.requests
    await until(lambda: moved.registered)
    await hass.async_block_till_done()
    # Loaded once.
    assert moved.asked("/stats") == 1
    addresses = ["ws://127.0.0.1:8123/api/hoymiles_smiles/ws"]
    assert dict(loaded.data) == {**address, "push_token": TOKEN, "addresses": addresses}
    assert dict(loaded.options) == options
    assert loaded.unique_id == f"{moved.host}:{moved.port}"
    assert er.async_entries_for_config_entry(registry, loaded.entry_id) == kept
    await hass.config_entries.async_unload(loaded.entry_id)
    await moved.stop()


async def test_in_a_bridge_that_stays_where_it_is_no_earlier_address_of_ours_is_left(
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
    [("Hoymiles bridge (old.test)", "Hoymiles bridge (127.0.0.1)"), ("Roof", "Roof")],
)
async def test_a_title_that_names_the_address_moves_with_the_bridge(
    hass: HomeAssistant, bridge: FakeBridge, title: str, expected: str
) -> None:
    data = {"host": "old.test", "port": 8080, "push_token": TOKEN}
    options = {"callback_url": "http://127.0.0.1:8123"}
    entry = MockConfigEntry(domain=DOMAIN, title=title, data=data, options=options, version=2)
    entry.add_to_hass(hass)
    address = {"host": bridge.host, "port": bridge.port}
    await _submit(hass, address, "reconfigure", entry_id=entry.entry_id)
    assert entry.title == expected
    # It was not loaded, and is now.
    await until(lambda: bridge.registered)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_bridge_cannot_move_to_where_nobody_or_another_one_is(
    hass: HomeAssistant, bridge: FakeBridge, entry: MockConfigEntry
) -> None:
    gone = FakeBridge()
    await gone.start()
    await gone.stop()
    address = {"host": gone.host, "port": gone.port}
    form = await _submit(hass, address, "reconfigure", entry_id=entry.entry_id)
    assert form["errors"] == {"base": "cannot_connect"}
    other = MockConfigEntry(domain=DOMAIN, unique_id=f"{gone.host}:{gone.port}", version=2)
    other.add_to_hass(hass)
    result = await _submit(hass, address, "reconfigure", entry_id=entry.entry_id)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    with pytest.raises(UnknownFlow):
        hass.config_entries.flow.async_get(result["flow_id"])


async def test_another_access_token_is_tried_and_kept(
    hass: HomeAssistant, bridge: FakeBridge, loaded: MockConfigEntry
) -> None:
    bridge.answers["/api/inverters"] = (401, {"error": "wrong token"})
    form = await _submit(hass, {"access_token": "no"}, SOURCE_REAUTH, entry_id=loaded.entry_id)
    assert form["errors"] == {"base": "invalid_auth"}
    words = {"reason": "wrong token", "host": bridge.host}
    assert words.items() <= form["description_placeholders"].items()
    bridge.answers.clear()
    flow = hass.config_entries.flow
    result = await flow.async_configure(form["flow_id"], {"access_token": "yes"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert loaded.data["access_token"] == "yes"
    await until(lambda: len(bridge.registered) == 2)
    await hass.async_block_till_done()
    # The same once more, which may be right now: it is loaded again all the same.
    await _submit(hass, {"access_token": "yes"}, SOURCE_REAUTH, entry_id=loaded.entry_id)
    await until(lambda: len(bridge.registered) == 3)
    await hass.async_block_till_done()
    assert len(bridge.registered) == 3


async def test_a_dialogue_about_an_entry_that_is_gone_ends(hass: HomeAssistant) -> None:
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
async def test_options(
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
async def test_an_address_that_is_none_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, url: str
) -> None:
    form = await hass.config_entries.options.async_init(entry.entry_id)
    given = {"scan_interval": 30, "callback_url": url}
    form = await hass.config_entries.options.async_configure(form["flow_id"], given)
    assert form["errors"] == {"callback_url": "invalid_url"}
