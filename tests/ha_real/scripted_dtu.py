"""A Modbus DTU whose inverters, of one port each, have the counters that a test gives them."""

from __future__ import annotations

import socketserver
import struct
import threading

RECORD = 40
FIRST_RECORD, SERIAL = 0x1000, 0x2000


class ScriptedDtu:
    """One DTU."""

    def __init__(self, counters: dict[str, int]) -> None:
        """Listen; the counters are energies in Wh by serial number."""
        self.counters = counters
        self._today = 0
        dtu = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while len(request := self.request.recv(12, socketserver.socket.MSG_WAITALL)) == 12:
                    number, _, _, unit, function, address, count = struct.unpack(
                        ">HHHBBHH", request
                    )
                    data = dtu.answer(address, 2 * count)
                    header = struct.pack(
                        ">HHHBBB", number, 0, 3 + len(data), unit, function, len(data)
                    )
                    self.request.sendall(header + data)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def grow(self, energy: int) -> None:
        """Let each inverter produce so much."""
        self._today += energy
        self.counters = {serial: wh + energy for serial, wh in self.counters.items()}

    def answer(self, address: int, length: int) -> bytes:
        """Return the bytes from this address on."""
        if address == SERIAL:
            return bytes.fromhex("10f8a0000001").ljust(length, b"\0")
        records = b"".join(self._record(*counter) for counter in self.counters.items())
        behind_the_last = (b"\x0c" + bytes(32) + b"\x07").ljust(RECORD, b"\0")
        begin = (address - FIRST_RECORD) * 1
        found = (records + 200 * behind_the_last)[begin : begin + length]
        return found.ljust(length, b"\0")

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _record(self, serial: str, total: int) -> bytes:
        values = struct.pack(">6HI4H", 350, 400, 2300, 5000, 1400, self._today, total, 250, 3, 0, 0)
        head = b"\x0c" + bytes.fromhex(serial) + b"\x01"
        return (head + values + b"\x01\x07").ljust(RECORD, b"\0")
