"""Client of the bridge's HTTP API, as far as this integration uses it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from .address import bridge_url
from .const import CONF_ACCESS_TOKEN

TIMEOUT: Final = aiohttp.ClientTimeout(total=15, sock_connect=5)


class BridgeError(Exception):
    """A request failed; the message is fit for the owner."""


class BridgeUnreachableError(BridgeError):
    """No bridge answers at the address."""

    def __init__(self, message: str, key: str, url: URL, reason: str = "") -> None:
        """Keep the translation key of the message, and its placeholders, beside the message."""
        super().__init__(message)
        self.key = key
        self.placeholders = {"url": str(url), "reason": reason}


class BridgeRefusedError(BridgeError):
    """The bridge answered with an error; the message is the bridge's own."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the HTTP status beside the message."""
        super().__init__(message)
        self.status = status


class BridgeAuthError(BridgeRefusedError):
    """The bridge does not accept the access token."""


class BridgeClient:
    """Sends requests to one bridge."""

    def __init__(self, session: aiohttp.ClientSession, data: Mapping[str, Any]) -> None:
        """Use address and access token from an entry's `data`."""
        self._session = session
        self._base = bridge_url(data)
        self._prefix = self._base.raw_path.rstrip("/")
        token = data.get(CONF_ACCESS_TOKEN)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def url(self) -> str:
        """The bridge's address, for the device page."""
        return str(self._base)

    async def health(self) -> dict[str, Any]:
        """Get the health object; an unhealthy bridge sends it with status 503."""
        answer = await self._request("GET", "/health", also=HTTPStatus.SERVICE_UNAVAILABLE)
        if not isinstance(answer, dict) or "dtus" not in answer:
            raise self._not_a_bridge("/health is not a health object")
        return answer

    async def stats(self) -> dict[str, Any]:
        """Get the statistics about stored data."""
        answer = await self._request("GET", "/stats")
        return answer if isinstance(answer, dict) else {}

    async def plant(self) -> dict[str, Any]:
        """Get the totals of the plant; older bridges have none."""
        try:
            answer = await self._request("GET", "/api/plant")
        except BridgeAuthError:
            raise
        except BridgeRefusedError:
            return {}
        return answer if isinstance(answer, dict) else {}

    async def inverters(self) -> list[Any]:
        """Get all inverters with their ports."""
        answer = await self._request("GET", "/api/inverters")
        if not isinstance(answer, list):
            raise self._not_a_bridge("/api/inverters is not a list")
        return answer

    async def meters(self) -> list[Any]:
        """Get all meters; older bridges have none."""
        return await self._optional_list("/api/meters") or []

    async def targets(self) -> list[Any] | None:
        """Get the bridge's targets with their state; None if it does not list them."""
        return await self._optional_list("/api/targets")

    async def register(self, websocket_url: str, name: str) -> None:
        """Register `websocket_url` as a target of the bridge's updates."""
        body = {"websocket_url": websocket_url, "name": name}
        await self._request("POST", "/api/websocket/register", json=body)

    async def forget(self, name: str) -> None:
        """Remove the registered target of this name."""
        await self._request("DELETE", f"/api/targets/{quote(name, safe='')}")

    async def _optional_list(self, path: str) -> list[Any] | None:
        try:
            answer = await self._request("GET", path)
        except BridgeAuthError:
            raise
        except BridgeRefusedError:
            return None
        return answer if isinstance(answer, list) else None

    async def _request(
        self,
        method: str,
        path: str,
        *,
        json: dict[str, str] | None = None,
        also: HTTPStatus | None = None,
    ) -> Any:
        request = partial(
            self._session.request,
            method,
            self._base.with_path(self._prefix + path, encoded=True),
            json=json,
            headers=self._headers,
            timeout=TIMEOUT,
        )
        try:
            try:
                async with request() as response:
                    return await self._read(response, also)
            except aiohttp.ServerDisconnectedError:
                # The bridge was just closing an idle connection.
                async with request() as response:
                    return await self._read(response, also)
        except TimeoutError as error:
            message = f"{self._base} did not answer in time"
            raise BridgeUnreachableError(message, "timeout", self._base) from error
        except aiohttp.ClientConnectorCertificateError as error:
            reason = str(error.certificate_error)
            message = f"the certificate of {self._base} is not trusted: {reason}"
            raise BridgeUnreachableError(message, "certificate", self._base, reason) from error
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(_os_reason(error.os_error)) from error
        except aiohttp.ClientConnectionError as error:
            raise self._unreachable("Connection closed") from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError, ValueError) as error:
            raise self._not_a_bridge(str(error)) from error

    def _unreachable(self, reason: str) -> BridgeUnreachableError:
        message = f"{self._base} cannot be reached: {reason}"
        return BridgeUnreachableError(message, "cannot_connect", self._base, reason)

    def _not_a_bridge(self, reason: str) -> BridgeUnreachableError:
        message = f"{self._base} answers, but not like a Hoymiles bridge: {reason}"
        return BridgeUnreachableError(message, "not_a_bridge", self._base, reason)

    async def _read(self, response: aiohttp.ClientResponse, also: HTTPStatus | None) -> Any:
        if response.status == HTTPStatus.NO_CONTENT:
            return None
        if response.status in (HTTPStatus.OK, also):
            return await response.json()
        message = await _error_message(response)
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise BridgeAuthError(response.status, message)
        raise BridgeRefusedError(response.status, message)


def _os_reason(error: OSError) -> str:
    """Return the reason without the address that asyncio adds."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _error_message(response: aiohttp.ClientResponse) -> str:
    """Return the bridge's own error message, or the status if it sent none."""
    try:
        answer = await response.json()
    except (aiohttp.ClientError, ValueError):
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        return str(answer["error"])
    return f"HTTP status {response.status}"
