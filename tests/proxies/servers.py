"""The bridge's binary with a simulated plant, and the proxies in front of it, as processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import ingress

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HOYMILES_BRIDGE", ROOT / "target/debug/hoymiles-bridge"))
HOST = "solar.example"
TOKEN = "a-token-for-tests"
CONFIGURATION = """\
state_dir = "{folder}"
[poll]
interval = "5s"
[[dtu]]
name = "DTU"
protocol = "simulated"
[http]
listen = "127.0.0.1:0"
token = "{token}"
trusted_proxies = ["127.0.0.1"]
"""
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_until(condition: object, what: str, seconds: float = 20) -> None:
    """Wait until `condition` returns something true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Certificate:
    """A certificate for `HOST` that signs itself."""

    def __init__(self, folder: Path) -> None:
        """Make it."""
        self.file, self.key, self.both = (
            folder / name for name in ("tls.pem", "tls.key", "both.pem")
        )
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
        names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
        files = ["-keyout", str(self.key), "-out", str(self.file)]
        command = ["openssl", "req", "-x509", *kind, *names, *files]
        subprocess.run(command, check=True, capture_output=True)
        self.both.write_text(self.file.read_text() + self.key.read_text())

    def client(self) -> ssl.SSLContext:
        """Return the settings of a client that trusts nothing else."""
        return ssl.create_default_context(cafile=str(self.file))


class Bridge:
    """The bridge, with a simulated plant and a token."""

    def __init__(self, folder: Path) -> None:
        """Start it and wait until it is ready."""
        folder.mkdir()
        configuration = folder / "bridge.toml"
        configuration.write_text(CONFIGURATION.format(folder=folder, token=TOKEN))
        self._log = folder / "log"
        with self._log.open("wb") as out:
            command = [str(BINARY), "--config", str(configuration), "run"]
            self._process = subprocess.Popen(command, stdout=out, stderr=out)
        address = folder / "hoymiles-bridge.listen"
        wait_until(address.exists, "the bridge did not start")
        self.address = address.read_text().strip()
        wait_until(self._is_ready, "the bridge is not ready")

    def _is_ready(self) -> bool:
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(100)

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)


class Proxy:
    """A proxy in front of the bridge, with the example file in docker/."""

    prefix = "/hoymiles"

    def __init__(self, folder: Path, bridge: str, certificate: Certificate) -> None:
        """Write the configuration and start it."""
        folder.mkdir()
        self.folder, self.bridge, self.certificate = folder, bridge, certificate
        self.port, self.admin = free_port(), free_port()
        self._process = None
        self.write()
        self.start()

    def write(self) -> None:
        """Write the configuration."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""
        raise NotImplementedError

    def reload(self) -> None:
        """Let it read its configuration again."""
        raise NotImplementedError

    def example(self, name: str, changes: dict[str, object]) -> str:
        """Return an example file for this test's ports and files."""
        text = (ROOT / "docker" / name).read_text()
        for before, after in changes.items():
            assert before in text, f"docker/{name} has no {before}"
            text = text.replace(before, str(after))
        return text

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.folder / "log").open("ab") as out:
            environment = {**os.environ, "PATH": PATH, "HOME": str(self.folder)}
            self._process = subprocess.Popen(
                self.command(), stdout=out, stderr=out, env=environment, start_new_session=True
            )
        wait_until(self._listens, f"{type(self).__name__} does not listen")

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(which)

    def stop(self) -> None:
        """End it, with the processes that it has started."""
        self._process.terminate()
        try:
            self._process.wait(5)
        finally:
            self.end_group()

    def end_group(self) -> None:
        """End what it has left."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    @property
    def url(self) -> str:
        """Where the bridge is behind it."""
        return f"https://{HOST}:{self.port}{self.prefix}/"

    @property
    def origin(self) -> str:
        """The origin of its pages."""
        return f"https://{HOST}:{self.port}"


class Nginx(Proxy):
    """nginx; the example is a file of conf.d."""

    def write(self) -> None:
        """Write the configuration."""
        site = self.example(
            "nginx.conf",
            {
                "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
                "/etc/ssl/solar.example.pem": self.certificate.file,
                "/etc/ssl/solar.example.key": self.certificate.key,
                "http://127.0.0.1:8080/": f"http://{self.bridge}/",
            },
        )
        (self.folder / "site.conf").write_text(site)
        kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        folders = [f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds]
        main = [
            f"pid {self.folder}/pid;",
            "error_log stderr;",
            "events {}",
            "http {",
            "access_log off;",
            *folders,
            f"include {self.folder}/site.conf;",
            "}",
        ]
        (self.folder / "nginx.conf").write_text("\n".join(main))

    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""
        return ["nginx", "-c", f"{self.folder}/nginx.conf", "-g", "daemon off;", "-e", "stderr"]

    def reload(self) -> None:
        """Let it read its configuration again."""
        self.signal(signal.SIGHUP)


class Caddy(Proxy):
    """Caddy; its global options must come first and are those of this test."""

    def write(self) -> None:
        """Write the configuration."""
        site = self.example(
            "Caddyfile",
            {
                "solar.example {": f"solar.example:{self.port} {{",
                "/etc/ssl/solar.example.pem": self.certificate.file,
                "/etc/ssl/solar.example.key": self.certificate.key,
                "reverse_proxy 127.0.0.1:8080 {": f"reverse_proxy {self.bridge} {{",
            },
        )
        options = [
            "{",
            f"admin 127.0.0.1:{self.admin}",
            "auto_https disable_redirects",
            "default_bind 127.0.0.1",
            "skip_install_trust",
            "}",
        ]
        (self.folder / "Caddyfile").write_text("\n".join(options) + "\n" + site)

    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""
        return ["caddy", "run", "--config", f"{self.folder}/Caddyfile"]

    def reload(self) -> None:
        """Let it read its configuration again, even though it is the same."""
        command = ["caddy", "reload", "--force", "--config", f"{self.folder}/Caddyfile"]
        environment = {**os.environ, "PATH": PATH, "HOME": str(self.folder)}
        subprocess.run(command, check=True, capture_output=True, env=environment)


class Haproxy(Proxy):
    """HAProxy, as master and worker."""

    def write(self) -> None:
        """Write the configuration."""
        text = self.example(
            "haproxy.cfg",
            {
                "bind :443 ssl": f"bind 127.0.0.1:{self.port} ssl",
                "/etc/ssl/solar.example-with-key.pem": self.certificate.both,
                "server bridge 127.0.0.1:8080": f"server bridge {self.bridge}",
            },
        )
        (self.folder / "haproxy.cfg").write_text(text)

    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""
        return ["haproxy", "-W", "-db", "-f", f"{self.folder}/haproxy.cfg"]

    def reload(self) -> None:
        """Let it read its configuration again."""
        self.signal(signal.SIGUSR2)


class Ingress(Proxy):
    """A proxy like Home Assistant's ingress."""

    prefix = ingress.PATH

    def write(self) -> None:
        """Everything is an argument."""

    def command(self) -> list[str]:
        """Return the command that serves in the foreground."""
        files = [str(self.certificate.file), str(self.certificate.key)]
        script = str(Path(ingress.__file__))
        return [sys.executable, script, str(self.port), f"http://{self.bridge}", *files]

    def reload(self) -> None:
        """Restart it: it has nothing to reload."""
        self.stop()
        self.start()


ALL = {"nginx": Nginx, "caddy": Caddy, "haproxy": Haproxy, "ingress": Ingress}


def installed(name: str) -> bool:
    """Return whether this proxy can be tested here."""
    return name == "ingress" or shutil.which(name, path=PATH) is not None
