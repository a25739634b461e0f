"""What one entity is, and how its value is taken from JSON. Knows nothing of Home Assistant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from .data import Object, Subject, is_number, pointed

LONGEST_STATE: Final = 255

Value = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Number:
    """A number: its class and unit, what statistics may make of it, its meaningful decimals."""

    device_class: str | None = None
    unit: str | None = None
    state_class: str | None = None
    precision: int | None = None
    divisor: int = 1

    def value(self, source: Any) -> Value:
        """Take numbers only: a text in a number's place is not known."""
        if not is_number(source):
            return None
        number: float = source
        return number if self.divisor == 1 else number / self.divisor


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, which are translated."""

    words: Mapping[str, str]
    other: str | None = None
    """The word for what is in no list."""

    @property
    def options(self) -> list[str]:
        """All words there are."""
        return [*dict.fromkeys(self.words.values()), *([self.other] if self.other else [])]

    def value(self, source: Any) -> Value:
        """Translate a code or a word of the bridge."""
        return None if source is None else self.words.get(str(source), self.other)


@dataclass(frozen=True, slots=True)
class Text:
    """Free text, as the bridge writes it."""

    def value(self, source: Any) -> Value:
        """Take what fits into a state."""
        return None if source is None else str(source)[:LONGEST_STATE]


@dataclass(frozen=True, slots=True)
class Time:
    """An instant, RFC 3339."""

    def value(self, source: Any) -> Value:
        """Take only instants whose offset is known."""
        return instant(source)


@dataclass(frozen=True, slots=True)
class Flag:
    """On or off; on if `is_on` says so."""

    device_class: str
    is_on: Callable[[Any], bool]

    def value(self, source: Any) -> Value:
        """Ask; what is not known is neither on nor off."""
        return None if source is None else self.is_on(source)


@dataclass(frozen=True, slots=True)
class Row:
    """One entity."""

    subject: Subject
    key: str
    """Names it for ever, within its subject."""
    kind: Number | Choice | Text | Time | Flag
    source: str
    """JSON pointer into the subject's object."""
    is_diagnostic: bool = False
    is_enabled: bool = True
    is_given_late: bool = False
    """There may never be such a value: the entity waits for the first."""
    is_legacy: bool = False
    """Of the component before this one; only for those who have it already."""
    raw: str | None = None
    """JSON pointer to the code behind a word, shown as an attribute."""

    def value(self, found: Object) -> Value:
        """Take the value from the subject's object."""
        return self.kind.value(pointed(found, self.source))

    @property
    def translation_key(self) -> str:
        """Where names and states stand in the translations."""
        return f"{self.subject}_{self.key}"

    def diagnostic(self) -> Row:
        """Serve to find faults, rather than what one has a plant for."""
        return replace(self, is_diagnostic=True)

    def disabled(self) -> Row:
        """Stay away until somebody wants it."""
        return replace(self, is_enabled=False)

    def late(self) -> Row:
        """Wait for the first value."""
        return replace(self, is_given_late=True)


def instant(source: Any) -> datetime | None:
    """Read RFC 3339; without an offset nobody knows when it is."""
    if not isinstance(source, str):
        return None
    try:
        at = datetime.fromisoformat(source)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
