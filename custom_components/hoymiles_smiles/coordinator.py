"""Holds the newest snapshot of a plant: pushed by the bridge, or polled while no push arrives."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, cast

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .api import BridgeAuthError, BridgeClient, BridgeError
from .const import CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL
from .data import MalformedError, Snapshot, Subject
from .identity import WrongBridgeError, check_identity
from .push import PushSockets
from .registration import Registration

_LOGGER = logging.getLogger(__name__)

FORGET_TIMEOUT: Final = 5.0
"""Seconds that removing an entry waits for a bridge that is away."""


class HoymilesCoordinator(DataUpdateCoordinator[Snapshot]):
    """The newest snapshot of one bridge's plant."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Prepare for the bridge of `entry`, without a request yet."""
        seconds = entry.options.get(CONF_SCAN_INTERVAL, DEFAULT_SCAN_INTERVAL)
        self.interval = timedelta(seconds=seconds)
        super().__init__(hass, _LOGGER, name=entry.title, update_interval=self.interval)
        self.entry = entry
        self.client = BridgeClient(async_get_clientsession(hass), entry.data)
        self.sockets = PushSockets(entry.entry_id, self.async_take_push, self._push_changed)
        self.registration = Registration(
            hass, entry, self.client, self.sockets, self._bridge_answered
        )
        self.is_lost = False
        """Whether the push connection was lost and the bridge has not answered since."""

    @property
    def is_push_connected(self) -> bool:
        """Whether the bridge is connected, whether or not it has sent anything lately."""
        return self.sockets.is_connected

    async def _async_update_data(self) -> Snapshot:
        """Poll the bridge. Only called when no push arrived for two intervals."""
        self.update_interval = self.interval
        began = dt_util.utcnow()
        try:
            data = await self._poll()
            polled = Snapshot.read(data, received_at=dt_util.utcnow(), is_pushed=False)
            check_identity(self.hass, self.entry, polled)
        except BridgeAuthError as error:
            raise ConfigEntryAuthFailed(str(error)) from error
        except MalformedError as error:
            raise UpdateFailed(f"the bridge's answers are malformed: {error}") from error
        except (BridgeError, WrongBridgeError) as error:
            raise UpdateFailed(str(error)) from error
        self.is_lost = False
        # A push that arrived meanwhile is newer.
        current = cast(Snapshot | None, self.data)
        return current if current and current.is_pushed and current.received_at > began else polled

    async def _poll(self) -> dict[str, Any]:
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
        """Take the data of an update; changes nothing if it raises.

        Raises `MalformedError` for invalid data, `WrongBridgeError` for those of another bridge.
        """
        snapshot = Snapshot.read(data, received_at=dt_util.utcnow(), is_pushed=True)
        check_identity(self.hass, self.entry, snapshot)
        counts = (snapshot.count(Subject.INVERTER), snapshot.count(Subject.PORT))
        _LOGGER.info("[WebSocket Server] Processing update: %d inverters, %d ports", *counts)
        if not self.last_update_success:
            # The same line as Home Assistant's own when a poll ends the outage.
            self.logger.info("Fetching %s data recovered: the bridge pushes again", self.name)
        self.is_lost = False
        # Polling starts after two intervals without a push.
        self.update_interval = 2 * self.interval
        self.async_set_updated_data(snapshot)
        _LOGGER.info(
            "[WebSocket Push] ✓ Received data from bridge: %d inverters, %d ports", *counts
        )
        return snapshot

    @callback
    def _push_changed(self) -> None:
        """Update the registration and the entities when the bridge connects or disconnects."""
        self.is_lost = not self.is_push_connected
        self.registration.connection_changed()
        self.async_update_listeners()

    @callback
    def _bridge_answered(self) -> None:
        """Note that the bridge runs, although it is not connected."""
        if self.is_lost:
            self.is_lost = False
            self.async_update_listeners()


def coordinator_of(entry: ConfigEntry) -> HoymilesCoordinator:
    """Return the coordinator of a loaded entry."""
    return cast(HoymilesCoordinator, cast(Any, entry).runtime_data.coordinator)


async def async_forget(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Ask the bridge of an entry, loaded or not, to stop pushing to this Home Assistant."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FORGET_TIMEOUT):
            await HoymilesCoordinator(hass, entry).registration.forget()
