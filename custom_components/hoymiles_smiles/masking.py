"""Takes out of JSON who and where its owner is, and leaves the rest as readable as it was.

What is known by its key goes whole. In texts goes only what looks like an address, a URL or a host
name, or stands where the bridge's sentences put one; a name that is told elsewhere, too, is only
taken out of sentences, so that a host called `online` does not spoil a status.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED

_SECRET_KEYS: Final = re.compile(
    r"(?:.*_)?(?:address|host|hostname|ip|mac|password|ssid|token|uri|url|user|username)",
    re.IGNORECASE,
)
_SHORTEST_SERIAL: Final = 8
_SHORTEST_NAME: Final = 3

_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>`,;]+", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\b(token=|Bearer )[^\s\"'&,;]+", re.IGNORECASE)
_MAC: Final = re.compile(r"\b[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}\b", re.IGNORECASE)
_IPV6: Final = re.compile(r"(?<!\w)[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:%[\w.-]+)?", re.IGNORECASE)
_IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_DOTTED: Final = re.compile(r"(?<![\w.-])(?:\w[\w-]*\.)+[^\W\d_][\w-]+(?![\w-])")
_WITH_PORT: Final = re.compile(r"(?<![\w.:+-])(?=[\w.-]*[^\W\d_])\w[\w.-]*(?=:\d{1,5}(?![\w:]))")
_SERIAL: Final = re.compile(r"\b[0-9a-f]{12}\b", re.IGNORECASE)
_TOLD: Final = re.compile(
    r"""(\bthe\ name\ (?:of\ )?|\bcertificate\ is\ not\ for\ |\bconfiguration,\ as\ ")[^\s"]+"""
    r"""|(?<!\S)\S+(?=\ is\ (?:not\ allowed|no\ address)\b)""",
    re.VERBOSE,
)
"""Where the bridge's own sentences name a host without a port."""
_NO_HOSTS: Final = frozenset(
    {"http.listen", "http.registration.allow", "http.registration.enabled", "http.token"}
    | {"http.registration.max_targets", "http.trusted_proxies", "http.use_x_forwarded_for"}
    | {"ip_bans.yaml"}
)
"""What the bridge's sentences name with dots and is none."""


def masked(described: Any, names: Iterable[str] = ()) -> Any:
    """Copy JSON without serial numbers, secrets, addresses and hosts; `names` are some hosts.

    The same serial number becomes the same alias everywhere.
    """
    known = [re.escape(name) for name in names if len(name) >= _SHORTEST_NAME]
    told = re.compile(rf"(?<![\w.-])(?:{'|'.join(known)})(?![\w-])") if known else None
    aliases = {serial: _alias(serial) for serial in _serials(described)}
    return _Mask(aliases, told).value(described)


class _Mask:
    """What is to be taken out of one document."""

    def __init__(self, aliases: dict[str, str], told: re.Pattern[str] | None) -> None:
        self._aliases = aliases
        self._told = told

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _object(self, value: dict[Any, Any]) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, item in value.items():
            name = self.text(str(key))
            # Two DTUs named by their addresses are still two.
            number = sum(1 for other in copied if other.partition(" #")[0] == name)
            copied[f"{name} #{number + 1}" if number else name] = self._item(key, item)
        return copied

    def _item(self, key: Any, item: Any) -> Any:
        is_secret = _SECRET_KEYS.fullmatch(str(key)) and item and not isinstance(item, dict)
        return REDACTED if is_secret else self.value(item)

    def text(self, text: str) -> str:
        for serial, alias in self._aliases.items():
            text = text.replace(serial, alias)
        text = _SERIAL.sub(lambda found: _alias(found[0]), text)
        text = _URL.sub(REDACTED, text)
        text = _TOKEN.sub(rf"\1{REDACTED}", text)
        text = _MAC.sub(REDACTED, text)
        text = _IPV6.sub(_unless_no_address, text)
        text = _DOTTED.sub(_unless_no_host, text)
        text = _IPV4.sub(REDACTED, text)
        text = _WITH_PORT.sub(REDACTED, text)
        if " " not in text:
            return text
        text = _TOLD.sub(rf"\1{REDACTED}", text)
        return self._told.sub(REDACTED, text) if self._told else text


def _unless_no_address(found: re.Match[str]) -> str:
    """Mask what can be read as an address, with what a sentence puts behind it; times cannot."""
    text = found[0]
    for end in (text, text[:-1], text.rstrip(".:")):
        try:
            ip_address(end)
        except ValueError:
            continue
        return REDACTED + text[len(end) :]
    return text


def _unless_no_host(found: re.Match[str]) -> str:
    return found[0] if found[0] in _NO_HOSTS else REDACTED


def _serials(value: Any) -> set[str]:
    if isinstance(value, dict):
        missing = value.get("missing_inverters")
        own = [value.get("serial_number"), *(missing if isinstance(missing, list) else ())]
        inner = set().union(*(_serials(item) for item in value.values()), set())
        return inner | {
            serial for serial in own if isinstance(serial, str) and len(serial) >= _SHORTEST_SERIAL
        }
    if isinstance(value, list):
        return set().union(*(_serials(item) for item in value), set())
    return set()


def _alias(serial: str) -> str:
    """Keep the model, which the first four digits are, and hide the rest."""
    return f"{serial[:4]}-{hashlib.sha256(serial.encode()).hexdigest()[:8]}"
