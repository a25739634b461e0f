"""What Home Assistant's own validation (hassfest), which cannot run here, would check."""

from __future__ import annotations

import json
import re
import struct

import pytest
from homeassistant.const import Platform

from custom_components.hoymiles_smiles import PLATFORMS, VERSION
from custom_components.hoymiles_smiles.config_flow import HoymilesConfigFlow
from custom_components.hoymiles_smiles.const import KNOWN_BRIDGE, OLDEST_BRIDGE
from custom_components.hoymiles_smiles.table import TABLE, Flag

from .repository import COMPONENT, ROOT

MANIFEST = json.loads((COMPONENT / "manifest.json").read_text())
ENGLISH = json.loads((COMPONENT / "translations/en.json").read_text())
SOURCES = {path.name: path.read_text() for path in sorted(COMPONENT.glob("*.py"))}
ALL_PYTHON = "\n".join(SOURCES.values())


def test_manifest_has_the_required_keys_in_order() -> None:
    assert MANIFEST["domain"] == COMPONENT.name
    assert list(MANIFEST) == ["domain", "name", *sorted(set(MANIFEST) - {"domain", "name"})]
    assert set(MANIFEST) >= {
        "codeowners",
        "config_flow",
        "documentation",
        "integration_type",
        "iot_class",
        "issue_tracker",
        "requirements",
        "version",
    }
    assert (MANIFEST["integration_type"], MANIFEST["iot_class"]) == ("hub", "local_push")
    assert MANIFEST["requirements"] == []
    assert re.fullmatch(r"\d+\.\d+\.\d+", MANIFEST["version"])
    for key in ("documentation", "issue_tracker"):
        assert MANIFEST[key].startswith("https://")


def test_hacs_file_is_complete() -> None:
    hacs = json.loads((ROOT / "hacs.json").read_text())
    assert hacs["name"]
    assert hacs["homeassistant"] == "2024.3.0"


def test_imports_only_packages_of_home_assistant() -> None:
    imported = set(re.findall(r"^(?:from|import) ([a-z_]+)", ALL_PYTHON, re.MULTILINE))
    standard = {
        "__future__",
        "asyncio",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "inspect",
        "http",
        "ipaddress",
        "logging",
        "os",
        "re",
        "secrets",
        "typing",
        "urllib",
    }
    assert imported <= standard | {"aiohttp", "homeassistant", "voluptuous", "yarl"}


def test_every_file_has_a_docstring_and_at_most_400_lines() -> None:
    for name, text in SOURCES.items():
        assert text.startswith('"""'), name
        assert len(text.splitlines()) <= 400, name


def test_known_bridge_version_is_the_one_of_this_repository() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    numbers = tuple(map(int, version[1].split("-")[0].split(".")))
    assert numbers[:2] == KNOWN_BRIDGE
    assert numbers >= OLDEST_BRIDGE


def test_entry_versions_agree() -> None:
    assert VERSION == HoymilesConfigFlow.VERSION


def test_flow_has_a_text_for_every_step_field_error_and_abort() -> None:
    flow = SOURCES["config_flow.py"]
    for kind, found in (
        (
            "error",
            set(re.findall(r'"(?:base|host)": "(\w+)"', flow))
            | set(re.findall(r' else "(refused)"', flow))
            | set(re.findall(r'Error\(message, "(\w+)", self._base', SOURCES["api.py"])),
        ),
        (
            "abort",
            set(re.findall(r'(?:reason=|AbortFlow\(|_move\([^")]*)"(\w+)"', flow))
            # By Home Assistant itself.
            | {"already_in_progress"},
        ),
    ):
        assert set(ENGLISH["config"][kind]) == found, kind
    steps = set(re.findall(r'_show\(\s*"(\w+)"', flow))
    assert set(ENGLISH["config"]["step"]) == steps
    assert set(ENGLISH["options"]["error"]) == {"invalid_url"}
    for step in [*ENGLISH["config"]["step"].values(), *ENGLISH["options"]["step"].values()]:
        assert set(step.get("data", {})) == set(step.get("data_description", {}))


def test_every_issue_and_exception_has_a_text() -> None:
    repairs = SOURCES["repairs.py"]
    issues = set(re.findall(r'yield (?:f?"\w+(?:{[\w.]+})?"), "(\w+)"', repairs))
    issues |= set(re.findall(r'_create\("(\w+)"', repairs))
    issues |= set(re.findall(r'WrongBridgeError\(message, "(\w+)"', SOURCES["identity.py"]))
    assert set(ENGLISH["issues"]) == issues
    for key, issue in ENGLISH["issues"].items():
        assert set(issue) == {"title", "description"}, key
        assert "{title}" in issue["title"] + issue["description"], key
    assert set(ENGLISH["exceptions"]) == set(
        re.findall(r'translation_key="(\w+)"', SOURCES["__init__.py"])
    )


def test_icons_belong_to_known_entities() -> None:
    icons = json.loads((COMPONENT / "icons.json").read_text())["entity"]["sensor"]
    rows = {row.translation_key: row for row in TABLE if not isinstance(row.kind, Flag)}
    for key, icon in icons.items():
        assert key in rows, key
        shown = [icon["default"], *icon.get("state", {}).values()]
        assert all(re.fullmatch(r"mdi:[a-z-]+", one) for one in shown), key
        assert set(icon.get("state", {})) <= set(ENGLISH["entity"]["sensor"][key].get("state", {}))


def test_platforms_have_files() -> None:
    assert PLATFORMS == [Platform.BINARY_SENSOR, Platform.SENSOR]
    for platform in PLATFORMS:
        assert "PARALLEL_UPDATES = 0" in SOURCES[f"{platform}.py"]


@pytest.mark.parametrize(("name", "size"), [("icon.png", 256), ("icon@2x.png", 512)])
def test_brand_images_have_the_required_sizes(name: str, size: int) -> None:
    head = (COMPONENT / "brand" / name).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (size, size)
