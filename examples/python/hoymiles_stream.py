"""Follows the live stream of a bridge, and connects again whenever the connection ends.

    pip install websocket-client
    python3 hoymiles_stream.py ws://192.168.1.5:8080/api/ws

The token, if one is set, is taken from the variable HOYMILES_TOKEN. Protocol: docs/api.md, "Live
stream".
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import websocket

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_WAIT = 30


class HoymilesStream:
    """The plant as the bridge sees it, and figures of the connection."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Remember the address; `follow` connects."""
        self.url = url
        self.token = token
        self.plant: dict[str, Any] | None = None
        self.health: dict[str, Any] = {}
        self.inverters: dict[str, dict[str, Any]] = {}
        self.messages = 0
        self.skipped = 0
        self.connections = 0
        self.connected_since: float | None = None
        self.last_message: float | None = None
        self._seq: int | None = None
        self._wait = 1

    @property
    def uptime(self) -> float:
        """For how many seconds the present connection has lasted."""
        return time.time() - self.connected_since if self.connected_since else 0.0

    def follow(self) -> Iterator[str]:
        """Yield the type of each message, for ever; "error: ..." when the connection ends."""
        while True:
            try:
                yield from self._connection()
            except (websocket.WebSocketException, OSError) as error:
                yield f"error: {error}"
            self.connected_since = None
            time.sleep(self._wait)
            self._wait = min(2 * self._wait, LONGEST_WAIT)

    def _connection(self) -> Iterator[str]:
        url = self.url if self._seq is None else f"{self.url}?since={self._seq}"
        header = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        # The bridge sends a heartbeat every 25 seconds: after 60 without any, recv() fails.
        socket = websocket.create_connection(url, timeout=60, header=header, suppress_origin=True)
        try:
            while text := socket.recv():
                message = json.loads(text)
                self._receive(message)
                yield message["type"]
        finally:
            socket.close(timeout=1)

    def _receive(self, message: dict[str, Any]) -> None:
        kind, data = message["type"], message["data"]
        self.messages += 1
        self.skipped += message.get("skipped", 0)
        self.last_message = time.time()
        if kind == "hello":
            self.connections += 1
            self.connected_since = time.time()
            if not data["resumed"]:
                self._seq = None
            return
        self._wait = 1
        self._seq = message["seq"]
        if kind == "snapshot":
            self.plant, self.health = data["plant"], data["health"]
            self.inverters = {one["serial_number"]: one for one in data["inverters"]}
        elif kind == "update":
            self.plant, self.health = data["plant"], data["health"]
            others = [one for one in self.inverters.values() if one["dtu_name"] != data["dtu"]]
            every = [*others, *data["inverters"]]
            self.inverters = {one["serial_number"]: one for one in every}
        elif kind == "status":
            self.health.setdefault("dtus", {}).update(data["dtus"])


def main() -> None:
    """Print a line for each message."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: hoymiles_stream.py ws://<bridge>:8080/api/ws")
    stream = HoymilesStream(sys.argv[1], os.environ.get("HOYMILES_TOKEN"))
    for kind in stream.follow():
        power = stream.plant["pv_power"] if stream.plant else None
        last = time.strftime("%H:%M:%S", time.localtime(stream.last_message))
        print(
            f"{kind}: {power} W, {len(stream.inverters)} inverters; {stream.messages} messages, "
            f"{stream.skipped} skipped, up {stream.uptime:.0f} s, last message {last}",
            flush=True,
        )


if __name__ == "__main__":
    main()
