"""One typed table of settings, where each value knows its origin."""

from __future__ import annotations

from labelmill.settings.model import Row, Settings
from labelmill.settings.sources import load_settings

__all__ = ["Row", "Settings", "load_settings"]
