"""The real bridge, and a simulated plant of 19 inverters and 37 ports behind it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HOYMILES_BRIDGE", ROOT / "target/debug/hoymiles-bridge"))
CONFIGURATION = """\
timezone = "Europe/Berlin"
state_dir = "{state}"
[poll]
interval = "5s"
[[dtu]]
name = "DTU"
protocol = "modbus"
host = "127.0.0.1"
port = {dtu}
{of_dtu}
[http]
listen = "127.0.0.1:{port}"
{lines}"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Process:
    """A process of the bridge's binary in the background."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        """Start the bridge's binary with these arguments."""
        self._log = log
        command = [str(BINARY), *arguments]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, **environment}
            )

    @property
    def log(self) -> str:
        """What this process and earlier ones have logged."""
        return self._log.read_text()

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(which)

    def stop(self, how: signal.Signals) -> None:
        """Stop it."""
        self.signal(how)
        self._process.wait(20)


class Bridge:
    """The bridge and its DTU. The DTU continues to run when the bridge stops."""

    def __init__(self, folder: Path, lines: str = "", dtu: int | None = None) -> None:
        """Create the bridge's folder, with these lines in its configuration.

        Starts its DTU, unless it is to read the one at that port.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: Process | None = None
        self._dtu: Process | None = None
        if dtu is None:
            arguments = "--inverters 19 --ports 37 --always-day --timezone Europe/Berlin"
            self._dtu = Process(
                folder / "dtu.log", "simulate", "--modbus", "127.0.0.1:0", *arguments.split()
            )
            dtu = self._dtu_port(self._dtu)
        self._file = folder / "bridge.toml"
        self._places = {"state": folder / "state", "dtu": dtu, "port": self.port}
        self.configure(lines)

    def configure(self, lines: str = "", of_dtu: str = "") -> None:
        """Write its configuration with these lines, for the next start or reload."""
        text = CONFIGURATION.format(**self._places, lines=lines, of_dtu=of_dtu)
        self._file.write_text(text)

    def reload(self) -> None:
        """Let it read its configuration again."""
        assert self._process
        self._process.signal(signal.SIGHUP)

    def start(self, **environment: str) -> None:
        """Start, and wait for the first poll."""
        self._process = Process(
            self.folder / "bridge.log", "--config", str(self._file), "run", **environment
        )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if requests.get(f"{self.url}/ready", timeout=5).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise AssertionError(self._process.log)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the bridge; its DTU continues to run."""
        if self._process:
            self._process.stop(how)
            self._process = None

    def forget_everything(self) -> None:
        """Delete everything the bridge has on disk, including registrations."""
        for file in (self.folder / "state").iterdir():
            file.unlink()

    def forget_target(self) -> None:
        """Remove the registration of Home Assistant from the bridge."""
        for target in self.get("/api/targets"):
            requests.delete(f"{self.url}/api/targets/{target['name']}", timeout=10)

    def end(self) -> None:
        """Stop the bridge and its DTU."""
        self.stop()
        if self._dtu:
            self._dtu.stop(signal.SIGTERM)

    def get(self, path: str) -> Any:
        """Send a GET request to the bridge's API."""
        response = requests.get(self.url + path, timeout=10)
        assert response.ok or path == "/health", response.text
        return response.json()

    @property
    def log(self) -> str:
        """What the bridge has logged."""
        return (self.folder / "bridge.log").read_text()

    @staticmethod
    def _dtu_port(dtu: Process) -> int:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if found := re.search(r"127\.0\.0\.1:(\d+)", dtu.log):
                return int(found[1])
            time.sleep(0.05)
        raise AssertionError(dtu.log)
