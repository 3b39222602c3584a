"""What a job keeps of the moment that it tells of, from step to step: as JSON, and a copy of what the classifier said then."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelmill.datasets import Dataset, DatasetSettings, Label, RecordKind
from labelmill.errors import NotFound
from labelmill.exports.reading import Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.blobs import Blobs

_TYPES: Final[dict[str, Any]] = {
    "String": pl.String(), "Int64": pl.Int64(), "Float64": pl.Float64(), "Boolean": pl.Boolean(),
}  # fmt: skip
_MAPS: Final = ("labels", "merged", "people")


def kept_moment(moment: Moment) -> dict[str, Any]:
    """Return a moment as JSON can hold it; maps are lists of pairs, since an object's keys would be sorted or be no numbers."""
    return asdict(moment) | {name: list(getattr(moment, name).items()) for name in _MAPS}


def moment_of(kept: Mapping[str, Any]) -> Moment:
    """Return the moment that ``kept_moment`` made."""
    return Moment(**{**kept, **{name: dict(kept[name]) for name in _MAPS}, "dataset": _dataset(kept["dataset"])})


def kept_fields(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and types of a table's fields as JSON can hold them."""
    return [(name, str(kind)) for name, kind in fields.items()]


def fields_from(kept: list[Any]) -> dict[str, Any]:
    """Return what ``kept_fields`` was given."""
    return {name: _TYPES[kind] for name, kind in kept}


def copied(blobs: Blobs, known: str, copy: str) -> bool:
    """Keep a blob under another name, so that it stays when newer ones replace it; return whether it was there."""
    try:
        blobs.put_file(copy, blobs.path(known))
    except (NotFound, FileNotFoundError):
        return False
    return True


def _dataset(kept: dict[str, Any]) -> Dataset:
    times = {name: kept[name] and datetime.fromisoformat(kept[name]) for name in ("created_at", "archived_at")}
    labels = tuple(Label(**each) for each in kept["labels"])
    settings = DatasetSettings.from_dict(kept["settings"])
    return Dataset(**kept | times | {"kind": RecordKind(kept["kind"]), "settings": settings, "labels": labels})
