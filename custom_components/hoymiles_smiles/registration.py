"""Registers this Home Assistant with the bridge, and again whenever the bridge forgot it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.network import NoURLAvailableError, get_url
from homeassistant.util import dt as dt_util
from yarl import URL

from .api import BridgeClient, BridgeError, BridgeRefusedError
from .const import CONF_ADDRESSES, CONF_CALLBACK_URL, CONF_PUSH_TOKEN, PUSH_PATH, TARGET_NAME
from .data import last_error
from .push import PushSockets

_LOGGER = logging.getLogger(__name__)

FIRST_CHECK: Final = 5.0
"""Seconds from the loss of the connection to the first check; a bridge reconnects by itself."""
LONGEST_WAIT: Final = 30.0
REGISTER_EVERY: Final = 10
"""Checks without a connection after which to register anyway."""

HIDDEN_PATH: Final = "/..."
"""Shown by the bridge in place of any path that is not the default one of Home Assistant."""


class NoInternalUrlError(BridgeError):
    """Home Assistant does not know the URL at which the bridge could reach it."""


class Registration:
    """The registration of this Home Assistant with one bridge."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        client: BridgeClient,
        sockets: PushSockets,
        answered: Callable[[], None],
    ) -> None:
        """Register through `client`; call `answered` when a bridge that is not connected answers.

        Does nothing before `begin`.
        """
        self._hass = hass
        self._entry = entry
        self._client = client
        self._sockets = sockets
        self._answered = answered
        self._unsub: CALLBACK_TYPE | None = None
        self._is_closed = False
        self._wait = FIRST_CHECK
        self._checks = 0
        self._known_start: str | None = None
        self.down_since: datetime | None = None
        """Since when the bridge is not connected; None while it is."""
        self.has_begun = False
        """Whether the first attempt has ended, successful or not."""
        self.reason: str | None = None
        """Why the bridge is not connected, in its own words."""
        self.cause: str | None = None
        """The same as one word, if the bridge gives one."""

    @property
    def websocket_url(self) -> URL:
        """Where the bridge connects to, token included."""
        base = self._entry.options.get(CONF_CALLBACK_URL)
        if not base:
            try:
                base = get_url(self._hass, allow_external=False, allow_cloud=False)
            except NoURLAvailableError as error:
                raise NoInternalUrlError(
                    "Home Assistant has no internal URL: set one under Settings, System, Network"
                ) from error
        url = URL(base)
        return url.with_scheme("wss" if url.scheme in ("https", "wss") else "ws").joinpath(
            *PUSH_PATH.strip("/").split("/")
        ) % {"token": self._entry.data[CONF_PUSH_TOKEN]}

    async def begin(self, start_time: str | None) -> None:
        """Register for the first time after a start."""
        if not self._sockets.is_connected:
            self.down_since = dt_util.utcnow()
        await self._register(start_time)
        if not self._sockets.is_connected:
            self._check_later()
        self.has_begun = True

    @callback
    def connection_changed(self) -> None:
        """Start checking when the connection is lost, and stop when it is back."""
        if self._is_closed:
            return
        self._stop_checking()
        self._wait = FIRST_CHECK
        self._checks = 0
        if self._sockets.is_connected:
            self.down_since = None
            self._set_reason(None)
        else:
            self.down_since = dt_util.utcnow()
            self._check_later()

    @callback
    def close(self) -> None:
        """Stop checking."""
        self._is_closed = True
        self._stop_checking()

    async def forget(self) -> None:
        """Ask the bridge to remove every registration of this Home Assistant."""
        addresses = self._addresses
        with suppress(NoInternalUrlError):
            addresses.append(self.websocket_url)
        await self._forget_at(addresses)

    @callback
    def _set_reason(self, reason: str | None, cause: object = None) -> None:
        self.reason = reason
        self.cause = str(cause) if reason and cause else None

    @callback
    def _check_later(self) -> None:
        self._stop_checking()
        if not self._is_closed:
            self._unsub = async_call_later(self._hass, self._wait, self._check)
            self._wait = min(self._wait * 2, LONGEST_WAIT)

    @callback
    def _stop_checking(self) -> None:
        if self._unsub:
            self._unsub()
            self._unsub = None

    async def _check(self, _now: datetime) -> None:
        """Find out why the bridge is not connected, and register if that can help."""
        self._unsub = None
        self._checks += 1
        try:
            health = await self._client.health()
            if not self._is_closed:
                self._answered()
            start_time = health.get("start_time")
            is_due = self._checks % REGISTER_EVERY == 0
            if self._known_start is None or start_time != self._known_start or is_due:
                await self._register(start_time)
            elif (ours := await self._targets_at([self.websocket_url])) is not None:
                if ours:
                    self._set_reason(last_error(ours[0]), ours[0].get("last_error_cause"))
                else:
                    await self._register(start_time)
        except BridgeError as error:
            self._set_reason(str(error))
        if not self._sockets.is_connected:
            self._check_later()

    async def _register(self, start_time: str | None) -> None:
        if self._is_closed:
            # The entry was unloaded meanwhile.
            return
        try:
            url = self.websocket_url
            await self._forget_all_but(url)
            if self._is_closed:
                return
            await self._client.register(str(url), TARGET_NAME)
        except (BridgeRefusedError, NoInternalUrlError) as error:
            if self.reason != str(error):
                _LOGGER.warning("The bridge does not push to Home Assistant: %s", error)
            self._set_reason(str(error))
        except BridgeError as error:
            self._set_reason(str(error))
        else:
            self._known_start = start_time
            _LOGGER.info("[WebSocket Server] Registered with bridge %s", self._client.url)

    @property
    def _addresses(self) -> list[URL]:
        return [URL(one) for one in self._entry.data.get(CONF_ADDRESSES, [])]

    async def _forget_all_but(self, url: URL) -> None:
        """Remove earlier registrations, whose connection would hide a wrong new address."""
        earlier = [one for one in self._addresses if _endpoint(one) != _endpoint(url)]
        if earlier and await self._forget_at(earlier):
            earlier = []
        if self._is_closed:
            return
        addresses = [str(one) for one in (*earlier, url.with_query(None))]
        data = {**self._entry.data, CONF_ADDRESSES: addresses}
        self._hass.config_entries.async_update_entry(self._entry, data=data)

    async def _forget_at(self, urls: Iterable[URL]) -> bool:
        """Ask the bridge to remove these registrations, and return whether it did."""
        try:
            targets = await self._targets_at(urls)
            for target in targets or []:
                if target.get("source") == "registered":
                    await self._client.forget(str(target.get("name")))
        except BridgeError as error:
            _LOGGER.debug("The bridge did not remove the registration: %s", error)
            return False
        return targets is not None

    async def _targets_at(self, urls: Iterable[URL]) -> list[dict[str, Any]] | None:
        """Return the bridge's targets at these URLs; None if it does not list its targets."""
        targets = await self._client.targets()
        if targets is None:
            return None
        endpoints = {_endpoint(url) for url in urls}
        return [
            one
            for one in targets
            if isinstance(one, dict) and any(_is_at(one.get("url"), ours) for ours in endpoints)
        ]


def _endpoint(url: URL) -> tuple[str, str | None, int | None, str]:
    """Make URLs comparable, whether or not they name the default port."""
    return url.scheme, url.raw_host, url.port, url.path


def _is_at(shown: object, ours: tuple[str, str | None, int | None, str]) -> bool:
    try:
        url = URL(str(shown))
    except ValueError:
        return False
    path = ours[3] if url.path == HIDDEN_PATH and ours[3] != PUSH_PATH else url.path
    return (*_endpoint(url)[:3], path) == ours
