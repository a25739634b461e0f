"""Tells the owner of what lasts and wants a hand, and takes it back when it is over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.sun import is_up
from homeassistant.util import dt as dt_util

from .const import CONF_CALLBACK_URL, DOMAIN, DTU_PATIENCE, OLDEST_BRIDGE, PATIENCE
from .data import Subject, is_number

if TYPE_CHECKING:
    from .coordinator import HoymilesCoordinator

LOOK_EVERY: Final = timedelta(minutes=1)

Issue = tuple[str, str, dict[str, str]]
"""The id within the entry, the translation key, and what completes the text."""


class Issues:
    """The issues of one bridge."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, coordinator: HoymilesCoordinator
    ) -> None:
        """Watch the bridge of `coordinator`."""
        self._hass = hass
        self._entry = entry
        self._coordinator = coordinator
        self._shown: set[str] = set()
        self._unreachable_since: datetime | None = None

    @callback
    def start(self) -> None:
        """Look now, and every minute."""
        self.look(dt_util.utcnow())
        self._entry.async_on_unload(async_track_time_interval(self._hass, self.look, LOOK_EVERY))

    @callback
    def clear(self) -> None:
        """Take everything back."""
        for issue_id in self._shown:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        self._shown.clear()

    @callback
    def look(self, now: datetime) -> None:
        """Show what there is, and take back what is over."""
        present: set[str] = set()
        for name, key, placeholders in self._find(now):
            issue_id = f"{name}_{self._entry.entry_id}"
            present.add(issue_id)
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                issue_id,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=key,
                translation_placeholders={"title": self._entry.title, **placeholders},
            )
        for issue_id in self._shown - present:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        self._shown = present

    def _find(self, now: datetime) -> Iterator[Issue]:
        coordinator = self._coordinator
        if not coordinator.last_update_success:
            since = self._unreachable_since = self._unreachable_since or now
            if now - since >= PATIENCE:
                reason = str(coordinator.last_exception or "")
                yield "bridge_unreachable", "bridge_unreachable", {"reason": reason}
            return
        self._unreachable_since = None
        down_since = coordinator.registration.down_since
        if down_since and now - down_since >= PATIENCE:
            yield "push_down", "push_down", self._why_no_push()
        if not _is_new_enough(coordinator.data.version):
            known = coordinator.data.version or "?"
            needed = ".".join(map(str, OLDEST_BRIDGE))
            yield "bridge_too_old", "bridge_too_old", {"version": known, "needed": needed}
        if is_up(self._hass, now):
            yield from self._silent_dtus()
        if twins := self._shown_by_mqtt_too():
            yield "mqtt_too", "mqtt_too", {"serials": ", ".join(twins)}

    def _why_no_push(self) -> dict[str, str]:
        words = self._coordinator.registration.words
        address = self._entry.options.get(CONF_CALLBACK_URL) or "-"
        return {"reason": words or "-", "address": address}

    def _silent_dtus(self) -> Iterator[Issue]:
        for ref, dtu in self._coordinator.data.of(Subject.DTU):
            silence = dtu.get("seconds_since_last_success")
            is_long = not is_number(silence) or silence >= DTU_PATIENCE.total_seconds()
            if dtu.get("status") == "error" and is_long:
                reason = str(dtu.get("last_error") or "-")
                yield f"dtu_silent_{ref.name}", "dtu_silent", {"dtu": ref.name, "reason": reason}

    def _shown_by_mqtt_too(self) -> list[str]:
        """Find inverters that MQTT discovery made devices of, too."""
        ours = {ref.name.lower() for ref, _ in self._coordinator.data.of(Subject.INVERTER)}
        registry = dr.async_get(self._hass)
        others = {
            word
            for entry in self._hass.config_entries.async_entries("mqtt")
            for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
            for domain, *name in device.identifiers
            if domain == "mqtt"
            for word in re.split(r"[^0-9a-z]+", str(name[0]).lower() if name else "")
        }
        return sorted(ours & others)


def _is_new_enough(version: str | None) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version or "")
    return numbers is not None and tuple(map(int, numbers.groups())) >= OLDEST_BRIDGE
