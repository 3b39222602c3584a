"""Readers of records, one file a format: each gives the rows of its files as a source of columns, and refuses what it cannot read."""

from __future__ import annotations

from labelmill.datasets.readers.opening import Rows, open_rows

__all__ = ["Rows", "open_rows"]
