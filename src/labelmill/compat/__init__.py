"""The predecessors' documented HTTP contracts: shapes only, no logic. What is asked for is done by the features' services."""

from __future__ import annotations

from labelmill.compat.audience.answers import in_contract

__all__ = ["in_contract"]
