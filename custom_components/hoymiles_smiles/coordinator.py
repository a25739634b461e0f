"""Keeps the newest picture of the plant: pushed by the bridge, or asked for while no push comes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .api import BridgeAuthError, BridgeClient, BridgeError
from .const import CONF_ACCESS_TOKEN, CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL
from .data import MalformedError, Snapshot, Subject
from .push import PushSockets
from .registration import Registration

if TYPE_CHECKING:
    from .repairs import Issues

_LOGGER = logging.getLogger(__name__)

FORGET_WITHIN: Final = 5.0
"""Seconds a bridge has to forget us; the owner does not wait longer for one that is away."""


class HoymilesCoordinator(DataUpdateCoordinator[Snapshot]):
    """The newest picture of one bridge's plant, for all its entities."""

    issues: Issues

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Prepare for the bridge of `entry`; asks nothing yet."""
        seconds = entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
        self.interval = timedelta(seconds=seconds)
        super().__init__(hass, _LOGGER, name=entry.title, update_interval=self.interval)
        self.entry = entry
        self.client = BridgeClient(
            async_get_clientsession(hass),
            entry.data[CONF_HOST],
            entry.data[CONF_PORT],
            entry.data.get(CONF_ACCESS_TOKEN),
        )
        self.sockets = PushSockets(entry.entry_id, self.async_take_push, self._push_changed)
        self.registration = Registration(hass, entry, self.client, self.sockets)

    @property
    def is_push_connected(self) -> bool:
        """Whether the bridge is connected to us, whether or not it has sent anything lately."""
        return self.sockets.is_connected

    async def _async_update_data(self) -> Snapshot:
        """Ask the bridge. Only called when no push came for two intervals."""
        self.update_interval = self.interval
        began = dt_util.utcnow()
        try:
            data = await self._ask()
        except BridgeAuthError as error:
            raise ConfigEntryAuthFailed(str(error)) from error
        except BridgeError as error:
            raise UpdateFailed(str(error)) from error
        try:
            asked = Snapshot.read(data, received_at=dt_util.utcnow(), is_pushed=False)
        except MalformedError as error:
            raise UpdateFailed(f"the bridge's answers are malformed: {error}") from error
        # A push that came meanwhile is newer than what was asked for.
        current = cast(Snapshot | None, self.data)
        return current if current and current.is_pushed and current.received_at > began else asked

    async def _ask(self) -> dict[str, Any]:
        client = self.client
        return {
            "health": await client.health(),
            "stats": await client.stats(),
            "plant": await client.plant(),
            "inverters": await client.inverters(),
            "meters": await client.meters(),
        }

    @callback
    def async_take_push(self, data: Any) -> Snapshot:
        """Take the data of an update; raises `MalformedError` and changes nothing if it is none."""
        snapshot = Snapshot.read(data, received_at=dt_util.utcnow(), is_pushed=True)
        counts = (snapshot.count(Subject.INVERTER), snapshot.count(Subject.PORT))
        _LOGGER.info("[WebSocket Server] Processing update: %d inverters, %d ports", *counts)
        if not self.last_update_success:
            # As Home Assistant says it when the answer to a question ends the outage.
            self.logger.info("Fetching %s data recovered: the bridge pushes again", self.name)
        # Two intervals of silence, then we ask; each push begins them anew.
        self.update_interval = 2 * self.interval
        self.async_set_updated_data(snapshot)
        _LOGGER.info(
            "[WebSocket Push] ✓ Received data from bridge: %d inverters, %d ports", *counts
        )
        return snapshot

    @callback
    def _push_changed(self) -> None:
        """Tell those who show it that the bridge connected or went."""
        self.registration.connection_changed()
        self.async_update_listeners()


def coordinator_of(entry: ConfigEntry) -> HoymilesCoordinator:
    """Find the coordinator of an entry that is loaded."""
    return cast(HoymilesCoordinator, cast(Any, entry).runtime_data)


async def async_forget(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Ask the bridge of an entry, loaded or not, to push to us no more."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FORGET_WITHIN):
            await HoymilesCoordinator(hass, entry).registration.forget()
