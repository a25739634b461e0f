"""Which bridge an entry is for: the bridge's instance id, or its address while it reports none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .address import bridge_url, short_address
from .const import DOMAIN, PRODUCT
from .data import Snapshot, Subject, instance_of, serials_of


class WrongBridgeError(Exception):
    """The entry's address leads to a bridge that the entry is not for."""

    def __init__(self, message: str, key: str, **placeholders: str) -> None:
        """Keep the repair issue's translation key and placeholders beside the message."""
        super().__init__(message)
        self.key = key
        self.placeholders = placeholders


def identity(health: Mapping[str, Any], address: Mapping[str, Any]) -> str:
    """Return the unique id of an entry for the bridge with this health object and address."""
    return instance_of(health) or _by_address(address)


def default_title(data: Mapping[str, Any]) -> str:
    """Return the title that an entry has until its owner changes it."""
    return f"{PRODUCT} ({short_address(data)})"


@callback
def known_serials(hass: HomeAssistant, entry: ConfigEntry) -> set[str]:
    """Return the serial numbers of the inverters that the entry has devices for."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {
        name.lower()
        for device in devices
        for domain, name in device.identifiers
        if domain == DOMAIN and re.fullmatch("[0-9A-Fa-f]{12}", name)
    }


@callback
def entry_with_inverter(hass: HomeAssistant, inverters: list[Any]) -> ConfigEntry | None:
    """Find an entry that already shows one of these inverters."""
    serials = serials_of(inverters)
    for entry in hass.config_entries.async_entries(DOMAIN):
        if not entry.disabled_by and serials & known_serials(hass, entry):
            return entry
    return None


@callback
def is_another_bridge(
    hass: HomeAssistant, entry: ConfigEntry, unique_id: str, inverters: list[Any]
) -> bool:
    """Return whether an entry would change from one plant to another with this bridge."""
    known = known_serials(hass, entry)
    return unique_id != entry.unique_id and bool(known) and not known & serials_of(inverters)


@callback
def check_identity(hass: HomeAssistant, entry: ConfigEntry, snapshot: Snapshot) -> None:
    """Raise `WrongBridgeError` if this snapshot is not from the entry's bridge.

    A bridge that lost its state directory has another instance id, but still the same inverters:
    the entry goes on with it.
    """
    instance = instance_of(snapshot.health)
    if instance is None or instance == entry.unique_id:
        return
    url = str(bridge_url(entry.data))
    for other in hass.config_entries.async_entries(DOMAIN):
        if other.unique_id == instance and not other.disabled_by:
            message = f"{url} is the bridge of the entry “{other.title}”"
            raise WrongBridgeError(message, "same_bridge", other=other.title, url=url)
    serials = {ref.name for ref, _ in snapshot.of(Subject.INVERTER)}
    known = known_serials(hass, entry)
    if known and not serials & known and _has_instance(entry):
        if not serials:
            # It has not read its DTUs yet; the next snapshots will show.
            return
        message = f"another bridge answers at {url}: it lists none of this entry's inverters"
        raise WrongBridgeError(message, "another_bridge", url=url)
    hass.config_entries.async_update_entry(entry, unique_id=instance)


def _has_instance(entry: ConfigEntry) -> bool:
    """Return whether the unique id is an instance id, not the address of an earlier version."""
    return entry.unique_id is not None and ":" not in entry.unique_id


def _by_address(address: Mapping[str, Any]) -> str:
    # As in version 2 of this component.
    return f"{address['host']}:{address['port']}{address.get('path', '')}"
