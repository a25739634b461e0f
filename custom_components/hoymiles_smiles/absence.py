"""How long each bridge has been away, its entry loaded or not; tells the owner when it lasts."""

from __future__ import annotations

from datetime import datetime

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import CALLBACK_TYPE, HassJob, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .const import DOMAIN, PATIENCE


class Absence:
    """The absence of one bridge: from the first failure to the next success."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Take the bridge of `entry` to be there."""
        self._hass = hass
        self._entry = entry
        self._since: datetime | None = None
        self._reason = ""
        self._unsub: CALLBACK_TYPE | None = None

    @callback
    def note(self, reason: str) -> None:
        """It could not be asked, for this reason; tells the owner when that lasts."""
        self._reason = reason
        if self._since is None:
            self._since = dt_util.utcnow()
            job = HassJob(self._tell, cancel_on_shutdown=True)
            self._unsub = async_call_later(self._hass, PATIENCE, job)
        elif self._unsub is None:
            self._tell(dt_util.utcnow())

    @callback
    def end(self) -> None:
        """It is there, or nobody wants to know any more."""
        self._since = None
        if self._unsub:
            self._unsub()
            self._unsub = None
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    @property
    def _issue_id(self) -> str:
        return f"bridge_unreachable_{self._entry.entry_id}"

    @callback
    def _tell(self, _now: datetime) -> None:
        self._unsub = None
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="bridge_unreachable",
            translation_placeholders={"title": self._entry.title, "reason": self._reason},
        )


@callback
def async_watch_entries(hass: HomeAssistant) -> None:
    """Forget the absences of entries that are removed or disabled, loaded or not."""
    absences: dict[str, Absence] = hass.data.setdefault(DOMAIN, {})

    @callback
    def changed(change: ConfigEntryChange, entry: ConfigEntry) -> None:
        is_gone = change is ConfigEntryChange.REMOVED or entry.disabled_by
        if is_gone and entry.entry_id in absences:
            absences.pop(entry.entry_id).end()

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)


@callback
def absence_of(hass: HomeAssistant, entry: ConfigEntry) -> Absence:
    """Find the absence of the bridge of an entry."""
    absences: dict[str, Absence] = hass.data[DOMAIN]
    return absences.setdefault(entry.entry_id, Absence(hass, entry))
