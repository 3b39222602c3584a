"""Records as numbers. A featuriser is fitted once on all records of a dataset and never changes; each classifier names its own."""

from __future__ import annotations

from labelmill.learning.features.matrix import open_part, stack, take, write_part
from labelmill.learning.features.model import UNFITTED, Featuriser, dump, fit, load, name_for

__all__ = ["UNFITTED", "Featuriser", "dump", "fit", "load", "name_for", "open_part", "stack", "take", "write_part"]
