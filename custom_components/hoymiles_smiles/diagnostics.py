"""What an owner can send to somebody who helps: everything but who and where they are."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.util import dt as dt_util

from .const import CONF_ACCESS_TOKEN, CONF_CALLBACK_URL, CONF_PUSH_TOKEN
from .coordinator import coordinator_of
from .data import BRIDGE
from .entity import device_id

TO_REDACT: Final = {CONF_HOST, CONF_ACCESS_TOKEN, CONF_CALLBACK_URL, CONF_PUSH_TOKEN}
_ADDRESS: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{0,4}:){3,}[0-9a-fA-F]*")


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: ConfigEntry
) -> dict[str, Any]:
    """Describe one bridge and all it sent."""
    coordinator = coordinator_of(entry)
    snapshot = coordinator.data
    registration = coordinator.registration
    described = {
        "entry": {
            "data": async_redact_data(dict(entry.data), TO_REDACT),
            "options": async_redact_data(dict(entry.options), TO_REDACT),
            "version": entry.version,
        },
        "push": {
            "is_connected": coordinator.is_push_connected,
            "down_since": registration.down_since,
            "reason": registration.words,
        },
        "newest": {
            "came_by": "push" if snapshot.is_pushed else "polling",
            "age_seconds": round((dt_util.utcnow() - snapshot.received_at).total_seconds()),
            "last_update_success": coordinator.last_update_success,
            "last_exception": coordinator.last_exception and str(coordinator.last_exception),
        },
        "data": snapshot.objects[BRIDGE],
    }
    cleaned: dict[str, Any] = _clean(described, _secrets(entry, described))
    return cleaned


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: ConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Describe one device and its ports."""
    found = [
        value
        for ref, value in coordinator_of(entry).data.objects.items()
        if ref != BRIDGE and device_id(entry.entry_id, ref) in device.identifiers
    ]
    described: dict[str, Any] = {"model": device.model, "objects": found}
    cleaned: dict[str, Any] = _clean(described, _secrets(entry, described))
    return cleaned


def _secrets(entry: ConfigEntry, described: Any) -> dict[str, str]:
    """All that must not be read, and what stands for it: the same serial always the same."""
    serials = {serial: _alias(serial) for serial in _serials(described)}
    return {str(entry.data[CONF_HOST]): REDACTED, **serials}


def _serials(value: Any) -> set[str]:
    if isinstance(value, dict):
        missing = value.get("missing_inverters")
        own = [value.get("serial_number"), *(missing if isinstance(missing, list) else ())]
        inner = set().union(*(_serials(item) for item in value.values()), set())
        return inner | {serial for serial in own if isinstance(serial, str) and serial}
    if isinstance(value, list):
        return set().union(*(_serials(item) for item in value), set())
    return set()


def _alias(serial: str) -> str:
    """Keep the model, which the first four digits are, and hide the rest."""
    return f"{serial[:4]}-{hashlib.sha256(serial.encode()).hexdigest()[:8]}"


def _clean(value: Any, secrets: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {_clean(key, secrets): _clean(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, secrets) for item in value]
    if not isinstance(value, str):
        return value
    for secret, alias in secrets.items():
        value = value.replace(secret, alias)
    return _ADDRESS.sub(REDACTED, value)
