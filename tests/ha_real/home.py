"""A real Home Assistant in a folder of its own, driven over its API as a browser would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import requests

from plant import ROOT, free_port

CLIENT = "http://127.0.0.1/"
CONFIGURATION = """\
homeassistant:
  name: Test
  time_zone: Europe/Berlin
  latitude: 52.5
  longitude: 13.4
  country: DE
  internal_url: http://127.0.0.1:{port}
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
auth:
config:
energy:
history:
onboarding:
recorder:
  commit_interval: 1
repairs:
diagnostics:
system_health:
system_log:
websocket_api:
logger:
  default: warning
  logs:
    custom_components.hoymiles_smiles: debug
"""


def wait_for(what: str, is_so: Callable[[], Any], seconds: float) -> Any:
    """Ask until it is so; the last answer."""
    end = time.monotonic() + seconds
    why: object = None
    while time.monotonic() < end:
        try:
            if found := is_so():
                return found
        except (requests.RequestException, AssertionError, aiohttp.ClientError) as error:
            why = error
        time.sleep(0.2)
    message = f"not within {seconds} s: {what} ({why})"
    raise AssertionError(message)


class Home:
    """One Home Assistant."""

    def __init__(self, folder: Path) -> None:
        """Lay out its folder; the integration is the one of this repository."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._refresh: str | None = None
        self._access = ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port))
        (folder / "custom_components").symlink_to(ROOT / "custom_components")

    def start(self) -> None:
        """Start, and wait until it can be used."""
        command = [sys.executable, "-m", "homeassistant", "--skip-pip", "-c", str(self.folder)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_for("Home Assistant answers", self._is_up, 60)
        if self._refresh is None:
            self._onboard()
        self._renew()
        wait_for("Home Assistant runs", lambda: self.get("/api/config")["state"] == "RUNNING", 60)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Stop, and say how long that took."""
        began = time.monotonic()
        if self._process:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None
        return time.monotonic() - began

    @property
    def log(self) -> str:
        """What it has logged since it was made."""
        return (self.folder / "output.log").read_text(errors="replace")

    def get(self, path: str) -> Any:
        """Ask the API."""
        return self._checked(requests.get(self.url + path, headers=self._headers, timeout=20))

    def post(self, path: str, body: Any = None) -> Any:
        """Tell the API."""
        url = self.url + path
        return self._checked(requests.post(url, json=body, headers=self._headers, timeout=60))

    def command(self, kind: str, **body: Any) -> Any:
        """Give one command over the WebSocket API."""
        return self.commands([{"type": kind, **body}])[0]

    def commands(self, bodies: list[dict[str, Any]]) -> list[Any]:
        """Give commands over one connection."""
        return asyncio.run(self._commands(bodies))

    def states(self) -> dict[str, dict[str, Any]]:
        """All states by entity id."""
        return {state["entity_id"]: state for state in self.get("/api/states")}

    def add_bridge(self, host: str, port: int) -> dict[str, Any]:
        """Go through the dialogue as a user does; the end of it."""
        flow = "/api/config/config_entries/flow"
        form = self.post(flow, {"handler": "hoymiles_smiles", "show_advanced_options": False})
        assert form["type"] == "form", form
        result: dict[str, Any] = self.post(
            f"{flow}/{form['flow_id']}", {"host": host, "port": port}
        )
        return result

    def entry(self) -> dict[str, Any]:
        """The entry of our integration."""
        entries = self.get("/api/config/config_entries/entry?domain=hoymiles_smiles")
        assert len(entries) == 1, entries
        found: dict[str, Any] = entries[0]
        return found

    def entities(self) -> list[dict[str, Any]]:
        """The registry's entities of our integration."""
        listed = self.command("config/entity_registry/list")
        return [entity for entity in listed if entity["platform"] == "hoymiles_smiles"]

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access}"}

    @staticmethod
    def _checked(response: requests.Response) -> Any:
        assert response.ok, f"{response.status_code} {response.url}: {response.text}"
        return response.json()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-2000:]
        return requests.get(f"{self.url}/api/onboarding", timeout=5).ok

    def _onboard(self) -> None:
        user = {"name": "T", "username": "t", "password": "t", "language": "en"}
        made = self._checked(
            requests.post(
                f"{self.url}/api/onboarding/users", json={**user, "client_id": CLIENT}, timeout=60
            )
        )
        self._refresh = self._token(grant_type="authorization_code", code=made["auth_code"])
        # The steps that would follow set up a weather service and other things of the network.

    def _renew(self) -> None:
        assert self._refresh is not None
        self._access = self._token(grant_type="refresh_token", refresh_token=self._refresh)

    def _token(self, **grant: str) -> str:
        form = {"client_id": CLIENT, **grant}
        answer = self._checked(requests.post(f"{self.url}/auth/token", data=form, timeout=20))
        return str(answer.get("refresh_token") or answer["access_token"])

    async def _commands(self, bodies: list[dict[str, Any]]) -> list[Any]:
        results = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/api/websocket", max_msg_size=0) as socket,
        ):
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._access})
            assert (await socket.receive_json())["type"] == "auth_ok"
            for number, body in enumerate(bodies, start=1):
                await socket.send_json({"id": number, **body})
                answer = await socket.receive_json(timeout=30)
                assert answer["success"], (body, answer)
                results.append(answer["result"])
        return results
