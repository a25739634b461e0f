"""A real mosquitto on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from plant import free_port

# Debian installs it outside a user's PATH.
PROGRAM = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
CONFIGURATION = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
"""


class Broker:
    """One broker."""

    def __init__(self, folder: Path) -> None:
        """Create a folder for its persistent data."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        assert PROGRAM, "mosquitto is not installed (sudo apt-get install mosquitto)"
        file = self.folder / "mosquitto.conf"
        file.write_text(CONFIGURATION.format(port=self.port, folder=self.folder))
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", str(file)], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the broker does not listen")

    def stop(self) -> None:
        """Stop it gracefully, so that it saves its retained messages."""
        while self._process:
            self._process.terminate()
            # It misses a signal that arrives just after it started to listen.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
                self._process = None

    def forget_everything(self) -> None:
        """Delete its retained messages, as a broker without persistence does."""
        (self.folder / "mosquitto.db").unlink()
