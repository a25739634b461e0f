"""The integration's table, the bridge's table and the translations agree."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.hoymiles_smiles.binary_sensor import PUSH
from custom_components.hoymiles_smiles.data import Subject, value_at
from custom_components.hoymiles_smiles.table import (
    ALARMS,
    LEGACY,
    TABLE,
    Choice,
    Flag,
    Number,
    Row,
    Text,
    Time,
)

from .repository import COMPONENT, ROOT

BRIDGE_ROWS = json.loads((ROOT / "src/entities/entities.json").read_text())["entities"]
OURS = {(row.subject.value, row.key): row for row in TABLE if not row.is_legacy}
TRANSLATIONS = {
    language: json.loads((COMPONENT / f"translations/{language}.json").read_text())
    for language in ("en", "de")
}
ENGLISH = TRANSLATIONS["en"]["entity"]


def _platform(row: Row) -> str:
    return "binary_sensor" if isinstance(row.kind, Flag) else "sensor"


def _class(row: Row) -> str | None:
    match row.kind:
        case Time():
            return "timestamp"
        case Choice():
            return "enum"
        case Number() | Flag() as kind:
            return kind.device_class
        case Text():
            return None


def test_both_tables_have_the_same_rows() -> None:
    assert list(OURS) == [(row["subject"], row["key"]) for row in BRIDGE_ROWS]


@pytest.mark.parametrize("theirs", BRIDGE_ROWS, ids=lambda row: f"{row['subject']}-{row['key']}")
def test_row_equals_the_bridges_row(theirs: dict[str, Any]) -> None:
    row = OURS[theirs["subject"], theirs["key"]]
    assert _platform(row) == theirs["platform"]
    assert row.is_diagnostic == (theirs["category"] == "diagnostic")
    assert row.is_enabled == theirs["enabled"]
    assert row.is_optional == (theirs["given"] != "always")
    if row.translation_key == "inverter_alarm":
        # Ours is translated, so it shows the code; the bridge's shows English texts.
        assert (row.source, row.raw) == ("/alarm_code", theirs["source"])
        return
    assert row.source == theirs["source"]
    assert _class(row) == theirs["device_class"]
    if isinstance(row.kind, Number):
        number = row.kind
        ours = (number.state_class, number.precision, number.divisor)
        assert ours == tuple(theirs[key] for key in ("state_class", "precision", "divisor"))
        # A unit that is a word could not be translated.
        is_word = theirs["unit"] in ("queries", "errors")
        assert number.unit == (None if is_word else theirs["unit"])
        assert (number.state_class == "total") == (theirs["last_reset"] is not None)
    if isinstance(row.kind, Choice):
        assert dict(row.kind.words) == theirs["words"]
        assert row.kind.other == theirs["other_word"]
    if isinstance(row.kind, Flag):
        ((how, value),) = theirs["on"].items()
        others = [other for other in (0, 1, 7, True, False, "online", "error") if other != value]
        assert row.kind.value(value) == (how == "is")
        assert all(row.kind.value(other) == (how == "is_not") for other in others)
        assert row.kind.value(None) is None


def test_translations_have_the_bridges_names_and_no_others() -> None:
    names = {
        (row["platform"], f"{row['subject']}_{row['key']}"): row["name"] for row in BRIDGE_ROWS
    }
    for (platform, key), name in names.items():
        assert ENGLISH[platform][key]["name"] == name
    there = {(platform, key) for platform, keys in ENGLISH.items() for key in keys}
    legacy = {(_platform(row), row.translation_key) for row in [*LEGACY, PUSH]}
    assert there == names.keys() | legacy


def test_every_word_is_translated() -> None:
    for row in TABLE:
        if isinstance(row.kind, Choice):
            states = ENGLISH["sensor"][row.translation_key]["state"]
            assert list(states) == row.kind.options, row.translation_key


def test_alarm_texts_are_the_bridges() -> None:
    source = (ROOT / "src/plant/codes.rs").read_text()
    alarms = re.findall(r'^\s*\((\d+), "(.*)"\),$', source, re.MULTILINE)
    assert list(ALARMS) == ["0", *(number for number, _ in alarms)]
    states = ENGLISH["sensor"]["inverter_alarm"]["state"]
    for number, text in alarms:
        assert states[f"alarm_{number}"] == text[0].upper() + text[1:]


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items()}
        return sorted(re.findall(r"{\w+}", value))

    assert shape(TRANSLATIONS["en"]) == shape(TRANSLATIONS["de"])
    assert TRANSLATIONS["en"] != TRANSLATIONS["de"]


@pytest.mark.parametrize(
    ("kind", "source", "value"),
    [
        (Number(), 3, 3),
        (Number(), 0, 0),
        (Number(divisor=1000), 456172, 456.172),
        (Number(), None, None),
        (Number(), "3", None),
        (Number(), True, None),
        (Choice({"3": "producing"}, "other"), 3, "producing"),
        (Choice({"3": "producing"}, "other"), 4, "other"),
        (Choice({"3": "producing"}, "Code {}"), 4, "Code 4"),
        (Choice({"a": "a"}), "b", None),
        (Choice({"a": "a"}, "other"), None, None),
        (Text(), "x" * 300, "x" * 255),
        (Text(), None, None),
        (Time(), "2026-06-01T12:00:00+02:00", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        (Time(), "2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        (Time(), "2026-06-01T12:00:00", None),
        (Time(), "yesterday", None),
        (Time(), 7, None),
    ],
)
def test_missing_or_invalid_values_are_unknown(kind: Any, source: Any, value: Any) -> None:
    assert kind.value(source) == value


def test_pointers_follow_objects_and_lists() -> None:
    found = {"a": {"b": [1, {"c": 2}]}}
    for pointer, value in [
        ("/a/b/0", 1),
        ("/a/b/1/c", 2),
        ("/a/b/2", None),
        ("/a/b/x", None),
        ("/a/b/0/c", None),
        ("/none", None),
    ]:
        assert value_at(found, pointer) == value, pointer


def test_rows_are_unique() -> None:
    keys = [(row.subject, _platform(row), row.key) for row in TABLE]
    assert len(keys) == len(set(keys))
    assert {subject for subject, _, _ in keys} == set(Subject)
