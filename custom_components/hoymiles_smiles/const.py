"""Constants that several modules of the integration share."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

DOMAIN: Final = "hoymiles_smiles"
MANUFACTURER: Final = "Hoymiles"
PRODUCT: Final = "Hoymiles bridge"

CONF_ACCESS_TOKEN: Final = "access_token"  # noqa: S105
"""The bridge's `http.token`, if it has one."""
CONF_PUSH_TOKEN: Final = "push_token"  # noqa: S105
"""Authenticates the bridge when it connects to Home Assistant; created once per entry."""
CONF_MIGRATED_AT: Final = "migrated_at"
"""When the entry was migrated from version 2 of this component."""
CONF_SCAN_INTERVAL: Final = "scan_interval"
CONF_CALLBACK_URL: Final = "callback_url"
"""Where the bridge reaches this Home Assistant, if not at its internal URL."""
CONF_ADDRESSES: Final = "addresses"
"""WebSocket addresses registered with the bridge, without tokens, so that they can be removed."""

DEFAULT_PORT: Final = 8080
DEFAULT_SCAN_INTERVAL: Final = 60
SCAN_INTERVALS: Final = (10, 600)

PUSH_PATH: Final = "/api/hoymiles_smiles/ws"
TARGET_NAME: Final = "Home Assistant"

OLDEST_BRIDGE: Final = (0, 1, 0)
"""The first bridge that reports its version, and when its day began."""
KNOWN_BRIDGE: Final = (0, 1)
"""Major and minor version of the bridge that this integration was released with."""

REPORT_AFTER: Final = timedelta(minutes=10)
"""How long a fault lasts before it becomes a repair issue."""
REPORT_DTU_AFTER: Final = timedelta(hours=1)
"""The same for a DTU: restarting one takes minutes."""
