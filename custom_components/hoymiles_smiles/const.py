"""Names and numbers that more than one file of the integration needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

DOMAIN: Final = "hoymiles_smiles"
MANUFACTURER: Final = "Hoymiles"

CONF_ACCESS_TOKEN: Final = "access_token"  # noqa: S105
"""The bridge's `http.token`, if it has one."""
CONF_PUSH_TOKEN: Final = "push_token"  # noqa: S105
"""What the bridge shows when it connects to us; made once per entry and kept."""
CONF_MIGRATED_AT: Final = "migrated_at"
"""When the entry was taken over from the component before this one."""
CONF_SCAN_INTERVAL: Final = "scan_interval"
CONF_CALLBACK_URL: Final = "callback_url"
"""Where the bridge reaches this Home Assistant, if the internal URL is not it."""

CONF_ADDRESSES: Final = "addresses"
"""Where this bridge was told to connect to us, without tokens, so that it can be told to stop."""

DEFAULT_PORT: Final = 8080
DEFAULT_SCAN_INTERVAL: Final = 60
SCAN_INTERVALS: Final = (10, 600)

PUSH_PATH: Final = "/api/hoymiles_smiles/ws"
TARGET_NAME: Final = "Home Assistant"

OLDEST_BRIDGE: Final = (0, 1, 0)
"""The first bridge that tells its version; older ones do not say since when today counts."""
KNOWN_BRIDGE: Final = (0, 1)
"""The major and minor version of the bridge that this integration was made with."""

PATIENCE: Final = timedelta(minutes=10)
"""How long a fault may last before the owner is told by a repair issue."""
DTU_PATIENCE: Final = timedelta(hours=1)
"""The same for a DTU, of which every restart takes minutes."""
