"""The integration's lines in the system information (Settings, System, Repairs)."""

from __future__ import annotations

from typing import Any

from homeassistant.components import system_health
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import HoymilesCoordinator, coordinator_of


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register the lines."""
    register.async_register_info(async_info)


async def async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Describe the state of each bridge; several are numbered in the order of their titles."""
    entries = hass.config_entries.async_entries(DOMAIN)
    numbered = list(enumerate(sorted(entries, key=lambda entry: entry.title.casefold()), start=1))
    loaded = [one for one in numbered if one[1].state is ConfigEntryState.LOADED]
    info: dict[str, Any] = {"bridges": f"{len(loaded)} of {len(entries)}"}
    for number, entry in loaded:
        suffix = "" if len(entries) == 1 else f"_{number}"
        coordinator = coordinator_of(entry)
        url = f"{coordinator.client.url}/ready"
        info[f"can_reach_bridge{suffix}"] = system_health.async_check_can_reach_url(hass, url)
        info[f"bridge_version{suffix}"] = coordinator.data.version or "?"
        info[f"push{suffix}"] = "connected" if coordinator.is_push_connected else "not connected"
        info[f"newest_data{suffix}"] = _age(coordinator)
    return info


def _age(coordinator: HoymilesCoordinator) -> str:
    snapshot = coordinator.data
    age = round((dt_util.utcnow() - snapshot.received_at).total_seconds())
    return f"{age} s, by {'push' if snapshot.is_pushed else 'polling'}"
