"""The door through which the bridge brings its updates."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.http import HomeAssistantView
from homeassistant.util.json import json_loads

from .const import CONF_PUSH_TOKEN, DOMAIN, PUSH_PATH
from .data import MalformedError, Snapshot, Subject

_LOGGER = logging.getLogger(__name__)

HEARTBEAT: Final = 30
"""Seconds between two protocol pings; a bridge that does not answer is gone."""
GOOD_BYE_WITHIN: Final = 3.0
"""Seconds after which a bridge that takes nothing any more is left without a good-bye."""
LARGEST_MESSAGE: Final = 16 * 1024 * 1024

CONNECTED: Final = {"type": "connected", "status": "ready"}
REFUSED: Final = {"error": "Invalid authentication token"}


class PushSockets:
    """The connections of one bridge: one, and for a moment two while it reconnects."""

    def __init__(
        self,
        entry_id: str,
        take: Callable[[Any], Snapshot],
        changed: Callable[[], None],
    ) -> None:
        """Give updates to `take`, and call `changed` when the bridge connects or goes."""
        self._entry_id = entry_id
        self._take = take
        self._changed = changed
        self._sockets: set[web.WebSocketResponse] = set()
        self._good_bye: bytes | None = None
        self.refused: str | None = None
        """Why the newest update was not taken; None if it was."""

    @property
    def is_connected(self) -> bool:
        """Whether the bridge is connected."""
        return bool(self._sockets)

    @property
    def is_closed(self) -> bool:
        """Whether nobody is served any more; an entry that unloads still seems to be loaded."""
        return self._good_bye is not None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LARGEST_MESSAGE)
        await socket.prepare(request)
        self._sockets.add(socket)
        _LOGGER.info(
            "[WebSocket Server] ✓ Connection established from bridge (%s) for entry %s",
            request.remote,
            self._entry_id,
        )
        try:
            self._changed()
            await socket.send_json(CONNECTED)
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await socket.send_json(self._answer(message.data))
            if self._good_bye:
                await socket.close(code=WSCloseCode.GOING_AWAY, message=self._good_bye)
        except ConnectionResetError:
            _LOGGER.debug("The bridge went while we answered it")
        finally:
            self._sockets.discard(socket)
            # One that broke off would else be pinged once more, into the void.
            await socket.close()
            _LOGGER.info(
                "[WebSocket Server] Connection from bridge (%s) closed (%s)",
                request.remote,
                socket.close_code,
            )
            self._changed()
        return socket

    def _answer(self, text: str) -> dict[str, Any]:
        """Act on a message. No answer has the key `error`: that would be a refused token."""
        try:
            message = json_loads(text)
        except ValueError:
            _LOGGER.warning("[WebSocket Server] The bridge sent something that is not JSON")
            return {"type": "nack", "reason": "not JSON"}
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ping":
            return {"type": "pong"}
        if kind != "update" or not isinstance(message, dict):
            _LOGGER.debug("[WebSocket Server] A message of unknown type: %s", kind)
            return {"type": "ignored"}
        try:
            snapshot = self._take(message.get("data"))
        except MalformedError as error:
            _LOGGER.warning("[WebSocket Server] The bridge sent a malformed update: %s", error)
            self.refused = str(error)
            return {"type": "nack", "reason": str(error)}
        self.refused = None
        return {
            "type": "ack",
            "inverters": snapshot.count(Subject.INVERTER),
            "ports": snapshot.count(Subject.PORT),
        }

    async def close(self, reason: str) -> None:
        """End all connections in order; the bridge will come again."""
        # Its own task wakes up first and says good-bye; both say the same.
        self._good_bye = good_bye = reason.encode()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOOD_BYE_WITHIN), asyncio.TaskGroup() as closing:
                for socket in list(self._sockets):
                    closing.create_task(socket.close(code=WSCloseCode.GOING_AWAY, message=good_bye))


class PushView(HomeAssistantView):
    """`GET /api/hoymiles_smiles/ws?token=...` of all entries; the token says whose bridge it is."""

    url = PUSH_PATH
    name = "api:hoymiles_smiles:ws"
    # The bridge has no account; its token is checked here. A wrong one is not answered with 401,
    # because Home Assistant would count that as a failed login and ban the bridge's address.
    requires_auth = False

    def __init__(self, hass: HomeAssistant) -> None:
        """Serve the entries of `hass`."""
        self._hass = hass

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Let the bridge in."""
        entry = self._entry_of(request.query.get("token", ""))
        if entry is None:
            _LOGGER.warning("[WebSocket Server] Refused a wrong token from %s", request.remote)
            return await _refuse(request)
        if entry.state is ConfigEntryState.LOADED:
            sockets: PushSockets = entry.runtime_data.sockets  # type: ignore[attr-defined]
            if not sockets.is_closed:
                return await sockets.serve(request)
        if entry.state is ConfigEntryState.SETUP_RETRY:
            # The bridge is there again: no need to wait for the next try.
            self._hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.json_message(
            "The entry of this bridge is not loaded now", HTTPStatus.SERVICE_UNAVAILABLE
        )

    def _entry_of(self, token: str) -> ConfigEntry | None:
        given = token.encode()
        found = None
        for entry in self._hass.config_entries.async_entries(DOMAIN):
            kept = str(entry.data.get(CONF_PUSH_TOKEN, "")).encode()
            if kept and hmac.compare_digest(kept, given):
                found = entry
        return found


async def _refuse(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json(REFUSED)
    await socket.close()
    return socket
