"""An action that compiles five minutes of statistics now, and the hour's with its last five."""

from __future__ import annotations

from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.tasks import StatisticsTask
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers.typing import ConfigType
from homeassistant.util import dt as dt_util


async def async_setup(hass: HomeAssistant, _: ConfigType) -> bool:
    """Register the action."""

    async def compile_statistics(call: ServiceCall) -> None:
        start = dt_util.parse_datetime(call.data["start"], raise_on_error=True)
        recorder = get_instance(hass)
        await recorder.async_block_till_done()
        recorder.queue_task(StatisticsTask(start, False))  # noqa: FBT003
        await recorder.async_block_till_done()

    hass.services.async_register("compile_statistics", "compile", compile_statistics)
    return True
