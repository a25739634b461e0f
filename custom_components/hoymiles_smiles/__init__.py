"""Shows Hoymiles plants in Home Assistant, read by a hoymiles-bridge in the same network."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, cast

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.typing import ConfigType

from .const import CONF_ADDRESSES, CONF_PUSH_TOKEN, DOMAIN
from .coordinator import HoymilesCoordinator, async_forget, coordinator_of
from .entity import async_keep_devices_current, async_name_bridges, device_id
from .migration import async_migrate_registries, async_remove_empty_devices
from .push import PushView
from .repairs import Issues, async_watch_entries, outage_of

PLATFORMS = [Platform.BINARY_SENSOR, Platform.SENSOR]
VERSION = 2

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


@dataclass(frozen=True, slots=True)
class HoymilesData:
    """What a loaded entry holds as its `runtime_data`."""

    coordinator: HoymilesCoordinator
    issues: Issues


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Accept connections before any entry is set up, so that no bridge gets a 404."""
    hass.http.register_view(PushView(hass))
    async_watch_entries(hass)

    @callback
    def changed(change: ConfigEntryChange, _entry: ConfigEntry) -> None:
        if change is ConfigEntryChange.REMOVED:
            async_name_bridges(hass)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Read the bridge once, add its entities, and register for its updates."""
    loaded_with = _settings(entry)
    coordinator = HoymilesCoordinator(hass, entry)
    outage = outage_of(hass, entry)
    try:
        await coordinator.async_config_entry_first_refresh()
    except ConfigEntryAuthFailed:
        outage.end()
        raise
    except ConfigEntryNotReady as error:
        outage.failed(error.__cause__)
        raise ConfigEntryNotReady(
            str(error.__cause__),
            translation_domain=DOMAIN,
            translation_key="not_ready",
            translation_placeholders={"reason": str(error.__cause__)},
        ) from error
    issues = Issues(hass, entry, coordinator)
    cast(Any, entry).runtime_data = HoymilesData(coordinator, issues)

    async def stopping(_event: Event) -> None:
        # Home Assistant would wait for an open socket when it stops.
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
    async_name_bridges(hass)
    # Not before the entities exist: the bridge connects at once.
    entry.async_create_background_task(
        hass,
        coordinator.registration.begin(coordinator.data.start_time),
        f"{DOMAIN} registration",
    )
    issues.start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Remove the entities, and close the bridge's connection."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    data: HoymilesData = cast(Any, entry).runtime_data
    data.coordinator.registration.close()
    data.issues.clear()
    await data.coordinator.sockets.close("The entry is unloaded")
    return True


async def async_remove_entry(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Ask the bridge to stop pushing."""
    await async_forget(hass, entry)


async def async_migrate_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Migrate an entry from version 2 of this component."""
    if entry.version > VERSION:
        return False
    if entry.version < VERSION:
        await async_migrate_registries(hass, entry)
        data = {CONF_PUSH_TOKEN: secrets.token_urlsafe(32), **entry.data}
        hass.config_entries.async_update_entry(entry, data=data, version=VERSION)
    return True


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: ConfigEntry, device: dr.DeviceEntry
) -> bool:
    """Allow the owner to delete a device that the bridge no longer has."""
    present = {device_id(entry.entry_id, ref) for ref in coordinator_of(entry).data.objects}
    return not present & device.identifiers


def _settings(entry: ConfigEntry) -> tuple[Any, ...]:
    """Return what the owner can change, without what the integration stores by itself."""
    data = {key: value for key, value in entry.data.items() if key != CONF_ADDRESSES}
    return entry.title, data, dict(entry.options)
