"""Makes the bridge connect to us, and again whenever it has forgotten us."""

from __future__ import annotations

import logging
from collections.abc import Iterable
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
from .push import PushSockets

_LOGGER = logging.getLogger(__name__)

FIRST_LOOK: Final = 5.0
"""Seconds; the bridge reconnects by itself, so it gets the time to."""
LONGEST_WAIT: Final = 30.0
FORGOTTEN_AFTER: Final = 10
"""Looks without a connection after which the bridge may have forgotten us without a restart."""

HIDDEN_PATH: Final = "/..."


class NoAddressError(BridgeError):
    """Home Assistant does not know where it can be reached."""


class Registration:
    """Our registration with one bridge."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, client: BridgeClient, sockets: PushSockets
    ) -> None:
        """Register with the bridge behind `client`."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._sockets = sockets
        self._unsub: CALLBACK_TYPE | None = None
        self._is_closed = False
        self._wait = FIRST_LOOK
        self._looks = 0
        self._known_start: str | None = None
        self.down_since: datetime | None = None
        """Since when the bridge is not connected; None while it is."""
        self.has_begun = False
        """Whether the first try has ended, in whatever way."""
        self.words: str | None = None
        """Why it is not, in the bridge's words."""

    @property
    def websocket_url(self) -> URL:
        """Where the bridge finds us, token included."""
        base = self._entry.options.get(CONF_CALLBACK_URL)
        if not base:
            try:
                base = get_url(self._hass, allow_external=False, allow_cloud=False)
            except NoURLAvailableError as error:
                raise NoAddressError(
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
            self._look_later()
        self.has_begun = True

    @callback
    def connection_changed(self) -> None:
        """Look after the connection when it is lost, and rest while it is there."""
        if self._is_closed:
            return
        self._stop_looking()
        self._wait = FIRST_LOOK
        self._looks = 0
        if self._sockets.is_connected:
            self.down_since = None
            self.words = None
        else:
            self.down_since = dt_util.utcnow()
            self._look_later()

    @callback
    def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._stop_looking()

    async def forget(self) -> None:
        """Ask the bridge to forget us wherever we have been, as far as it can be asked."""
        addresses = self._addresses
        with suppress(NoAddressError):
            addresses.append(self.websocket_url)
        await self._forget_at(addresses)

    @callback
    def _look_later(self) -> None:
        self._stop_looking()
        if not self._is_closed:
            self._unsub = async_call_later(self._hass, self._wait, self._look)
            self._wait = min(self._wait * 2, LONGEST_WAIT)

    @callback
    def _stop_looking(self) -> None:
        if self._unsub:
            self._unsub()
            self._unsub = None

    async def _look(self, _now: datetime) -> None:
        """The bridge is not connected: find out why, and register if that can help."""
        self._unsub = None
        self._looks += 1
        try:
            health = await self._client.health()
            start_time = health.get("start_time")
            is_lost = self._looks % FORGOTTEN_AFTER == 0
            if self._known_start is None or start_time != self._known_start or is_lost:
                await self._register(start_time)
            elif (ours := await self._targets_at([self.websocket_url])) is not None:
                if ours:
                    error = ours[0].get("last_error")
                    self.words = str(error) if error else None
                else:
                    # It has forgotten us, or was told to.
                    await self._register(start_time)
        except BridgeError as error:
            self.words = str(error)
        if not self._sockets.is_connected:
            self._look_later()

    async def _register(self, start_time: str | None) -> None:
        if self._is_closed:
            # While we were asking, our entry went: nobody is at the address any more.
            return
        try:
            url = self.websocket_url
            await self._leave_all_but(url)
            if self._is_closed:
                return
            await self._client.register(str(url), TARGET_NAME)
        except (BridgeRefusedError, NoAddressError) as error:
            if self.words != str(error):
                _LOGGER.warning("The bridge does not push to us: %s", error)
            self.words = str(error)
        except BridgeError as error:
            self.words = str(error)
        else:
            self._known_start = start_time
            _LOGGER.info("[WebSocket Server] Registered with bridge %s", self._client.url)

    @property
    def _addresses(self) -> list[URL]:
        return [URL(one) for one in self._entry.data.get(CONF_ADDRESSES, [])]

    async def _leave_all_but(self, url: URL) -> None:
        """Be known at no other address: it would get each update, too, and hide a wrong new one."""
        earlier = [one for one in self._addresses if _place(one) != _place(url)]
        if earlier and await self._forget_at(earlier):
            earlier = []
        if self._is_closed:
            return
        addresses = [str(one) for one in (*earlier, url.with_query(None))]
        data = {**self._entry.data, CONF_ADDRESSES: addresses}
        self._hass.config_entries.async_update_entry(self._entry, data=data)

    async def _forget_at(self, urls: Iterable[URL]) -> bool:
        """Ask the bridge to forget these addresses, and tell whether it has."""
        try:
            targets = await self._targets_at(urls)
            for target in targets or []:
                if target.get("source") == "registered":
                    await self._client.forget(str(target.get("name")))
        except BridgeError as error:
            _LOGGER.debug("The bridge could not be asked to forget us: %s", error)
            return False
        return targets is not None

    async def _targets_at(self, urls: Iterable[URL]) -> list[dict[str, Any]] | None:
        """Read what the bridge knows of us; None if it does not tell of its targets."""
        targets = await self._client.targets()
        if targets is None:
            return None
        places = {_place(url) for url in urls}
        return [
            one
            for one in targets
            if isinstance(one, dict) and any(_is_at(one.get("url"), place) for place in places)
        ]


def _place(url: URL) -> tuple[str, str | None, int | None, str]:
    """Tell two URLs of one place alike, with and without the usual port."""
    return url.scheme, url.raw_host, url.port, url.path


def _is_at(shown: object, ours: tuple[str, str | None, int | None, str]) -> bool:
    try:
        url = URL(str(shown))
    except ValueError:
        return False
    # The bridge shows no path but the one that every Home Assistant has.
    path = ours[3] if url.path == HIDDEN_PATH and ours[3] != PUSH_PATH else url.path
    return (*_place(url)[:3], path) == ours
