"""Reads what an owner types or pastes where the bridge's host is asked for."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from yarl import URL

LONGEST_NAME: Final = 253
LARGEST_PORT: Final = 65535

_PASTED: Final = re.compile(
    r"(?:(?:http:)?//)?(?:\[(?P<ipv6>[^]]+)\]|(?P<host>[^:]+))(?::(?P<port>[0-9]{1,5}))?/*",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"[0-9a-f.:]+(?:%[\w.-]+)?", re.IGNORECASE)
_NAME: Final = re.compile(r"(?:\w(?:[\w-]{0,61}\w)?\.)*(?!\d+\.?$)\w(?:[\w-]{0,61}\w)?\.?")


class NoAddressOfBridgeError(ValueError):
    """Nothing that a host and a port can be taken from without guessing."""


def host_and_port(text: str, port: int) -> tuple[str, int]:
    """Take host and port out of `text`; `port` is that of the field beside it."""
    text = text.strip()
    if address := _address(text):
        return address, port
    found = _PASTED.fullmatch(text)
    if not found:
        raise NoAddressOfBridgeError
    port = int(found["port"] or port)
    host = _address(found["ipv6"]) if found["ipv6"] else _host(found["host"].rstrip("/"))
    if not host or not 1 <= port <= LARGEST_PORT:
        raise NoAddressOfBridgeError
    return host, port


def _host(text: str) -> str | None:
    if address := _address(text):
        return address
    name = text.lower()
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return None
    try:
        URL.build(scheme="http", host=name)
    except ValueError:
        # The DNS has no way to write it.
        return None
    return name


def _address(text: str) -> str | None:
    if not _ADDRESS.fullmatch(text):
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        return None
