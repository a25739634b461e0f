"""Config flow: a new or discovered bridge, another address, another access token, the options."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_HOST, CONF_PATH, CONF_PORT, CONF_SSL
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow, FlowResult
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from yarl import URL

from .address import InvalidAddressError, parse_address, short_address, shown_host
from .api import (
    BridgeAuthError,
    BridgeClient,
    BridgeError,
    BridgeRefusedError,
    BridgeUnreachableError,
)
from .const import (
    CONF_ACCESS_TOKEN,
    CONF_ADDRESSES,
    CONF_CALLBACK_URL,
    CONF_MIGRATED_AT,
    CONF_PUSH_TOKEN,
    CONF_SCAN_INTERVAL,
    DEFAULT_PORT,
    DEFAULT_SCAN_INTERVAL,
    DOMAIN,
    SCAN_INTERVALS,
)
from .coordinator import async_forget, coordinator_of
from .identity import default_title, entry_with_inverter, identity, is_another_bridge

_PASSWORD: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_BRIDGE: Final = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Required(CONF_PORT, default=DEFAULT_PORT): NumberSelector(
            NumberSelectorConfig(min=1, max=65535, step=1, mode=NumberSelectorMode.BOX)
        ),
        vol.Optional(CONF_ACCESS_TOKEN): _PASSWORD,
    }
)
_ADDRESS: Final = (CONF_HOST, CONF_PORT, CONF_SSL, CONF_PATH)


class HoymilesConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks for a bridge, and tries it before the entry is stored."""

    VERSION = 2

    def __init__(self) -> None:
        """Start without a bridge."""
        self._data: dict[str, Any] = {}
        self._unique_id = ""
        self._inverters: list[Any] = []
        self._errors: dict[str, str] = {}
        self._placeholders = {"reason": "", "url": ""}

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask for the address of a new bridge."""
        if user_input is not None and self._parse(user_input):
            self._abort_if_address_configured()
            if await self._try():
                return await self._add()
        return self._show("user", _BRIDGE, user_input)

    async def async_step_zeroconf(self, discovery_info: Any) -> FlowResult:
        """Offer a bridge that announces itself as `_hoymiles-bridge._tcp`."""
        properties = discovery_info.properties
        try:
            host = str(discovery_info.host)
            path = str(properties.get("path") or "").rstrip("/")
            host = f"[{host}]" if ":" in host else host
            self._data = parse_address(f"{host}:{discovery_info.port}{path}", DEFAULT_PORT)
        except InvalidAddressError:
            return self.async_abort(reason="cannot_connect")
        self._abort_if_address_configured()
        try:
            # Not what the announcement says: anybody can announce anything.
            health = await self._client().health()
        except BridgeError:
            return self.async_abort(reason="cannot_connect")
        self._unique_id = identity(health, self._data)
        known = await self.async_set_unique_id(self._unique_id)
        if known:
            # An address that works is the owner's choice, and a token goes only where they say.
            is_private = any(
                known.data.get(key) for key in (CONF_SSL, CONF_PATH, CONF_ACCESS_TOKEN)
            )
            if is_private or known.source == SOURCE_IGNORE or _works(known):
                return self.async_abort(reason="already_configured")
            return self._move(known, "address_updated")
        self.context["title_placeholders"] = {"name": short_address(self._data)}
        return await self.async_step_zeroconf_confirm()

    async def async_step_zeroconf_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> FlowResult:
        """Ask whether to add the discovered bridge, and for its access token."""
        self._placeholders["address"] = short_address(self._data)
        if user_input is not None:
            self._data = _with_token(self._data, user_input)
            if await self._try():
                return await self._add()
        schema = vol.Schema({vol.Optional(CONF_ACCESS_TOKEN): _PASSWORD})
        return self._show("zeroconf_confirm", schema, user_input)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask for the bridge's new address. Entities and history stay."""
        entry = self._entry()
        if user_input is not None and self._parse(user_input):
            self._abort_if_address_configured(entry)
            if await self._try():
                known = await self.async_set_unique_id(self._unique_id, raise_on_progress=False)
                if known and known.entry_id != entry.entry_id:
                    return self.async_abort(reason="already_configured")
                if is_another_bridge(self.hass, entry, self._unique_id, self._inverters):
                    return await self.async_step_switch()
                return await self._reconfigure(entry)
        shown = user_input or {**entry.data, CONF_HOST: shown_host(entry.data)}
        return self._show("reconfigure", _BRIDGE, shown)

    async def async_step_switch(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask whether the entry shall really be used for another bridge."""
        entry = self._entry()
        if user_input is not None:
            return await self._reconfigure(entry)
        self._placeholders["title"] = entry.title
        self._placeholders["address"] = short_address(self._data)
        return self._show("switch", vol.Schema({}))

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> FlowResult:
        """Start because the bridge refused the access token."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> FlowResult:
        """Ask for another access token."""
        entry = self._entry()
        self._placeholders["host"] = str(entry.data[CONF_HOST])
        if user_input is not None:
            self._data = _with_token(entry.data, user_input)
            if await self._try():
                self._store(entry, data=self._data)
                return self.async_abort(reason="reauth_successful")
        return self._show(
            "reauth_confirm", vol.Schema({vol.Required(CONF_ACCESS_TOKEN): _PASSWORD})
        )

    @staticmethod
    @callback
    def async_get_options_flow(config_entry: ConfigEntry) -> HoymilesOptionsFlow:
        """Return the flow for the options."""
        return HoymilesOptionsFlow(config_entry)

    def _entry(self) -> ConfigEntry:
        entry = self.hass.config_entries.async_get_entry(self.context["entry_id"])
        if entry is None:
            raise AbortFlow("unknown_entry")
        return entry

    def _parse(self, given: Mapping[str, Any]) -> bool:
        """Read the address from the form."""
        self._errors = {}
        try:
            address = parse_address(str(given[CONF_HOST]), int(given[CONF_PORT]))
        except InvalidAddressError:
            self._errors = {"host": "invalid_host"}
            return False
        self._data = _with_token(address, given)
        return True

    @callback
    def _abort_if_address_configured(self, but: ConfigEntry | None = None) -> None:
        for entry in self.hass.config_entries.async_entries(DOMAIN):
            is_same = all(entry.data.get(key) == self._data.get(key) for key in _ADDRESS)
            if is_same and entry is not but:
                raise AbortFlow("already_configured")

    def _client(self) -> BridgeClient:
        return BridgeClient(async_get_clientsession(self.hass), self._data)

    async def _try(self) -> bool:
        """Read the bridge; an error is shown in the bridge's own words."""
        try:
            client = self._client()
            health = await client.health()
            self._inverters = await client.inverters()
        except BridgeUnreachableError as error:
            self._placeholders |= error.placeholders
            self._errors = {"base": error.key}
            return False
        except BridgeRefusedError as error:
            self._placeholders["reason"] = str(error)
            is_token = isinstance(error, BridgeAuthError)
            self._errors = {"base": "invalid_auth" if is_token else "refused"}
            return False
        self._unique_id = identity(health, self._data)
        return True

    async def _add(self) -> FlowResult:
        """Create an entry, unless there is one for this bridge or its inverters."""
        known = await self.async_set_unique_id(self._unique_id, raise_on_progress=False)
        if known and known.source != SOURCE_IGNORE:
            return self._move(known, "address_updated")
        if other := entry_with_inverter(self.hass, self._inverters):
            if not _works(other):
                return self._move(other, "address_updated")
            placeholders = {"title": other.title}
            raise AbortFlow("same_inverters", description_placeholders=placeholders)
        data = {**self._data, CONF_PUSH_TOKEN: secrets.token_urlsafe(32)}
        return self.async_create_entry(title=default_title(data), data=data)

    @callback
    def _move(self, entry: ConfigEntry, reason: str, *kept: str) -> FlowResult:
        """Store the bridge's new address in its entry."""
        kept = kept or (CONF_PUSH_TOKEN, CONF_ADDRESSES)
        data = self._data | {key: entry.data[key] for key in kept if key in entry.data}
        is_default = entry.title == default_title(entry.data)
        title = default_title(data) if is_default else entry.title
        self._store(entry, unique_id=self._unique_id, title=title, data=data)
        return self.async_abort(reason=reason)

    async def _reconfigure(self, entry: ConfigEntry) -> FlowResult:
        if self._unique_id != entry.unique_id:
            # If the bridge still runs at its old address, it must not push any longer.
            await async_forget(self.hass, entry)
            return self._move(entry, "reconfigure_successful", CONF_PUSH_TOKEN)
        return self._move(entry, "reconfigure_successful")

    def _store(self, entry: ConfigEntry, data: dict[str, Any], **changes: Any) -> None:
        """Store what was entered, and reload the entry once."""
        if migrated_at := entry.data.get(CONF_MIGRATED_AT):
            data = {**data, CONF_MIGRATED_AT: migrated_at}
        changes["data"] = data
        is_reloaded = entry.update_listeners and any(
            getattr(entry, key) != value for key, value in changes.items() if key != "unique_id"
        )
        self.hass.config_entries.async_update_entry(entry, **changes)
        # A loaded entry listens for changes of its settings, and reloads itself.
        if not is_reloaded:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)

    def _show(
        self, step_id: str, schema: vol.Schema, values: Mapping[str, Any] | None = None
    ) -> FlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=self._errors,
            description_placeholders=self._placeholders,
        )


class HoymilesOptionsFlow(OptionsFlow):
    """Asks for what can be changed without asking the bridge."""

    def __init__(self, entry: ConfigEntry) -> None:
        """Change the options of `entry`."""
        # Newer versions of Home Assistant have a property `config_entry` that must not be set.
        self._options = dict(entry.options)

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask for the options."""
        errors: dict[str, str] = {}
        if user_input is not None:
            options = _parse_options(user_input)
            if _is_url(options.get(CONF_CALLBACK_URL)):
                return self.async_create_entry(title="", data=options)
            errors[CONF_CALLBACK_URL] = "invalid_url"
        least, most = SCAN_INTERVALS
        schema = vol.Schema(
            {
                vol.Required(CONF_SCAN_INTERVAL, default=DEFAULT_SCAN_INTERVAL): NumberSelector(
                    NumberSelectorConfig(
                        min=least,
                        max=most,
                        step=1,
                        unit_of_measurement="s",
                        mode=NumberSelectorMode.BOX,
                    )
                ),
                vol.Optional(CONF_CALLBACK_URL): TextSelector(
                    TextSelectorConfig(type=TextSelectorType.URL)
                ),
            }
        )
        shown = self.add_suggested_values_to_schema(schema, user_input or self._options)
        return self.async_show_form(step_id="init", data_schema=shown, errors=errors)


def _works(entry: ConfigEntry) -> bool:
    """Return whether an entry is loaded and its bridge answers."""
    return entry.state is ConfigEntryState.LOADED and coordinator_of(entry).last_update_success


def _with_token(data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    token = str(given.get(CONF_ACCESS_TOKEN) or "").strip()
    kept = {key: value for key, value in data.items() if key != CONF_ACCESS_TOKEN}
    return kept | ({CONF_ACCESS_TOKEN: token} if token else {})


def _parse_options(given: Mapping[str, Any]) -> dict[str, Any]:
    url = str(given.get(CONF_CALLBACK_URL) or "").strip().rstrip("/")
    options = {CONF_SCAN_INTERVAL: int(given[CONF_SCAN_INTERVAL])}
    return options | ({CONF_CALLBACK_URL: url} if url else {})


def _is_url(text: str | None) -> bool:
    if text is None:
        return True
    try:
        url = URL(text)
    except ValueError:
        return False
    has_login = url.user is not None or url.password is not None
    return url.scheme in ("http", "https", "ws", "wss") and bool(url.host) and not has_login
