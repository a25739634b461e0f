"""Hoymiles plants in Home Assistant, from a hoymiles-bridge in the same network."""

from __future__ import annotations

import secrets
from typing import Any, cast

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.typing import ConfigType

from .absence import absence_of, async_watch_entries
from .const import CONF_ADDRESSES, CONF_PUSH_TOKEN, DOMAIN
from .coordinator import HoymilesCoordinator, async_forget, coordinator_of
from .entity import async_keep_devices_current, device_id
from .migration import async_migrate_registries, async_remove_empty_devices
from .push import PushView
from .repairs import Issues

PLATFORMS = [Platform.BINARY_SENSOR, Platform.SENSOR]
VERSION = 2

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Open the door for bridges before any entry is set up, so that none is turned away."""
    hass.http.register_view(PushView(hass))
    async_watch_entries(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Set up one bridge: read it once, show it, and let it push."""
    loaded_with = _settings(entry)
    coordinator = HoymilesCoordinator(hass, entry)
    absence = absence_of(hass, entry)
    try:
        await coordinator.async_config_entry_first_refresh()
    except ConfigEntryAuthFailed:
        absence.end()
        raise
    except ConfigEntryNotReady as error:
        absence.note(str(error.__cause__))
        raise ConfigEntryNotReady(
            str(error.__cause__),
            translation_domain=DOMAIN,
            translation_key="not_ready",
            translation_placeholders={"reason": str(error.__cause__)},
        ) from error
    cast(Any, entry).runtime_data = coordinator
    coordinator.issues = Issues(hass, entry, coordinator, absence)

    async def stopping(_event: Event) -> None:
        # An open socket would make Home Assistant's stop wait for it.
        coordinator.registration.close()
        await coordinator.sockets.close("Home Assistant stops")

    async def changed(hass: HomeAssistant, entry: ConfigEntry) -> None:
        if _settings(entry) != loaded_with:
            await hass.config_entries.async_reload(entry.entry_id)

    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stopping))
    entry.async_on_unload(entry.add_update_listener(changed))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    async_remove_empty_devices(hass, entry)
    async_keep_devices_current(coordinator)
    # Not before the entities are there: the bridge connects at once.
    entry.async_create_background_task(
        hass,
        coordinator.registration.begin(coordinator.data.start_time),
        f"{DOMAIN} registration",
    )
    coordinator.issues.start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Let go of one bridge."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    coordinator = coordinator_of(entry)
    coordinator.registration.close()
    coordinator.issues.clear()
    await coordinator.sockets.close("The entry is unloaded")
    return True


async def async_remove_entry(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Ask the bridge to push no more."""
    await async_forget(hass, entry)


async def async_migrate_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Bring an entry of the component before this one to today's form."""
    if entry.version > VERSION:
        return False
    if entry.version < VERSION:
        async_migrate_registries(hass, entry)
        data = {CONF_PUSH_TOKEN: secrets.token_urlsafe(32), **entry.data}
        hass.config_entries.async_update_entry(entry, data=data, version=VERSION)
    return True


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: ConfigEntry, device: dr.DeviceEntry
) -> bool:
    """Let the owner remove a device that the bridge does not have any more."""
    present = {device_id(entry.entry_id, ref) for ref in coordinator_of(entry).data.objects}
    return not present & device.identifiers


def _settings(entry: ConfigEntry) -> tuple[Any, ...]:
    """Tell what an owner can change from what the integration notes by itself."""
    data = {key: value for key, value in entry.data.items() if key != CONF_ADDRESSES}
    return entry.title, entry.unique_id, data, dict(entry.options)
