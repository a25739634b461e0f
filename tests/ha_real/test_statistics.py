"""The plant's total in a real Home Assistant's statistics: no leap and no reset."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from home import Home, wait_for
from plant import Bridge
from pushed import OURS, entry_id
from scripted_dtu import ScriptedDtu

FIRST, SECOND = "1161a0000b41", "1161a0000b42"
# A poll is five seconds away at most; a new inverter is believed after two.
WITHIN = 40


@pytest.fixture
def dtu() -> Iterator[ScriptedDtu]:
    made = ScriptedDtu({FIRST: 60_000})
    yield made
    made.stop()


@pytest.fixture
def plant(dtu: ScriptedDtu, tmp_path: Path) -> Iterator[Bridge]:
    made = Bridge(tmp_path / "bridge", dtu=dtu.port)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home", "compile_statistics:\n")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_hourly_sums_are_what_the_ports_have_produced(
    recorder: Home, plant: Bridge, dtu: ScriptedDtu
) -> None:
    began = datetime.now(UTC)
    recorder.add(OURS, host="127.0.0.1", port=plant.port)
    total = f"{entry_id(recorder)}_total_production"
    produced = 0

    def shows(energy: int) -> None:
        def is_shown() -> bool:
            # Home Assistant shows kWh.
            state = recorder.shown(OURS).get(total)
            assert state is not None
            assert float(state) == pytest.approx(energy / 1_000, abs=1e-6)
            return True

        wait_for(f"a total of {energy} Wh", is_shown, WITHIN)

    def grow(inverters: int) -> None:
        nonlocal produced
        dtu.grow(10)
        produced += 10 * inverters
        shows(60_000 + produced)

    def lists(*serials: str) -> None:
        def is_listed() -> bool:
            inverters = plant.get("/api/inverters")
            read = {one["serial_number"]: one["total_production"] for one in inverters}
            assert read == {serial: dtu.counters[serial] for serial in serials}, read
            return True

        wait_for(f"inverters {serials}", is_listed, WITHIN)
        shows(60_000 + produced)

    shows(60_000)
    grow(1)
    dtu.counters[SECOND] = 900_000
    lists(FIRST, SECOND)
    grow(2)
    plant.configure(of_dtu=f'exclude = ["{SECOND}"]')
    plant.reload()
    lists(FIRST)
    grow(1)
    plant.stop()
    plant.start()
    grow(1)

    entity = recorder.registry(OURS)[total]
    assert _hourly_growth(recorder, entity, began) == pytest.approx(produced, abs=1e-3)


def _hourly_growth(recorder: Home, entity: str, began: datetime) -> float:
    """Compile statistics from then to the end of this hour; return what all hours have produced."""
    begin = began.replace(minute=0, second=0, microsecond=0)
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    start = began.replace(minute=began.minute // 5 * 5, second=0, microsecond=0)
    while start < end:
        recorder.post("/api/services/compile_statistics/compile", {"start": start.isoformat()})
        start += timedelta(minutes=5)

    def hours() -> list[dict[str, float]]:
        found = recorder.command(
            "recorder/statistics_during_period",
            start_time=begin.isoformat(),
            statistic_ids=[entity],
            period="hour",
            units={"energy": "Wh"},
            types=["state", "sum", "change"],
        )
        listed: list[dict[str, float]] = found.get(entity, [])
        return listed

    wanted = (end - begin) // timedelta(hours=1)
    rows: list[dict[str, float]] = wait_for(
        "statistics", lambda: hours() if len(hours()) == wanted else [], 30
    )
    print(f"{entity}: {rows}")
    assert all(row["change"] >= 0 for row in rows)
    assert rows[-1]["sum"] == pytest.approx(sum(row["change"] for row in rows), abs=1e-3)
    return rows[-1]["sum"]
