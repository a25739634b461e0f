"""Parses the bridge's address as people type or paste it: a host, host:port or a whole URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

from homeassistant.const import CONF_HOST, CONF_PATH, CONF_PORT, CONF_SSL
from yarl import URL

from .const import DEFAULT_PORT

LONGEST_NAME: Final = 253
LARGEST_PORT: Final = 65535

_PASTED: Final = re.compile(
    r"(?:(?:http(?P<tls>s)?:)?//)?(?:\[(?P<ipv6>[^]]+)\]|(?P<host>[^:/]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[\w.~%-]*)*)",
    re.IGNORECASE,
)
_IP: Final = re.compile(r"[0-9a-f.:]+(?:%[\w.-]+)?", re.IGNORECASE)
_NAME: Final = re.compile(r"(?:\w(?:[\w-]{0,61}\w)?\.)*(?!\d+\.?$)\w(?:[\w-]{0,61}\w)?\.?")


class InvalidAddressError(ValueError):
    """The text is not the address of a bridge."""


def parse_address(text: str, port: int) -> dict[str, Any]:
    """Parse `text` into an entry's host, port, ssl and path; `port` is that of the other field.

    A URL with https or a path means what a browser means by it: while the port field has its
    default, the port is 443 or 80.
    """
    text = text.strip()
    if address := _ip(text):
        return {CONF_HOST: address, CONF_PORT: port}
    match = _PASTED.fullmatch(text)
    if not match:
        raise InvalidAddressError
    is_tls = match["tls"] is not None
    path = re.sub("/+", "/", match["path"]).rstrip("/")
    # Copied from a browser that has just tried the bridge.
    path = path.removesuffix("/ready").removesuffix("/health")
    if match["port"]:
        port = int(match["port"])
    elif (is_tls or path) and port == DEFAULT_PORT:
        port = 443 if is_tls else 80
    host = _ip(match["ipv6"]) if match["ipv6"] else _host(match["host"])
    if not host or not 1 <= port <= LARGEST_PORT:
        raise InvalidAddressError
    tls = {CONF_SSL: True} if is_tls else {}
    return {CONF_HOST: host, CONF_PORT: port} | tls | ({CONF_PATH: path} if path else {})


def bridge_url(data: Mapping[str, Any]) -> URL:
    """Build the base URL of an entry's bridge, without a slash at its end."""
    scheme, usual_port = ("https", 443) if data.get(CONF_SSL) else ("http", 80)
    port = data[CONF_PORT] if data[CONF_PORT] != usual_port else None
    url = URL.build(scheme=scheme, host=data[CONF_HOST], port=port)
    return url.with_path(data[CONF_PATH], encoded=True) if data.get(CONF_PATH) else url


def shown_host(data: Mapping[str, Any]) -> str:
    """Format the address for the host field of a form, whose other field has the port."""
    is_plain = not data.get(CONF_SSL) and not data.get(CONF_PATH)
    return str(data[CONF_HOST] if is_plain else bridge_url(data))


def short_address(data: Mapping[str, Any]) -> str:
    """Format the address for a title: short, but different for every bridge."""
    host, path = str(data[CONF_HOST]), str(data.get(CONF_PATH, ""))
    usual_port = 443 if data.get(CONF_SSL) else 80 if path else DEFAULT_PORT
    if data[CONF_PORT] != usual_port:
        host = f"[{host}]:{data[CONF_PORT]}" if ":" in host else f"{host}:{data[CONF_PORT]}"
    return host + path


def _host(text: str) -> str | None:
    if address := _ip(text):
        return address
    name = text.lower()
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return None
    try:
        URL.build(scheme="http", host=name)
    except ValueError:
        # The DNS cannot encode it.
        return None
    return name


def _ip(text: str) -> str | None:
    if not _IP.fullmatch(text):
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        return None
