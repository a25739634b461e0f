"""The bridge's HTTP API as this integration uses it."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

TIMEOUT: Final = aiohttp.ClientTimeout(total=15, sock_connect=5)


class BridgeError(Exception):
    """The bridge could not be asked, or refused; the text is fit for its owner."""


class BridgeUnreachableError(BridgeError):
    """Nothing that speaks like a bridge answers there."""


class BridgeRefusedError(BridgeError):
    """The bridge answered with an error; the text is in its own words."""

    def __init__(self, status: int, words: str) -> None:
        """Keep the status beside the words."""
        super().__init__(words)
        self.status = status


class BridgeAuthError(BridgeRefusedError):
    """The bridge wants another access token."""


class BridgeClient:
    """Asks one bridge; holds no state but its address."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        host: str,
        port: int,
        access_token: str | None = None,
    ) -> None:
        """Ask the bridge at `host` and `port` through `session`."""
        self._session = session
        self._base = URL.build(scheme="http", host=host, port=port)
        self._headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}

    @property
    def url(self) -> str:
        """The bridge's address, for the device page."""
        return str(self._base)

    async def health(self) -> dict[str, Any]:
        """Read the health object; an unhealthy bridge has one too."""
        answer = await self._ask("GET", "/health", also=HTTPStatus.SERVICE_UNAVAILABLE)
        if not isinstance(answer, dict) or "dtus" not in answer:
            raise BridgeUnreachableError(
                f"{self._base} answers, but not like a Hoymiles bridge: /health is no health object"
            )
        return answer

    async def stats(self) -> dict[str, Any]:
        """Read the numbers about the store."""
        answer = await self._ask("GET", "/stats")
        return answer if isinstance(answer, dict) else {}

    async def plant(self) -> dict[str, Any]:
        """Read the sums of the whole plant; older bridges give none."""
        try:
            answer = await self._ask("GET", "/api/plant")
        except BridgeAuthError:
            raise
        except BridgeRefusedError:
            return {}
        return answer if isinstance(answer, dict) else {}

    async def inverters(self) -> list[Any]:
        """Read all inverters with their ports."""
        answer = await self._ask("GET", "/api/inverters")
        if not isinstance(answer, list):
            raise BridgeUnreachableError(
                f"{self._base} answers, but not like a Hoymiles bridge: /api/inverters is no list"
            )
        return answer

    async def meters(self) -> list[Any]:
        """Read all meters; older bridges know none."""
        return await self._list_or_nothing("/api/meters") or []

    async def targets(self) -> list[Any] | None:
        """Read whom the bridge sends updates, and how each fares; None if it does not tell."""
        return await self._list_or_nothing("/api/targets")

    async def register(self, websocket_url: str, name: str) -> None:
        """Ask the bridge to send its updates to `websocket_url`."""
        body = {"websocket_url": websocket_url, "name": name}
        await self._ask("POST", "/api/websocket/register", json=body)

    async def forget(self, name: str) -> None:
        """Ask the bridge to send no more updates to the target of this name."""
        await self._ask("DELETE", f"/api/targets/{quote(name, safe='')}")

    async def _list_or_nothing(self, path: str) -> list[Any] | None:
        try:
            answer = await self._ask("GET", path)
        except BridgeAuthError:
            raise
        except BridgeRefusedError:
            return None
        return answer if isinstance(answer, list) else None

    async def _ask(
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
            self._base.with_path(path, encoded=True),
            json=json,
            headers=self._headers,
            timeout=TIMEOUT,
        )
        try:
            try:
                async with request() as response:
                    return await self._read(response, also)
            except aiohttp.ServerDisconnectedError:
                # The bridge was just closing a connection that nobody had used for some seconds.
                async with request() as response:
                    return await self._read(response, also)
        except TimeoutError as error:
            raise BridgeUnreachableError(f"{self._base} did not answer in time") from error
        except aiohttp.ClientConnectorError as error:
            reason = error.os_error.strerror or str(error.os_error)
            raise BridgeUnreachableError(f"{self._base} cannot be reached: {reason}") from error
        except aiohttp.ClientConnectionError as error:
            raise BridgeUnreachableError(
                f"{self._base} cannot be reached: the connection broke off"
            ) from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError, ValueError) as error:
            raise BridgeUnreachableError(
                f"{self._base} answers, but not like a Hoymiles bridge: {error}"
            ) from error

    async def _read(self, response: aiohttp.ClientResponse, also: HTTPStatus | None) -> Any:
        if response.status == HTTPStatus.NO_CONTENT:
            return None
        if response.status in (HTTPStatus.OK, also):
            return await response.json()
        words = await _words(response)
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise BridgeAuthError(response.status, words)
        raise BridgeRefusedError(response.status, words)


async def _words(response: aiohttp.ClientResponse) -> str:
    """Take the bridge's own words for an error, or the status if it has none."""
    try:
        answer = await response.json()
    except (aiohttp.ClientError, ValueError):
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        return str(answer["error"])
    return f"the answer was {response.status}"
