"""Long-term statistics over two days with dropouts, restarts and a migration are exact."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time
from homeassistant import loader
from homeassistant.components.energy import data as energy_data
from homeassistant.components.energy.validate import async_validate
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.statistics import (
    statistics_during_period,
    validate_statistics,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.hoymiles_smiles.const import DOMAIN

from .conftest import set_up, settle
from .fake import ONE, TWO, FakeBridge

FIRST = 456_172
"""The lifetime counters at the start, in Wh."""
PORTS = [(ONE, 1), (TWO, 1), (TWO, 2)]


@pytest.fixture
def enable_custom_integrations(recorder_db_url: str, hass: HomeAssistant) -> None:
    """Enable custom integrations after the database was prepared."""
    hass.data.pop(loader.DATA_CUSTOM_COMPONENTS)


@pytest.fixture
async def with_recorder(recorder_mock: Recorder, hass: HomeAssistant) -> None:
    """Set up a recorder in memory, and the energy dashboard."""
    assert await async_setup_component(hass, "energy", {})
    assert await async_setup_component(hass, "sensor", {})
    await settle(hass)


def produced(port: int, hours: int) -> int:
    """Return the Wh that a port has produced so many hours after the first midnight."""
    days, hour = divmod(hours, 24)
    by_day = sum(40 + 7 * port + 11 * one for one in range(6, 20))
    return days * by_day + sum(40 + 7 * port + 11 * one for one in range(6, min(hour, 20)))


def data_at(bridge: FakeBridge, midnight: datetime, hours: int) -> dict[str, Any]:
    """Return what the bridge sends at that hour."""
    data = copy.deepcopy(bridge.data)
    day = hours - hours % 24
    since = (midnight + timedelta(hours=day)).isoformat()
    numbers = iter(range(3))
    sums = {"today_production": 0, "total_production": 0}
    for inverter in data["inverters"]:
        inverter.update(today_production=0, total_production=0, today_since=since)
        for port in inverter["ports"]:
            number = next(numbers)
            total = produced(number, hours)
            port.update(
                total_production=FIRST + total,
                today_production=total - produced(number, day),
                today_since=since,
            )
            for key in sums:
                inverter[key] += port[key]
                sums[key] += port[key]
    data["plant"].update(sums, today_since=since)
    return data


async def sum_of(hass: HomeAssistant, recorder: Recorder, entity_id: str, since: datetime) -> float:
    """Return the sum of a sensor's statistics since then, in its own unit."""
    found = await recorder.async_add_executor_job(
        statistics_during_period, hass, since, None, {entity_id}, "5minute", None, {"sum"}
    )
    return float(found[entity_id][-1]["sum"])


async def test_statistics_of_two_days_are_exact(
    with_recorder: None,
    recorder_mock: Recorder,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bridge: FakeBridge,
) -> None:
    midnight = dt_util.start_of_local_day() + timedelta(days=1)
    bridge.data = data_at(bridge, midnight, 0)
    await set_up(hass, entry, bridge)
    coordinator = entry.runtime_data.coordinator
    for hours in range(48):
        at = midnight + timedelta(hours=hours)
        data = data_at(bridge, midnight, hours)
        if hours in (9, 10, 33):
            del data["inverters"][1]  # an inverter that is missing for a while
        if hours in (12, 35):
            data["inverters"][0]["ports"][0]["total_production"] = None
            data["inverters"][0]["ports"][0]["today_production"] = None
        if hours == 14:
            with freeze_time(at):
                coordinator.last_update_success = False  # the bridge is away
                coordinator.async_update_listeners()
        elif hours == 16:
            bridge.data = data
            with freeze_time(at):
                await hass.config_entries.async_reload(entry.entry_id)
            await settle(hass)
            coordinator = entry.runtime_data.coordinator
        else:
            with freeze_time(at):
                coordinator.async_take_push(data)
        await async_wait_recording_done(hass)
        do_adhoc_statistics(hass, start=dt_util.as_utc(at))
        await async_wait_recording_done(hass)

    since = midnight - timedelta(days=1)
    sources = []
    for number, (serial, port) in enumerate(PORTS):
        truth = produced(number, 47)
        total = f"sensor.inverter_{serial}_port_{port}_energy_total"
        today = f"sensor.inverter_{serial}_port_{port}_energy_today"
        assert await sum_of(hass, recorder_mock, total, since) * 1000 == pytest.approx(truth, abs=1)
        assert await sum_of(hass, recorder_mock, today, since) * 1000 == pytest.approx(truth, abs=1)
        sources += [total, today]
    plant = sum(produced(number, 47) for number in range(3))
    for entity_id in ("energy_total", "energy_today"):
        source = f"sensor.hoymiles_bridge_plant_{entity_id}"
        found = await sum_of(hass, recorder_mock, source, since) * 1000
        assert found == pytest.approx(plant, abs=1)
        sources.append(source)
    sources.append(f"sensor.inverter_{TWO}_energy_total")

    manager = await energy_data.async_get_manager(hass)
    solar = [{"type": "solar", "stat_energy_from": one} for one in sources]
    for source in solar:
        source["config_entry_solar_forecast"] = None
    await manager.async_update({"energy_sources": solar, "device_consumption": []})
    with freeze_time(midnight + timedelta(hours=47)):
        validation = (await async_validate(hass)).as_dict()
    assert validation["energy_sources"] == [[]] * len(sources)
    await hass.config_entries.async_unload(entry.entry_id)


OLD_SENSORS: dict[str, tuple[str | None, str | None, str | None]] = {
    "uptime": ("s", "duration", "total_increasing"),
    "dtu_query_count": ("queries", None, "total_increasing"),
    "dtu_error_count": ("errors", None, "total_increasing"),
    "database_size": ("MB", None, "measurement"),
    "cached_records": ("records", None, "measurement"),
    "dtu_DTU_inverter_count": ("inverters", None, "measurement"),
    "dtu_DTU_query_count": ("queries", None, "total_increasing"),
    "dtu_DTU_error_count": ("errors", None, "total_increasing"),
    "dtu_DTU_total_power": ("W", "power", "measurement"),
    f"{ONE}_grid_voltage": ("V", "voltage", "measurement"),
    f"{ONE}_grid_frequency": ("Hz", "frequency", "measurement"),
    f"{ONE}_temperature": ("°C", "temperature", "measurement"),
    f"{ONE}_alarm_count": (None, None, "total_increasing"),
    f"{ONE}_total_power": ("W", "power", "measurement"),
    f"{ONE}_total_today_production": ("Wh", "energy", "total_increasing"),
    f"{ONE}_total_lifetime_production": ("kWh", "energy", "total_increasing"),
    f"{ONE}_port1_pv_voltage": ("V", "voltage", "measurement"),
    f"{ONE}_port1_pv_current": ("A", "current", "measurement"),
    f"{ONE}_port1_pv_power": ("W", "power", "measurement"),
    f"{ONE}_port1_today_production": ("Wh", "energy", "total_increasing"),
    f"{ONE}_port1_total_production": ("kWh", "energy", "total_increasing"),
}
"""Sensors of version 2 with statistics: unit, device class, state class."""


class Version2:
    """An entry of version 2 of the component, and the states that it wrote."""

    def __init__(self, hass: HomeAssistant, bridge: FakeBridge) -> None:
        self._hass = hass
        self.entry = MockConfigEntry(
            domain=DOMAIN,
            title="Hoymiles bridge",
            data={"host": bridge.host, "port": bridge.port},
            version=1,
        )
        self.entry.add_to_hass(hass)
        self._ids = {
            key: er.async_get(hass)
            .async_get_or_create(
                "sensor", DOMAIN, f"{self.entry.entry_id}_{key}", config_entry=self.entry
            )
            .entity_id
            for key in OLD_SENSORS
        }

    def entity_id(self, key: str) -> str:
        return self._ids[key]

    def write(self, key: str, value: float) -> None:
        unit, device_class, state_class = OLD_SENSORS[key]
        attributes = {
            "unit_of_measurement": unit,
            "device_class": device_class,
            "state_class": state_class,
        }
        given = {name: one for name, one in attributes.items() if one}
        self._hass.states.async_set(self.entity_id(key), str(value), given)

    async def replace(self, at: datetime) -> None:
        """Replace the component and restart."""
        for entity_id in self._ids.values():
            self._hass.states.async_remove(entity_id)
        with freeze_time(at):
            assert await async_setup_component(self._hass, DOMAIN, {})
        await settle(self._hass)


async def compile_statistics(hass: HomeAssistant, at: datetime) -> None:
    await async_wait_recording_done(hass)
    do_adhoc_statistics(hass, start=dt_util.as_utc(at))
    await async_wait_recording_done(hass)


@pytest.mark.parametrize(
    ("migrated_at", "off"),
    [
        (12, ()),
        (12, (22, 23, 24, 25, 26)),
        (33, tuple(range(21, 33))),
        (24, (22, 23)),
    ],
    ids=["at noon", "off over the next midnight", "off over the midnight before", "at midnight"],
)
async def test_counts_the_day_of_the_migration_once(
    with_recorder: None,
    recorder_mock: Recorder,
    hass: HomeAssistant,
    bridge: FakeBridge,
    migrated_at: int,
    off: tuple[int, ...],
) -> None:
    old = Version2(hass, bridge)
    midnight = dt_util.start_of_local_day() + timedelta(days=1)
    today, total = f"{ONE}_port1_today_production", f"{ONE}_port1_total_production"
    for hours in range(60):
        if hours in off:
            continue
        at = midnight + timedelta(hours=hours)
        bridge.data = data_at(bridge, midnight, hours)
        if hours < migrated_at:
            port = bridge.data["inverters"][0]["ports"][0]
            with freeze_time(at):
                old.write(today, port["today_production"])
                old.write(total, port["total_production"] / 1000)
        elif hours == migrated_at:
            await old.replace(at)
        elif hours - 1 in off:
            with freeze_time(at):
                await hass.config_entries.async_reload(old.entry.entry_id)
            await settle(hass)
        else:
            with freeze_time(at):
                old.entry.runtime_data.coordinator.async_take_push(bridge.data)
        await compile_statistics(hass, at)
    truth = produced(0, 59)
    since = midnight - timedelta(days=1)
    for key, unit in ((total, 1000), (today, 1)):
        found = await sum_of(hass, recorder_mock, old.entity_id(key), since) * unit
        assert found == pytest.approx(truth, abs=1), key
    # Entities that are new with this version count from there.
    new = "sensor.hoymiles_bridge_plant_energy_today"
    plant = sum(produced(port, 59) - produced(port, migrated_at) for port in range(3))
    assert await sum_of(hass, recorder_mock, new, since) * 1000 == pytest.approx(plant, abs=1)
    state = hass.states.get(old.entity_id(today))
    assert (state.attributes["state_class"], "last_reset" in state.attributes) == ("total", True)
    # An entity that exists keeps its unit.
    assert state.attributes["unit_of_measurement"] == "Wh"
    await hass.config_entries.async_unload(old.entry.entry_id)


async def test_migrated_statistics_need_no_repair(
    with_recorder: None, recorder_mock: Recorder, hass: HomeAssistant, bridge: FakeBridge
) -> None:
    old = Version2(hass, bridge)
    at = dt_util.start_of_local_day() + timedelta(days=1, hours=12)
    for key in OLD_SENSORS:
        with freeze_time(at):
            old.write(key, 1)
    await compile_statistics(hass, at)
    await old.replace(at + timedelta(hours=1))
    assert await recorder_mock.async_add_executor_job(validate_statistics, hass) == {}
    for key in OLD_SENSORS:
        state = hass.states.get(old.entity_id(key))
        assert state.state not in ("unknown", "unavailable"), key
        unit = state.attributes.get("unit_of_measurement")
        assert unit not in ("queries", "errors", "records", "inverters"), key
    await hass.config_entries.async_unload(old.entry.entry_id)
