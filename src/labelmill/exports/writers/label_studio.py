"""Label Studio's JSON: an array of tasks, each with its data, its annotations, and a prediction where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labelmill.datasets import NO_OWN_ID, RecordKind
from labelmill.exports.columns import image_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Labelled, Reading


def write_label_studio(reading: Reading, request: Request, blobs: Blobs) -> Iterator[bytes]:  # noqa: ARG001 - as every writer
    """Write every answer as an annotation of its own, with its annotator and its time."""
    kind, comma = reading.dataset.kind, b"\n"
    yield b"["
    for piece in reading.slices():
        parts = []
        for task in _tasks(piece, kind):
            parts.append(comma + orjson.dumps(task, option=orjson.OPT_UTC_Z))
            comma = b",\n"
        yield b"".join(parts)
    yield b"\n]\n"


def _tasks(piece: Labelled, kind: RecordKind) -> Iterator[dict[str, Any]]:
    answers: dict[int, list[dict[str, Any]]] = {}
    for row in piece.answers.iter_rows(named=True):
        answers.setdefault(row["record_id"], []).append(_annotation(row, kind))
    for row in piece.records.iter_rows(named=True):
        # Programs that convert such files want an id of each task; without the mark it would come back as the record's own.
        own = {"id": row["record_id"], "meta": {NO_OWN_ID: True}} if row["given_id"] is None else {"id": row["given_id"]}
        yield own | {
            "data": _data(row, kind), "annotations": answers.get(row["record_id"], []),
            "predictions": [_prediction(row, kind)] if row["predicted"] is not None else [],
        }  # fmt: skip


def _data(row: dict[str, Any], kind: RecordKind) -> dict[str, Any]:
    if kind is RecordKind.TEXT:
        return {"text": row["content"]}
    value: dict[str, Any] = orjson.loads(row["content"])
    return {"image": image_name(row["record_id"], row["given_id"], value["blob"])} if kind is RecordKind.IMAGE else value


def _annotation(row: dict[str, Any], kind: RecordKind) -> dict[str, Any]:
    seconds = {} if row["shown_at"] is None else {"lead_time": (row["answered_at"] - row["shown_at"]).total_seconds()}
    return {
        "completed_by": {"email": row["annotator"]}, "created_at": row["answered_at"], "was_cancelled": False,
        "ground_truth": row["is_settling"], "result": [_choice(row["labels"], kind)],
    } | seconds  # fmt: skip


def _prediction(row: dict[str, Any], kind: RecordKind) -> dict[str, Any]:
    return {"model_version": "labelmill", "score": row["confidence"], "result": [_choice([row["predicted"]], kind)]}


def _choice(labels: list[str], kind: RecordKind) -> dict[str, Any]:
    to_name = "image" if kind is RecordKind.IMAGE else "text"
    return {"from_name": "label", "to_name": to_name, "type": "choices", "value": {"choices": labels}}
