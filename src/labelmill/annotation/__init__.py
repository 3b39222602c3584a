"""Annotation: which record comes next, what people answered, and what follows from it."""

from __future__ import annotations

from labelmill.annotation.numbers import answers_since, newest_number
from labelmill.annotation.tables import annotation_rows, skips
from labelmill.annotation.tables import current_annotations as current_annotation_rows

__all__ = ["annotation_rows", "answers_since", "current_annotation_rows", "newest_number", "skips"]
