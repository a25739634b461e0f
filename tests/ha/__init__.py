"""Tests of the integration inside a Home Assistant without network, against a fake bridge."""
