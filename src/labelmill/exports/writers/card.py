"""The card of a dataset for the library ``datasets``: its features for programs, and for people what it is and how it was labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from labelmill import __version__

if TYPE_CHECKING:
    from labelmill.exports.reading import Reading


def card(reading: Reading, schema: dict[str, Any], labels: list[str], counts: dict[str | None, int]) -> str:
    """Return the card: YAML between two lines of dashes, then Markdown. JSON is YAML, so that every name is quoted safely."""
    dataset, settings = reading.dataset, reading.dataset.settings
    features = [{"name": name} | _feature(name, kind, labels) for name, kind in schema.items()]
    head = {
        "pretty_name": dataset.name, "configs": [{"config_name": "default", "data_files": "data/*.parquet"}],
        "dataset_info": {"features": features},
    }  # fmt: skip
    lines = [
        "---", *(f"{name}: {_json(value)}" for name, value in head.items()), "---", f"# {_line(dataset.name)}", "",
        f"{sum(counts.values()):,} rows, exported by labelmill {__version__} as of annotation {reading.number}.", "",
        "| label | rows |", "|---|---|",
        *(f"| {_line(name)} | {counts.get(name, 0):,} |" for name in labels), f"| *none* | {counts.get(None, 0):,} |", "",
        f"`label` is the majority of the answers; at least {settings.min_label_count} are needed for one, and a tie has none.",
        "`predicted` and `confidence` are of the classifier that was shown at that moment.", "",
    ]  # fmt: skip
    if dataset.guidelines.strip():
        lines += ["## Guidelines", "", dataset.guidelines.strip(), ""]
    return "\n".join(lines)


def _feature(name: str, kind: Any, labels: list[str]) -> dict[str, Any]:
    if name == "label":
        return {"dtype": {"class_label": {"names": {str(number): label for number, label in enumerate(labels)}}}}
    if isinstance(kind, pl.Struct) and name == "image":
        return {"dtype": "image"}
    if isinstance(kind, pl.List):
        inner = kind.inner
        if isinstance(inner, pl.Struct):
            return {"list": [{"name": field.name} | _feature("", field.dtype, labels) for field in inner.fields]}
        return {"list": _feature("", inner, labels)["dtype"]}
    if kind.is_temporal():
        return {"dtype": "timestamp[us, tz=UTC]"}
    names = {pl.String: "string", pl.Int64: "int64", pl.Float64: "float64", pl.Boolean: "bool"}
    return {"dtype": next(name for each, name in names.items() if kind == each)}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
