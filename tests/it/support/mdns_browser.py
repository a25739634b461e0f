"""Prints each bridge that is announced or leaves, as JSON, until standard input ends."""

import json
import sys
from typing import Any

from zeroconf import ServiceBrowser, Zeroconf


class Listener:
    """Reports services."""

    def add_service(self, zeroconf: Any, kind: str, name: str) -> None:
        """Report what is announced of a new one."""
        info = zeroconf.get_service_info(kind, name, 5000)
        texts = {key.decode(): value.decode() for key, value in info.properties.items()}
        addresses = info.parsed_addresses()
        report(added=name, properties=texts, addresses=addresses, port=info.port)

    def update_service(self, _zeroconf: Any, _kind: str, _name: str) -> None:
        """Ignore that something changed."""

    def remove_service(self, _zeroconf: Any, _kind: str, name: str) -> None:
        """Report that one has said goodbye."""
        report(removed=name)


def report(**what: Any) -> None:
    """Print one line."""
    print(json.dumps(what), flush=True)


zeroconf = Zeroconf(interfaces=[sys.argv[1]])
ServiceBrowser(zeroconf, "_hoymiles-bridge._tcp.local.", Listener())
sys.stdin.read()
zeroconf.close()
