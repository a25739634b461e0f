"""The dialogues: a new bridge, a bridge that moved, one that wants another token, the options."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.config_entries import ConfigEntry, ConfigFlow, OptionsFlow
from homeassistant.const import CONF_HOST, CONF_PORT
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

from .address import NoAddressOfBridgeError, host_and_port
from .api import BridgeAuthError, BridgeClient, BridgeError, BridgeRefusedError
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
from .coordinator import async_forget

_PASSWORD = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_BRIDGE = {
    vol.Required(CONF_HOST): TextSelector(),
    vol.Required(CONF_PORT, default=DEFAULT_PORT): NumberSelector(
        NumberSelectorConfig(min=1, max=65535, step=1, mode=NumberSelectorMode.BOX)
    ),
    vol.Optional(CONF_ACCESS_TOKEN): _PASSWORD,
}


class HoymilesConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks for a bridge, and tries it before it is kept."""

    VERSION = 2

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask for a new bridge."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {"reason": ""}
        if user_input is not None:
            try:
                data = _tidy(user_input)
            except NoAddressOfBridgeError:
                errors = {"host": "invalid_host"}
                return self._show("user", vol.Schema(_BRIDGE), user_input, errors, placeholders)
            await self.async_set_unique_id(_unique_id(data), raise_on_progress=False)
            self._abort_if_unique_id_configured()
            errors = await self._try(data, placeholders)
            if not errors:
                data[CONF_PUSH_TOKEN] = secrets.token_urlsafe(32)
                return self.async_create_entry(title=_title(data), data=data)
        return self._show("user", vol.Schema(_BRIDGE), user_input, errors, placeholders)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask where the bridge is now. Entities and history stay."""
        entry = self._entry()
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {"reason": ""}
        if user_input is not None:
            try:
                data = _tidy(user_input)
            except NoAddressOfBridgeError:
                errors = {"host": "invalid_host"}
                schema = vol.Schema(_BRIDGE)
                return self._show("reconfigure", schema, user_input, errors, placeholders)
            unique_id = _unique_id(data)
            known = await self.async_set_unique_id(unique_id, raise_on_progress=False)
            if known and known.entry_id != entry.entry_id:
                return self.async_abort(reason="already_configured")
            errors = await self._try(data, placeholders)
            if not errors:
                kept = {CONF_PUSH_TOKEN, CONF_ADDRESSES}
                if unique_id != entry.unique_id:
                    # Where it runs on, it would push to us as well.
                    await async_forget(self.hass, entry)
                    kept.remove(CONF_ADDRESSES)
                data |= {key: value for key, value in entry.data.items() if key in kept}
                title = _title(data) if entry.title == _title(entry.data) else entry.title
                self._keep(entry, unique_id=unique_id, title=title, data=data)
                return self.async_abort(reason="reconfigure_successful")
        shown = user_input or dict(entry.data)
        return self._show("reconfigure", vol.Schema(_BRIDGE), shown, errors, placeholders)

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> FlowResult:
        """Begin when the bridge refused the access token."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> FlowResult:
        """Ask for another access token."""
        entry = self._entry()
        errors: dict[str, str] = {}
        placeholders = {"reason": "", "host": str(entry.data[CONF_HOST])}
        if user_input is not None:
            data = _with_token(entry.data, user_input)
            errors = await self._try(data, placeholders)
            if not errors:
                self._keep(entry, data=data)
                return self.async_abort(reason="reauth_successful")
        schema = vol.Schema({vol.Required(CONF_ACCESS_TOKEN): _PASSWORD})
        return self._show("reauth_confirm", schema, None, errors, placeholders)

    @staticmethod
    @callback
    def async_get_options_flow(config_entry: ConfigEntry) -> HoymilesOptionsFlow:
        """Ask for the options."""
        return HoymilesOptionsFlow(config_entry)

    def _entry(self) -> ConfigEntry:
        entry = self.hass.config_entries.async_get_entry(self.context["entry_id"])
        if entry is None:
            raise AbortFlow("unknown_entry")
        return entry

    def _keep(self, entry: ConfigEntry, data: dict[str, Any], **changes: Any) -> None:
        """Keep what was entered, and load the entry with it, once."""
        if migrated_at := entry.data.get(CONF_MIGRATED_AT):
            data = {**data, CONF_MIGRATED_AT: migrated_at}
        is_changed = self.hass.config_entries.async_update_entry(entry, data=data, **changes)
        # An entry that is loaded listens for changes, and reloads itself.
        if not is_changed or not entry.update_listeners:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)

    def _show(
        self,
        step_id: str,
        schema: vol.Schema,
        values: Mapping[str, Any] | None,
        errors: dict[str, str],
        placeholders: dict[str, str],
    ) -> FlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def _try(self, data: dict[str, Any], placeholders: dict[str, str]) -> dict[str, str]:
        """Ask the bridge; the error's text is completed by its own words."""
        try:
            client = BridgeClient(
                async_get_clientsession(self.hass),
                data[CONF_HOST],
                data[CONF_PORT],
                data.get(CONF_ACCESS_TOKEN),
            )
            await client.health()
            await client.inverters()
        except BridgeAuthError as error:
            placeholders["reason"] = str(error)
            return {"base": "invalid_auth"}
        except BridgeRefusedError as error:
            placeholders["reason"] = str(error)
            return {"base": "refused"}
        except BridgeError as error:
            placeholders["reason"] = str(error)
            return {"base": "cannot_connect"}
        return {}


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
            options = _tidy_options(user_input)
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


def _tidy(given: Mapping[str, Any]) -> dict[str, Any]:
    """Take what people paste into the field: a whole URL, a port of its own, blanks."""
    host, port = host_and_port(str(given[CONF_HOST]), int(given[CONF_PORT]))
    return _with_token({CONF_HOST: host, CONF_PORT: port}, given)


def _with_token(data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    token = str(given.get(CONF_ACCESS_TOKEN) or "").strip()
    kept = {key: value for key, value in data.items() if key != CONF_ACCESS_TOKEN}
    return kept | ({CONF_ACCESS_TOKEN: token} if token else {})


def _tidy_options(given: Mapping[str, Any]) -> dict[str, Any]:
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
    is_plain = url.user is None and url.password is None
    return url.scheme in ("http", "https", "ws", "wss") and bool(url.host) and is_plain


def _title(data: Mapping[str, Any]) -> str:
    return f"Hoymiles bridge ({data[CONF_HOST]})"


def _unique_id(data: Mapping[str, Any]) -> str:
    # As the component before this one, so that its entries are known.
    return f"{data[CONF_HOST]}:{data[CONF_PORT]}"
