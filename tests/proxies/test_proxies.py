"""The bridge behind nginx, Caddy and HAProxy, with the files in docker/, and behind ingress."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientError, ClientSession, WSMsgType, web
from conftest import CLIENT, Logged
from servers import ROOT, TOKEN, Ingress, Proxy, free_port

BACK_WITHIN = 3.0
WEB = ROOT / "tests/web"


async def next_message(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Return the next message of the stream."""
    return json.loads(await asyncio.wait_for(socket.receive_str(), 10))


async def next_event(stream: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the next server-sent event that has data."""
    event: dict[str, str] = {}
    while True:
        line = (await stream.content.readuntil(b"\n")).decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif "data" in event:
            return event
        else:
            event = {}


async def test_page(proxy: Proxy, browser: ClientSession) -> None:
    html = {"Accept": "text/html"}
    async with browser.get(proxy.url, headers=html) as answer:
        assert answer.status == 200
        page = await answer.text()
    names = re.findall(r'(?:src|href)="(?:\./)?(assets/[^"]+)"', page)
    assert names, page[:500]
    for name in names:
        async with browser.get(proxy.url + name) as answer:
            assert answer.status == 200, name
            assert "immutable" in answer.headers["Cache-Control"]
            assert await answer.read()
    if not isinstance(proxy, Ingress):
        bare = proxy.url.removesuffix("/")
        async with browser.get(bare, headers=html) as answer:
            assert (answer.status, str(answer.url)) == (200, proxy.url)


async def test_inverters_are_cached(proxy: Proxy, logged: Logged, program: ClientSession) -> None:
    for _ in range(3):
        async with program.get(proxy.url + "api/inverters") as answer:
            inverters = await answer.json()
            assert inverters
            assert inverters[0]["ports"]
            tag = answer.headers["ETag"]
            assert tag.startswith("W/")
            assert answer.headers["Content-Encoding"] in ("gzip", "deflate")
        headers = {"If-None-Match": tag}
        async with program.get(proxy.url + "api/inverters", headers=headers) as answer:
            if answer.status == 304:
                break
            # A poll came in between.
            assert answer.headers["ETag"] != tag
    else:
        pytest.fail("no 304")
    assert f"[API Request] GET /api/inverters from {CLIENT}\n" in logged()


async def test_websocket(proxy: Proxy, logged: Logged, program: ClientSession) -> None:
    async with program.ws_connect(proxy.url + "api/ws") as socket:
        hello = await next_message(socket)
        assert (hello["type"], hello["data"]["protocol"]) == ("hello", 1)
        snapshot = await next_message(socket)
        assert snapshot["type"] == "snapshot"
        assert snapshot["data"]["inverters"]
        await socket.send_json({"type": "ping", "id": 7})
        kinds = set()
        while not {"pong", "update"} <= kinds:
            message = await next_message(socket)
            kinds.add(message["type"])
            if message["type"] == "pong":
                assert message["data"]["id"] == 7
        async with program.get(proxy.url + "api/stream") as answer:
            clients = await answer.json()
        assert CLIENT in [client["address"] for client in clients]
    async with program.ws_connect(proxy.url + f"api/ws?since={message['seq']}") as socket:
        assert (await next_message(socket))["data"]["resumed"]
    assert f"[API Request] GET /api/ws from {CLIENT}\n" in logged()
    assert TOKEN not in logged()


async def test_event_stream(proxy: Proxy, program: ClientSession) -> None:
    if isinstance(proxy, Ingress):
        pytest.skip("Home Assistant's ingress compresses event streams and so holds them back")
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
    started = time.monotonic()
    async with program.get(proxy.url + "api/events", headers=headers) as stream:
        assert stream.status == 200
        first = await asyncio.wait_for(next_event(stream), 1)
        second = await asyncio.wait_for(next_event(stream), 1)
        assert time.monotonic() - started < 1
        assert (first["event"], second["event"]) == ("hello", "snapshot")
        third = await asyncio.wait_for(next_event(stream), 10)
    headers = {**headers, "Last-Event-ID": third["id"]}
    async with program.get(proxy.url + "api/events", headers=headers) as stream:
        first = await asyncio.wait_for(next_event(stream), 1)
        assert json.loads(first["data"])["data"]["resumed"]


async def test_registration(proxy: Proxy, logged: Logged, program: ClientSession) -> None:
    updates: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def target(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "connected", "status": "ready"})
        async for message in socket:
            updates.put_nowait(json.loads(message.data))
        return socket

    app = web.Application()
    app.router.add_get("/ws", target)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, shutdown_timeout=1).start()
    name = f"Target behind {type(proxy).__name__}"
    body = {"websocket_url": f"ws://127.0.0.1:{port}/ws", "name": name}
    async with program.post(proxy.url + "api/websocket/register", json=body) as answer:
        assert answer.status == 200
        assert (await answer.json())["status"] == "registered"
    while (await asyncio.wait_for(updates.get(), 10))["type"] != "update":
        pass
    async with program.delete(proxy.url + f"api/targets/{name}") as answer:
        assert answer.status == 204
    await runner.cleanup()
    assert f"[API Request] POST /api/websocket/register from {CLIENT}\n" in logged()


async def test_login(proxy: Proxy, browser: ClientSession) -> None:
    own = {"Origin": proxy.origin}
    async with browser.get(proxy.url + "api/inverters") as answer:
        assert answer.status == 401
    login = {"token": TOKEN}
    async with browser.post(proxy.url + "api/session", json=login, headers=own) as answer:
        assert answer.status == 204
        cookie = answer.headers["Set-Cookie"]
    parts = [part.strip() for part in cookie.split(";")]
    assert {f"Path={proxy.prefix}/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(parts)
    async with browser.get(proxy.url + "api/inverters") as answer:
        assert answer.status == 200
    async with browser.ws_connect(proxy.url + "api/ws", headers=own) as socket:
        assert (await next_message(socket))["type"] == "hello"
        async with browser.delete(proxy.url + "api/session", headers=own) as answer:
            assert answer.status == 204
        while True:
            message = await asyncio.wait_for(socket.receive(), 10)
            if message.type is not WSMsgType.TEXT:
                break
        # Ingress hides why a connection ends.
        expected = [1000, 1006, None] if isinstance(proxy, Ingress) else [4401]
        assert socket.close_code in expected


async def test_dashboard_in_chromium(proxy: Proxy) -> None:
    if not (WEB / "node_modules").is_dir():
        assert not os.environ.get("CI"), "in CI, .ci/dashboard must have installed playwright-core"
        pytest.skip("run .ci/dashboard first")
    command = ["node", str(WEB / "behind-proxy.mjs"), proxy.url, TOKEN]
    chromium = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, problems = await asyncio.wait_for(chromium.communicate(), 60)
    assert chromium.returncode == 0, problems.decode()


async def test_foreign_origin(proxy: Proxy, logged: Logged, program: ClientSession) -> None:
    foreign = {"Origin": "https://evil.example"}
    if isinstance(proxy, Ingress):
        # It has accepted the WebSocket before the bridge refuses it.
        async with program.ws_connect(proxy.url + "api/ws", headers=foreign) as socket:
            message = await asyncio.wait_for(socket.receive(), 10)
            assert message.type is not WSMsgType.TEXT
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await program.ws_connect(proxy.url + "api/ws", headers=foreign)
        assert refused.value.status == 403
    body = {"websocket_url": "ws://127.0.0.1:1/ws", "name": "Evil"}
    url = proxy.url + "api/websocket/register"
    async with program.post(url, json=body, headers=foreign) as answer:
        assert answer.status == 403
    host = proxy.origin.removeprefix("https://")
    expected = f"its page is of https://evil.example, but the bridge was asked as {host};"
    assert f"[HTTP] a WebSocket was refused: {expected}" in logged()


class Follower:
    """A client that connects again whenever its connection ends."""

    def __init__(self, session: ClientSession, url: str) -> None:
        """Follow the stream at `url`."""
        self._session, self._url = session, url
        self.pongs, self.connections = 0, 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(ClientError):
                async with self._session.ws_connect(self._url) as self._socket:
                    self.connections += 1
                    async for message in self._socket:
                        if json.loads(message.data)["type"] == "pong":
                            self.pongs += 1
            await asyncio.sleep(0.1)

    async def answered_within(self, seconds: float) -> float:
        """Return after how many seconds the bridge answers a ping."""
        started, before = time.monotonic(), self.pongs
        while self.pongs == before:
            assert time.monotonic() - started < seconds, "not back"
            if self._socket is not None:
                with contextlib.suppress(ConnectionResetError):
                    await self._socket.send_json({"type": "ping"})
            await asyncio.sleep(0.05)
        return time.monotonic() - started

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.mark.parametrize("event", ["reload", "restart"])
async def test_is_back(proxy: Proxy, program: ClientSession, event: str) -> None:
    follower = Follower(program, proxy.url + "api/ws")
    try:
        await follower.answered_within(10)
        loop = asyncio.get_running_loop()
        if event == "reload":
            await loop.run_in_executor(None, proxy.reload)
        else:
            await loop.run_in_executor(None, proxy.stop)
            await loop.run_in_executor(None, proxy.start)
        seconds = await follower.answered_within(BACK_WITHIN)
        if event == "restart":
            assert follower.connections == 2
        async with program.get(proxy.url + "ready") as answer:
            assert answer.status == 200
        print(
            f"{type(proxy).__name__} {event}: {seconds:.2f} s, {follower.connections} connections"
        )
    finally:
        await follower.stop()
