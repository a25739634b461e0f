"""WebSocket endpoint to which the bridge connects to push its updates."""

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
from .identity import WrongBridgeError

_LOGGER = logging.getLogger(__name__)

HEARTBEAT: Final = 30
"""Seconds between two protocol pings; a bridge that does not answer is disconnected."""
CLOSE_TIMEOUT: Final = 3.0
"""Seconds that closing waits for bridges that no longer read."""
LARGEST_MESSAGE: Final = 16 * 1024 * 1024

CONNECTED: Final = {"type": "connected", "status": "ready"}
REFUSED: Final = {"error": "Invalid authentication token"}


class PushSockets:
    """The connections of one bridge: one, or for a moment two while it reconnects."""

    def __init__(
        self,
        entry_id: str,
        take: Callable[[Any], Snapshot],
        changed: Callable[[], None],
    ) -> None:
        """Pass updates to `take`; call `changed` when the bridge connects or disconnects."""
        self._entry_id = entry_id
        self._take = take
        self._changed = changed
        self._sockets: set[web.WebSocketResponse] = set()
        self._close_reason: bytes | None = None
        self.refused: str | None = None
        """Why the newest update was refused; None if it was accepted."""

    @property
    def is_connected(self) -> bool:
        """Whether the bridge is connected."""
        return bool(self._sockets)

    @property
    def is_closed(self) -> bool:
        """Whether connections are refused; an entry that unloads still counts as loaded."""
        return self._close_reason is not None

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
            if self._close_reason:
                await socket.close(code=WSCloseCode.GOING_AWAY, message=self._close_reason)
        except ConnectionResetError:
            _LOGGER.debug("The bridge disconnected before it was answered")
        finally:
            self._sockets.discard(socket)
            # Otherwise the heartbeat would ping a connection that was reset.
            await socket.close()
            _LOGGER.info(
                "[WebSocket Server] Connection from bridge (%s) closed (%s)",
                request.remote,
                socket.close_code,
            )
            self._changed()
        return socket

    def _answer(self, text: str) -> dict[str, Any]:
        """Act on a message. No answer has the key `error`, which would mean a refused token."""
        try:
            message = json_loads(text)
        except ValueError:
            _LOGGER.warning("[WebSocket Server] The bridge sent a message that is not JSON")
            return {"type": "nack", "reason": "not JSON"}
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ping":
            return {"type": "pong"}
        if kind != "update" or not isinstance(message, dict):
            _LOGGER.debug("[WebSocket Server] Ignored a message of unknown type: %s", kind)
            return {"type": "ignored"}
        try:
            snapshot = self._take(message.get("data"))
        except (MalformedError, WrongBridgeError) as error:
            if self.refused != str(error):
                _LOGGER.warning("[WebSocket Server] Refused an update: %s", error)
            self.refused = str(error)
            return {"type": "nack", "reason": str(error)}
        self.refused = None
        return {
            "type": "ack",
            "inverters": snapshot.count(Subject.INVERTER),
            "ports": snapshot.count(Subject.PORT),
        }

    async def close(self, reason: str) -> None:
        """Close all connections; the bridge will reconnect."""
        # The task that serves the connection may wake up first: it closes with the same reason.
        self._close_reason = message = reason.encode()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT), asyncio.TaskGroup() as closing:
                for socket in list(self._sockets):
                    closing.create_task(socket.close(code=WSCloseCode.GOING_AWAY, message=message))


class PushView(HomeAssistantView):
    """`GET /api/hoymiles_smiles/ws?token=...` for all entries; the token identifies the entry."""

    url = PUSH_PATH
    name = "api:hoymiles_smiles:ws"
    # The bridge has no account; its token is checked here. A wrong token is not answered with 401,
    # which Home Assistant would count as a failed login and then ban the bridge's address.
    requires_auth = False

    def __init__(self, hass: HomeAssistant) -> None:
        """Serve the entries of `hass`."""
        self._hass = hass

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Accept or refuse a connection."""
        entry = self._entry_of(request.query.get("token", ""))
        if entry is None:
            _LOGGER.warning("[WebSocket Server] Refused a wrong token from %s", request.remote)
            return await _refuse(request)
        if entry.state is ConfigEntryState.LOADED:
            sockets: PushSockets = entry.runtime_data.coordinator.sockets  # type: ignore[attr-defined]
            if not sockets.is_closed:
                return await sockets.serve(request)
        if entry.state is ConfigEntryState.SETUP_RETRY:
            # The bridge is back: there is no need to wait for the next retry.
            self._hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.json_message(
            "The entry of this bridge is not loaded now", HTTPStatus.SERVICE_UNAVAILABLE
        )

    def _entry_of(self, token: str) -> ConfigEntry | None:
        given = token.encode()
        found = None
        for entry in self._hass.config_entries.async_entries(DOMAIN):
            expected = str(entry.data.get(CONF_PUSH_TOKEN, "")).encode()
            if expected and hmac.compare_digest(expected, given):
                found = entry
        return found


async def _refuse(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json(REFUSED)
    await socket.close()
    return socket
