"""Exports: a dataset's records and answers, in the formats that other programs read."""

from __future__ import annotations

from labelmill.exports.formats import Format, Naming, Request, Rows

__all__ = ["Format", "Naming", "Request", "Rows"]
