"""A real Home Assistant in its own folder, driven over its API as a browser does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import requests

from plant import ROOT, free_port

# The Python of the Home Assistant to test, if not the one that runs the tests.
PYTHON = os.environ.get("HOME_ASSISTANT_PYTHON", sys.executable)
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
    """Call `is_so` until it returns something true, and return that."""
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

    def __init__(self, folder: Path, lines: str = "") -> None:
        """Create its folder, with these lines in its configuration; the integration is ours."""
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._refresh: str | None = None
        self._access = ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port) + lines)
        (folder / "custom_components").mkdir(exist_ok=True)
        for components in (ROOT / "custom_components", Path(__file__).parent / "custom_components"):
            for component in components.glob("*/"):
                (folder / "custom_components" / component.name).symlink_to(component)

    def start(self) -> None:
        """Start, and wait until it can be used."""
        command = [PYTHON, "-m", "homeassistant", "--skip-pip", "-c", str(self.folder)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with (self.folder / "output.log").open("ab") as log:
            # Python finds custom components in the present folder first.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=self.folder
            )
        wait_for("Home Assistant answers", self._is_up, 60)
        is_new = self._refresh is None
        if is_new:
            self._onboard()
        self._renew()
        wait_for("Home Assistant runs", lambda: self.get("/api/config")["state"] == "RUNNING", 60)
        if is_new and self.get("/api/config")["version"] >= "2026":
            # Otherwise it reverts to the old port after five minutes.
            self.command("http/config/promote")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Stop, and return how long that took."""
        began = time.monotonic()
        if self._process:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None
        return time.monotonic() - began

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return (self.folder / "output.log").read_text(errors="replace")

    def logged_at(self, words: str) -> list[datetime]:
        """Return when it logged these words."""
        lines = [line for line in self.log.splitlines() if words in line]
        return [datetime.fromisoformat(line[:23]) for line in lines]

    def get(self, path: str) -> Any:
        """Send a GET request to the API."""
        return self._checked(requests.get(self.url + path, headers=self._headers, timeout=20))

    def post(self, path: str, body: Any = None) -> Any:
        """Send a POST request to the API."""
        url = self.url + path
        return self._checked(requests.post(url, json=body, headers=self._headers, timeout=60))

    def command(self, kind: str, **body: Any) -> Any:
        """Send one command to the WebSocket API."""
        return self.commands([{"type": kind, **body}])[0]

    def commands(self, bodies: list[dict[str, Any]]) -> list[Any]:
        """Send commands over one connection."""
        return asyncio.run(self._commands(bodies))

    def states(self) -> dict[str, dict[str, Any]]:
        """Return all states by entity id."""
        return {state["entity_id"]: state for state in self.get("/api/states")}

    def add(self, domain: str, **answers: Any) -> dict[str, Any]:
        """Fill in the form of an integration as a user does, and return the result."""
        flow = "/api/config/config_entries/flow"
        form = self.post(flow, {"handler": domain, "show_advanced_options": False})
        assert form["type"] == "form", form
        result: dict[str, Any] = self.post(f"{flow}/{form['flow_id']}", answers)
        return result

    def entry(self, domain: str) -> dict[str, Any]:
        """Return the only entry of an integration."""
        entries = self.get(f"/api/config/config_entries/entry?domain={domain}")
        assert len(entries) == 1, entries
        found: dict[str, Any] = entries[0]
        return found

    def entities(self, domain: str) -> list[dict[str, Any]]:
        """Return an integration's entities from the registry."""
        listed = self.command("config/entity_registry/list")
        return [entity for entity in listed if entity["platform"] == domain]

    def registry(self, domain: str) -> dict[str, str]:
        """Return an integration's entity ids by unique id, each of which must exist once."""
        listed = self.entities(domain)
        found = {one["unique_id"]: one["entity_id"] for one in listed}
        assert len(found) == len(listed), "an entity is doubled"
        return found

    def shown(self, domain: str) -> dict[str, str]:
        """Return the states of an integration's entities by unique id."""
        states = self.states()
        entities = self.registry(domain).items()
        return {uid: states[entity]["state"] for uid, entity in entities if entity in states}

    def enable_all(self, domain: str) -> None:
        """Enable an integration's entities that are disabled by default."""
        hidden = [one["entity_id"] for one in self.entities(domain) if one["disabled_by"]]
        update = {"type": "config/entity_registry/update", "disabled_by": None}
        self.commands([{**update, "entity_id": entity_id} for entity_id in hidden])
        self.post(f"/api/config/config_entries/entry/{self.entry(domain)['entry_id']}/reload")

    def energy_problems(self, energies: list[str]) -> set[str]:
        """Put these on the energy dashboard, and return its complaints."""
        known = self.command("recorder/list_statistic_ids", statistic_type="sum")
        missing = set(energies) - {one["statistic_id"] for one in known}
        assert not missing, f"nothing is summed up of {missing}"
        source = {"type": "solar", "config_entry_solar_forecast": None}
        sources = [{**source, "stat_energy_from": one} for one in energies]
        self.command("energy/save_prefs", energy_sources=sources)
        found = self.command("energy/validate")["energy_sources"]
        assert len(found) == len(energies)
        problems = {problem["type"] for of_source in found for problem in of_source}
        # Statistics start after the first full five minutes of the clock.
        return problems - {"statistics_not_defined"}

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access}"}

    @staticmethod
    def _checked(response: requests.Response) -> Any:
        assert response.ok, f"{response.status_code} {response.url}: {response.text}"
        return response.json()

    def _is_up(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(self.log[-2000:])
        return requests.get(f"{self.url}/api/onboarding", timeout=5).ok

    def _onboard(self) -> None:
        user = {"name": "T", "username": "t", "password": "t", "language": "en"}
        made = self._checked(
            requests.post(
                f"{self.url}/api/onboarding/users", json={**user, "client_id": CLIENT}, timeout=60
            )
        )
        self._refresh = self._token(grant_type="authorization_code", code=made["auth_code"])
        # The following steps would set up services that need the internet.

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
