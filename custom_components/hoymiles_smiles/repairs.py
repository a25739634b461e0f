"""Repair issues: faults that last and that the owner can do something about."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.sun import is_up
from homeassistant.util import dt as dt_util

from .const import (
    CONF_CALLBACK_URL,
    CONF_PUSH_TOKEN,
    DOMAIN,
    KNOWN_BRIDGE,
    OLDEST_BRIDGE,
    REPORT_AFTER,
    REPORT_DTU_AFTER,
)
from .coordinator import HoymilesCoordinator
from .data import Snapshot, Subject, dtu_label, is_number, last_error
from .identity import WrongBridgeError

CHECK_EVERY: Final = timedelta(minutes=1)

Issue = tuple[str, str, dict[str, str]]
"""The id within the entry, the translation key, and the placeholders."""


class Outage:
    """The outage of one bridge, whether its entry is loaded or not: from failure to success."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Start without an outage."""
        self._hass = hass
        self._entry = entry
        self._since: datetime | None = None
        self._reason = ""
        self._unsub: CALLBACK_TYPE | None = None

    @callback
    def failed(self, error: BaseException | None) -> None:
        """Note that the bridge could not be read; creates an issue if that lasts."""
        cause = error.__cause__ if error else None
        if isinstance(cause, WrongBridgeError):
            self.end()
            self._create(cause.key, cause.placeholders)
            return
        self._delete("another_bridge", "same_bridge")
        self._reason = str(error)
        if self._since is None:
            self._since = dt_util.utcnow()
            job = HassJob(self._report, cancel_on_shutdown=True)
            self._unsub = async_call_later(self._hass, REPORT_AFTER, job)
        elif self._unsub is None:
            self._report(dt_util.utcnow())

    @callback
    def end(self) -> None:
        """Note that the bridge was read, or that its entry is removed or disabled."""
        self._since = None
        if self._unsub:
            self._unsub()
            self._unsub = None
        self._delete("bridge_unreachable", "another_bridge", "same_bridge")

    @callback
    def _report(self, _now: datetime) -> None:
        self._unsub = None
        self._create("bridge_unreachable", {"reason": self._reason})

    def _create(self, key: str, placeholders: dict[str, str]) -> None:
        _create(self._hass, self._entry, (key, key, placeholders))

    def _delete(self, *keys: str) -> None:
        for key in keys:
            ir.async_delete_issue(self._hass, DOMAIN, f"{key}_{self._entry.entry_id}")


@callback
def outage_of(hass: HomeAssistant, entry: ConfigEntry) -> Outage:
    """Return the outage of an entry's bridge; it outlives the attempts to load the entry."""
    outages: dict[str, Outage] = hass.data[DOMAIN]
    return outages.setdefault(entry.entry_id, Outage(hass, entry))


@callback
def async_watch_entries(hass: HomeAssistant) -> None:
    """End the outages of entries that are removed or disabled, loaded or not."""
    outages: dict[str, Outage] = hass.data.setdefault(DOMAIN, {})

    @callback
    def changed(change: ConfigEntryChange, entry: ConfigEntry) -> None:
        is_gone = change is ConfigEntryChange.REMOVED or entry.disabled_by
        if is_gone and entry.entry_id in outages:
            outages.pop(entry.entry_id).end()

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)


class Issues:
    """The repair issues of one loaded entry."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, coordinator: HoymilesCoordinator
    ) -> None:
        """Watch the bridge of `coordinator`, once started."""
        self._hass = hass
        self._entry = entry
        self._coordinator = coordinator
        self._outage = outage_of(hass, entry)
        self._shown: set[str] = set()
        self._polls = 0
        """How often the bridge had polled its DTUs when it last pushed, or connected."""
        self._silent_since: datetime | None = None
        """Since when it has polled them more often without pushing the result."""

    @callback
    def start(self) -> None:
        """Check now, every minute, and with every update."""
        self._updated()
        self.check(dt_util.utcnow())
        self._entry.async_on_unload(self._coordinator.async_add_listener(self._updated))
        self._entry.async_on_unload(async_track_time_interval(self._hass, self.check, CHECK_EVERY))

    @callback
    def clear(self) -> None:
        """Delete all issues."""
        for issue_id in self._shown:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        self._shown.clear()

    @callback
    def _updated(self) -> None:
        """Note whether the bridge answers, and whether it pushes what it reads.

        How often it should push depends on how often it polls its DTUs.
        """
        if self._coordinator.last_update_success:
            self._outage.end()
        newest = self._coordinator.data
        polls = _polls(newest)
        if newest.is_pushed or not self._coordinator.is_push_connected:
            self._polls = polls
            self._silent_since = None
        elif polls != self._polls and not self._silent_since:
            self._silent_since = dt_util.utcnow()

    @callback
    def check(self, now: datetime) -> None:
        """Create the issues that there are now, and delete the others."""
        present = {_create(self._hass, self._entry, issue) for issue in self._find(now)}
        for issue_id in self._shown - present:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        self._shown = present

    def _find(self, now: datetime) -> Iterator[Issue]:
        coordinator = self._coordinator
        if not coordinator.last_update_success:
            # Home Assistant asks for another access token by itself.
            if not isinstance(coordinator.last_exception, ConfigEntryAuthFailed):
                self._outage.failed(coordinator.last_exception)
            return
        down_since = coordinator.registration.down_since
        if down_since and now - down_since >= REPORT_AFTER:
            address = self._entry.options.get(CONF_CALLBACK_URL) or "-"
            reason = coordinator.registration.reason or "-"
            yield "push_down", "push_down", {"reason": reason, "address": address}
        elif self._silent_since and now - self._silent_since >= REPORT_AFTER:
            yield "push_silent", "push_silent", {"reason": coordinator.sockets.refused or "-"}
        yield from self._other_version()
        if is_up(self._hass, now):
            yield from self._silent_dtus()
        if twins := self._also_over_mqtt():
            yield "mqtt_too", "mqtt_too", {"serials": ", ".join(twins)}

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
            is_long = not is_number(silence) or silence >= REPORT_DTU_AFTER.total_seconds()
            if dtu.get("status") == "error" and is_long:
                reason = last_error(dtu) or "-"
                alias, label = self._alias(ref.name), dtu_label(ref.name)
                yield f"dtu_silent_{alias}", "dtu_silent", {"dtu": label, "reason": reason}

    def _alias(self, name: str) -> str:
        """Replace the name of a DTU, which may be its address: diagnostics contain issue ids.

        The token, which they do not contain, keeps addresses from being found by trying all.
        """
        secret = f"{self._entry.data[CONF_PUSH_TOKEN]} {name}"
        return hashlib.sha256(secret.encode()).hexdigest()[:12]

    def _also_over_mqtt(self) -> list[str]:
        """Return the serial numbers of inverters that MQTT discovery shows as well."""
        ours = {ref.serial for ref, _ in self._coordinator.data.of(Subject.INVERTER)}
        registry = dr.async_get(self._hass)
        others = {
            word
            for entry in self._hass.config_entries.async_entries("mqtt")
            for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
            for domain, *name in device.identifiers
            if domain == "mqtt"
            for word in re.split(r"[^0-9A-Z]+", str(name[0]).upper() if name else "")
        }
        return sorted(ours & others)


def _create(hass: HomeAssistant, entry: ConfigEntry, issue: Issue) -> str:
    name, key, placeholders = issue
    issue_id = f"{name}_{entry.entry_id}"
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key=key,
        translation_placeholders={"title": entry.title, **placeholders},
    )
    return issue_id


def _numbers(version: str) -> tuple[int, ...] | None:
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, numbers.groups())) if numbers else None


def _polls(snapshot: Snapshot) -> int:
    counts = (dtu.get("query_count") for _, dtu in snapshot.of(Subject.DTU))
    return sum(int(count) for count in counts if is_number(count))
