"""Two days with dropouts and restarts through Home Assistant statistics: the sums are the truth."""

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
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from .conftest import set_up, settle
from .fake import ONE, TWO, FakeBridge

FIRST = 456_172
"""Where the lifetime counters stand at the beginning, in Wh."""
PORTS = [(ONE, 1), (TWO, 1), (TWO, 2)]


@pytest.fixture
def enable_custom_integrations(recorder_db_url: str, hass: HomeAssistant) -> None:
    """As everywhere, but with the place of the database prepared before."""
    hass.data.pop(loader.DATA_CUSTOM_COMPONENTS)


@pytest.fixture
async def with_recorder(recorder_mock: Recorder, hass: HomeAssistant) -> None:
    """A recorder in memory, and what the dashboard is made of."""
    assert await async_setup_component(hass, "energy", {})
    assert await async_setup_component(hass, "sensor", {})
    await settle(hass)


def produced(port: int, hours: int) -> int:
    """What a port has produced so many hours after the first midnight, in Wh; nothing at night."""
    days, hour = divmod(hours, 24)
    by_day = sum(40 + 7 * port + 11 * one for one in range(6, 20))
    return days * by_day + sum(40 + 7 * port + 11 * one for one in range(6, min(hour, 20)))


def data_at(bridge: FakeBridge, midnight: datetime, hours: int) -> dict[str, Any]:
    """What the bridge sends at that hour."""
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
    """The sum of a sensor's statistics since then, in its own unit."""
    found = await recorder.async_add_executor_job(
        statistics_during_period, hass, since, None, {entity_id}, "5minute", None, {"sum"}
    )
    return float(found[entity_id][-1]["sum"])


async def test_sums_of_two_days_are_the_truth_and_the_dashboard_is_content(
    with_recorder: None,
    recorder_mock: Recorder,
    hass: HomeAssistant,
    entry: MockConfigEntry,
    bridge: FakeBridge,
) -> None:
    midnight = dt_util.start_of_local_day() + timedelta(days=1)
    bridge.data = data_at(bridge, midnight, 0)
    await set_up(hass, entry, bridge)
    coordinator = entry.runtime_data
    for hours in range(48):
        at = midnight + timedelta(hours=hours)
        data = data_at(bridge, midnight, hours)
        if hours in (9, 10, 33):
            del data["inverters"][1]  # an inverter that the bridge does not have for a while
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
            coordinator = entry.runtime_data
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
        assert await sum_of(hass, recorder_mock, today, since) == pytest.approx(truth, abs=1)
        sources += [total, today]
    plant = sum(produced(number, 47) for number in range(3))
    for entity_id, unit in (("energy_total", 1000), ("energy_today", 1)):
        source = f"sensor.hoymiles_bridge_plant_{entity_id}"
        found = await sum_of(hass, recorder_mock, source, since) * unit
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
