"""A fake bridge on the loopback whose answers a test sets."""

from __future__ import annotations

import asyncio
import copy
import ssl
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

ONE: Final = "112145700007"
TWO: Final = "1141a0000001"
START: Final = "2026-06-01T06:00:00+02:00"
NOW: Final = "2026-06-01T12:00:00+02:00"
MIDNIGHT: Final = "2026-06-01T00:00:00+02:00"


def port(serial: str, number: int, **values: Any) -> dict[str, Any]:
    """Return a port object as the bridge sends it."""
    return {
        "serial_number": serial,
        "port_number": number,
        "timestamp": NOW,
        "pv_voltage": 34.1,
        "pv_current": 6.05,
        "pv_power": 206.3,
        "today_production": 936,
        "today_since": MIDNIGHT,
        "total_production": 456172,
        "device_today_production": 936,
        "device_total_production": 456172,
        **values,
    }


def inverter(serial: str, ports: int = 1, **values: Any) -> dict[str, Any]:
    """Return an inverter object as the bridge sends it, read over Modbus."""
    return {
        "serial_number": serial,
        "dtu_name": "DTU",
        "inverter_type": "HM-600/700/800",
        "first_seen": START,
        "last_seen": NOW,
        "timestamp": NOW,
        "grid_voltage": 233.4,
        "grid_frequency": 49.98,
        "temperature": 31.5,
        "operating_status": 3,
        "operating_status_text": "producing",
        "alarm_code": 0,
        "alarm_text": "none",
        "alarm_count": 0,
        "link_status": 1,
        "link_status_text": "reached",
        "active_power": None,
        "reactive_power": None,
        "power_factor": None,
        "current": None,
        "phase_voltages": [],
        "phase_currents": [],
        "power_limit": None,
        "firmware_version": None,
        "signal": None,
        "pv_power": 206.3 * ports,
        "today_production": 936 * ports,
        "today_since": MIDNIGHT,
        "total_production": 456172 * ports,
        "ports": [port(serial, number) for number in range(1, ports + 1)],
        **values,
    }


def meter(serial: str = "504a00000001") -> dict[str, Any]:
    """Return a meter object with one phase."""
    phase = {"power": -120.5, "voltage": 231.0, "current": 0.52, "power_factor": 0.98}
    energies = {"energy_exported": 1234567, "energy_imported": 7654321}
    return {
        "serial_number": serial,
        "dtu_name": "DTU",
        "timestamp": NOW,
        "device_type": 1,
        "power": -120.5,
        "power_factor": 0.98,
        **energies,
        "phases": [{**phase, **energies}],
    }


def update() -> dict[str, Any]:
    """Return the data of an update: two inverters, three ports."""
    return {
        "health": {
            "healthy": True,
            "version": "0.1.0",
            "uptime_seconds": 21600,
            "start_time": START,
            "dtus": {
                "DTU": {
                    "model": "DTU-Pro",
                    "status": "online",
                    "protocol": "modbus",
                    "last_successful_query": NOW,
                    "seconds_since_last_success": 2,
                    "query_count": 7,
                    "error_count": 1,
                    "last_error": "10.1.2.3: no answer within 3 s",
                    "last_error_time": START,
                    "serial_number": "10F8BC500000",
                    "firmware_version": "V00.01.00",
                }
            },
        },
        "stats": {"database_size_bytes": 45056, "total_records": 39, "inverters_count": 2},
        "plant": {
            "pv_power": 618.9,
            "active_power": None,
            "today_production": 2808,
            "today_since": MIDNIGHT,
            "total_production": 1368516,
        },
        "inverters": [inverter(ONE), inverter(TWO, ports=2)],
        "meters": [],
    }


class FakeBridge:
    """Answers as the test wants, and records the requests."""

    def __init__(self) -> None:
        """Start healthy, with two inverters."""
        self.data = update()
        self.data["health"]["instance"] = self.instance = uuid4().hex
        self.requests: list[str] = []
        self.registered: list[dict[str, Any]] = []
        self.targets: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.when_registered: Callable[[str], None] | None = None
        self.before_answer: Callable[[str], None] | None = None
        self.closes_once_at: str | None = None
        self.hangs: asyncio.Event | None = None
        self.prefix = ""
        self.tls: ssl.SSLContext | None = None
        self._server: TestServer | None = None
        self._port: int | None = None

    async def start(self) -> None:
        """Listen; after a stop at the same port."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(application, port=self._port)
        await self._server.start_server(ssl=self.tls)
        self._port = self._server.port

    async def stop(self) -> None:
        """Stop listening."""
        if self._server:
            await self._server.close()
            self._server = None

    @property
    def host(self) -> str:
        """The host it listens on."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._port is not None
        return self._port

    def asked(self, path: str) -> int:
        """Return how often a path was requested."""
        return sum(1 for one in self.requests if one.endswith(path))

    def copy(self) -> dict[str, Any]:
        """Return the data of an update."""
        return copy.deepcopy(self.data)

    async def _handle(self, request: web.Request) -> web.Response:
        if self.hangs:
            await self.hangs.wait()
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix(self.prefix)
        self.requests.append(f"{request.method} {request.raw_path}")
        if path == self.closes_once_at:
            self.closes_once_at = None
            assert request.transport
            request.transport.abort()
            return web.Response()
        if self.before_answer:
            self.before_answer(path)
        if path in self.answers:
            status, body = self.answers[path]
            if isinstance(body, str):
                return web.Response(status=status, text=body)
            return web.json_response(body, status=status)
        match request.method, path:
            case "POST", "/api/websocket/register":
                body = await request.json()
                self.registered.append(body)
                if self.when_registered:
                    asyncio.get_running_loop().call_soon(
                        self.when_registered, body["websocket_url"]
                    )
                return web.json_response({"status": "registered"})
            case "DELETE", _:
                return web.Response(status=204)
            case _, "/health":
                health = self.data["health"]
                return web.json_response(health, status=200 if health.get("healthy") else 503)
            case _, "/stats":
                return web.json_response(self.data["stats"])
            case _, "/api/targets":
                return web.json_response(self.targets)
            case _, "/api/plant" | "/api/inverters" | "/api/meters":
                return web.json_response(self.data[path.removeprefix("/api/")])
            case _:
                return web.json_response({"error": f"nothing at {path}"}, status=404)
