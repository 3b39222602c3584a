"""Annotation: which record comes next, what people answered, and what follows from it."""

from __future__ import annotations

from labelmill.annotation.tables import annotation_rows, skips
from labelmill.annotation.tables import current_annotations as current_annotation_rows

__all__ = ["annotation_rows", "current_annotation_rows", "skips"]
