"""Redacts JSON: replaces what identifies the owner, and leaves the rest readable.

Values of secret keys are replaced whole. In texts, only URLs, addresses and host names are
replaced, and what stands where the bridge's messages have a host. Host names without a dot are
replaced in sentences only, so that a host called `online` does not hide a status.
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
_IN_MESSAGES: Final = re.compile(
    r"""(\bthe\ name\ (?:of\ )?|\bcertificate\ is\ not\ for\ |\bconfiguration,\ as\ ")[^\s"]+"""
    r"""|(?<!\S)\S+(?=\ is\ (?:not\ allowed|no\ address)\b)""",
    re.VERBOSE,
)
"""Where messages of the bridge have a host name without a port."""
_NOT_HOSTS: Final = frozenset(
    {"http.listen", "http.registration.allow", "http.registration.enabled", "http.token"}
    | {"http.registration.max_targets", "http.trusted_proxies", "http.use_x_forwarded_for"}
    | {"ip_bans.yaml"}
)
"""Words with dots in the bridge's messages that are not hosts."""


def redact(described: Any, hosts: Iterable[str] = ()) -> Any:
    """Copy JSON without serial numbers, secrets, addresses and host names.

    `hosts` are host names known to occur. The same serial number gets the same alias everywhere.
    """
    known = [re.escape(host) for host in hosts if len(host) >= _SHORTEST_NAME]
    pattern = re.compile(rf"(?<![\w.-])(?:{'|'.join(known)})(?![\w-])") if known else None
    aliases = {serial: _alias(serial) for serial in _serials(described)}
    return _Redaction(aliases, pattern).value(described)


class _Redaction:
    """What to replace in one document."""

    def __init__(self, aliases: dict[str, str], hosts: re.Pattern[str] | None) -> None:
        self._aliases = aliases
        self._hosts = hosts

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
            # Keys must stay different, such as DTUs named after their addresses.
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
        text = _IPV6.sub(_redact_ipv6, text)
        text = _DOTTED.sub(_redact_host, text)
        text = _IPV4.sub(REDACTED, text)
        text = _WITH_PORT.sub(REDACTED, text)
        if " " not in text:
            return text
        text = _IN_MESSAGES.sub(rf"\1{REDACTED}", text)
        return self._hosts.sub(REDACTED, text) if self._hosts else text


def _redact_ipv6(found: re.Match[str]) -> str:
    """Replace an address, but not punctuation behind it, nor a time of day."""
    text = found[0]
    for end in (text, text[:-1], text.rstrip(".:")):
        try:
            ip_address(end)
        except ValueError:
            continue
        return REDACTED + text[len(end) :]
    return text


def _redact_host(found: re.Match[str]) -> str:
    return found[0] if found[0] in _NOT_HOSTS else REDACTED


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
    """Keep the first four digits, which name the model, and replace the rest."""
    serial = serial.upper()
    return f"{serial[:4]}-{hashlib.sha256(serial.encode()).hexdigest()[:8]}"
