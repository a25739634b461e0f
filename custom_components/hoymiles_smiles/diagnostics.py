"""Diagnostics that owners can share: without serial numbers, addresses, names or secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.util import dt as dt_util
from yarl import URL

from .const import CONF_CALLBACK_URL
from .coordinator import coordinator_of
from .data import BRIDGE
from .entity import device_id
from .redaction import redact


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: ConfigEntry
) -> dict[str, Any]:
    """Describe one bridge and the data it sent."""
    coordinator = coordinator_of(entry)
    snapshot = coordinator.data
    registration = coordinator.registration
    described = {
        "entry": {
            "data": dict(entry.data),
            "options": dict(entry.options),
            "version": entry.version,
        },
        "push": {
            "is_connected": coordinator.is_push_connected,
            "down_since": registration.down_since,
            "reason": registration.reason,
            "cause": registration.cause,
            "refused_update": coordinator.sockets.refused,
        },
        "newest": {
            "received_by": "push" if snapshot.is_pushed else "polling",
            "age_seconds": round((dt_util.utcnow() - snapshot.received_at).total_seconds()),
            "last_update_success": coordinator.last_update_success,
            "last_exception": coordinator.last_exception and str(coordinator.last_exception),
        },
        "data": snapshot.objects[BRIDGE],
    }
    redacted: dict[str, Any] = redact(described, _hosts(hass, entry))
    return redacted


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
    redacted: dict[str, Any] = redact(described, _hosts(hass, entry))
    return redacted


def _hosts(hass: HomeAssistant, entry: ConfigEntry) -> Iterator[str]:
    """Return host names that messages of the bridge may contain."""
    yield str(entry.data[CONF_HOST])
    for url in (
        entry.options.get(CONF_CALLBACK_URL),
        hass.config.internal_url,
        hass.config.external_url,
    ):
        if host := URL(url or "").host:
            yield host
