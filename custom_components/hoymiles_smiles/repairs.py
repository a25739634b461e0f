"""Tells the owner of what lasts and wants a hand, and takes it back when it is over."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.sun import is_up
from homeassistant.util import dt as dt_util

from .absence import Absence
from .const import (
    CONF_CALLBACK_URL,
    CONF_PUSH_TOKEN,
    DOMAIN,
    DTU_PATIENCE,
    KNOWN_BRIDGE,
    OLDEST_BRIDGE,
    PATIENCE,
)
from .data import Snapshot, Subject, is_number

if TYPE_CHECKING:
    from .coordinator import HoymilesCoordinator

LOOK_EVERY: Final = timedelta(minutes=1)

Issue = tuple[str, str, dict[str, str]]
"""The id within the entry, the translation key, and what completes the text."""


class Issues:
    """The issues of one bridge."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        coordinator: HoymilesCoordinator,
        absence: Absence,
    ) -> None:
        """Watch the bridge of `coordinator`."""
        self._hass = hass
        self._entry = entry
        self._coordinator = coordinator
        self._absence = absence
        self._shown: set[str] = set()
        self._polls = 0
        """How often the bridge had asked its DTUs when it last pushed, or connected."""
        self._silent_since: datetime | None = None
        """Since when it has asked them more often, and not pushed what they said."""

    @callback
    def start(self) -> None:
        """Look now, and every minute; and note what comes."""
        self._hear()
        self.look(dt_util.utcnow())
        self._entry.async_on_unload(self._coordinator.async_add_listener(self._hear))
        self._entry.async_on_unload(async_track_time_interval(self._hass, self.look, LOOK_EVERY))

    @callback
    def clear(self) -> None:
        """Take everything back."""
        for issue_id in self._shown:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        self._shown.clear()

    @callback
    def _hear(self) -> None:
        """Note when the bridge answered, and whether it pushes what it reads.

        How often it should push is its own matter: once an hour if it asks its DTUs once an hour.
        """
        if self._coordinator.last_update_success:
            self._absence.end()
        newest = self._coordinator.data
        polls = _polls(newest)
        if newest.is_pushed or not self._coordinator.is_push_connected:
            self._polls = polls
            self._silent_since = None
        elif polls != self._polls and not self._silent_since:
            self._silent_since = dt_util.utcnow()

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
            # A refused access token has a dialogue of its own.
            if not isinstance(coordinator.last_exception, ConfigEntryAuthFailed):
                self._absence.note(str(coordinator.last_exception))
            return
        down_since = coordinator.registration.down_since
        if down_since and now - down_since >= PATIENCE:
            yield "push_down", "push_down", self._why_no_push()
        elif self._silent_since and now - self._silent_since >= PATIENCE:
            yield "push_silent", "push_silent", {"reason": coordinator.sockets.refused or "-"}
        yield from self._other_version()
        if is_up(self._hass, now):
            yield from self._silent_dtus()
        if twins := self._shown_by_mqtt_too():
            yield "mqtt_too", "mqtt_too", {"serials": ", ".join(twins)}

    def _why_no_push(self) -> dict[str, str]:
        words = self._coordinator.registration.words
        address = self._entry.options.get(CONF_CALLBACK_URL) or "-"
        return {"reason": words or "-", "address": address}

    def _other_version(self) -> Iterator[Issue]:
        version = self._coordinator.data.version or "?"
        numbers = _numbers(version)
        if numbers is None or numbers < OLDEST_BRIDGE:
            needed = ".".join(map(str, OLDEST_BRIDGE))
            yield "bridge_too_old", "bridge_too_old", {"version": version, "needed": needed}
        elif numbers[:2] > KNOWN_BRIDGE:
            known = ".".join(map(str, KNOWN_BRIDGE))
            yield "bridge_too_new", "bridge_too_new", {"version": version, "known": known}

    def _silent_dtus(self) -> Iterator[Issue]:
        for ref, dtu in self._coordinator.data.of(Subject.DTU):
            silence = dtu.get("seconds_since_last_success")
            is_long = not is_number(silence) or silence >= DTU_PATIENCE.total_seconds()
            if dtu.get("status") == "error" and is_long:
                parts = (dtu.get("last_error") or "-", dtu.get("last_error_remedy"))
                reason = "; ".join(str(part) for part in parts if part)
                alias = self._alias(ref.name)
                yield f"dtu_silent_{alias}", "dtu_silent", {"dtu": ref.name, "reason": reason}

    def _alias(self, name: str) -> str:
        """Name a DTU that may be called by its address: ids of issues go into diagnostics.

        The token, which does not, keeps all addresses from being tried.
        """
        secret = f"{self._entry.data[CONF_PUSH_TOKEN]} {name}"
        return hashlib.sha256(secret.encode()).hexdigest()[:12]

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


def _numbers(version: str) -> tuple[int, ...] | None:
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, numbers.groups())) if numbers else None


def _polls(snapshot: Snapshot) -> int:
    counts = (dtu.get("query_count") for _, dtu in snapshot.of(Subject.DTU))
    return sum(int(count) for count in counts if is_number(count))
