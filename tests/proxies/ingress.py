"""A proxy that treats requests as Home Assistant's ingress does, to be run as a process.

Like that one it is made with aiohttp: it accepts a WebSocket before it has asked the bridge, names
its path in X-Ingress-Path, and compresses answers by itself.
"""

import asyncio
import ssl
import sys

from aiohttp import ClientError, ClientSession, ClientTimeout, WSMsgType, web

PATH = "/api/hassio_ingress/aB3_x-9"
DROPPED_FROM_REQUEST = {
    "accept-encoding",
    "content-encoding",
    "content-length",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
}
DROPPED_FROM_ANSWER = {"content-encoding", "content-length", "content-type", "transfer-encoding"}
SHORTEST_COMPRESSED = 128


def forwarded(request: web.Request) -> dict[str, str]:
    """Return the headers of the request to the bridge."""
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in DROPPED_FROM_REQUEST
    }
    headers["X-Hass-Source"] = "core.ingress"
    headers["X-Ingress-Path"] = PATH
    headers["X-Forwarded-For"] = str(request.remote)
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = request.scheme
    return headers


async def forward(source: web.WebSocketResponse, sink: web.WebSocketResponse) -> None:
    """Pass on messages until one side ends."""
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.PING:
            await sink.ping()
        elif message.type is WSMsgType.PONG:
            await sink.pong()


async def websocket(request: web.Request, url: str) -> web.StreamResponse:
    """Connect the browser's WebSocket to one of the bridge."""
    own = web.WebSocketResponse(autoclose=False, autoping=False)
    await own.prepare(request)
    session = request.app["session"]
    headers = forwarded(request)
    async with session.ws_connect(url, headers=headers, autoclose=False, autoping=False) as bridge:
        both = [asyncio.ensure_future(forward(own, bridge))]
        both.append(asyncio.ensure_future(forward(bridge, own)))
        _, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in pending:
            one.cancel()
    return own


async def answer(request: web.Request) -> web.StreamResponse:
    """Pass on one request."""
    url = f"{request.app['bridge']}/{request.match_info['path']}"
    if request.query_string:
        url += f"?{request.query_string}"
    try:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await websocket(request, url)
        return await plain(request, url)
    except ClientError as error:
        raise web.HTTPBadGateway from error


async def plain(request: web.Request, url: str) -> web.StreamResponse:
    """Pass on one request that is no upgrade."""
    async with request.app["session"].request(
        request.method,
        url,
        headers=forwarded(request),
        allow_redirects=False,
        data=request.content if request.method != "GET" else None,
        timeout=ClientTimeout(total=None),
        skip_auto_headers={"Content-Type"},
    ) as result:
        headers = {
            name: value
            for name, value in result.headers.items()
            if name.lower() not in DROPPED_FROM_ANSWER
        }
        if result.status in (204, 304) or result.content_length is not None:
            body = await result.read()
            whole = web.Response(
                status=result.status, headers=headers, body=body, content_type=result.content_type
            )
            if len(body) > SHORTEST_COMPRESSED:
                whole.enable_compression()
            return whole
        stream = web.StreamResponse(status=result.status, headers=headers)
        stream.content_type = result.content_type
        # This is what holds back the event stream.
        stream.enable_compression()
        await stream.prepare(request)
        async for chunk, _ in result.content.iter_chunks():
            await stream.write(chunk)
        return stream


async def session(app: web.Application) -> None:
    """Keep one client session as long as the proxy runs."""
    app["session"] = ClientSession(auto_decompress=True)
    yield
    await app["session"].close()


def main() -> None:
    """Serve on this port for that bridge with that certificate."""
    port, bridge, certificate, key = sys.argv[1:]
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    app = web.Application()
    app["bridge"] = bridge
    app.cleanup_ctx.append(session)
    app.router.add_route("*", PATH + "/{path:.*}", answer)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(port),
        ssl_context=tls,
        print=None,
        shutdown_timeout=1,
    )


if __name__ == "__main__":
    main()
