"""Exports of a dataset of texts: time to the first byte, time to the last, rows a second, and how far memory grew meanwhile.

Run: ``.venv/bin/python benchmarks/exports.py [--records N] [--formats csv,jsonl,parquet]``. Prints JSON. Texts of 200 characters, three
answers each on a third of them, in an embedded database that is made in a temporary folder. Each format is read in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from labelmill.annotation import service as annotation
from labelmill.bootstrap import build
from labelmill.datasets import NewLabel, RecordKind, record_key
from labelmill.datasets import service as datasets
from labelmill.exports import (
    Format,
    Request,
    writers,  # noqa: F401 - a server has loaded them long ago
)
from labelmill.exports.service import export
from labelmill.settings import Settings

FORMATS = ("csv", "jsonl", "parquet", "label-studio", "long")
SLICE = 20_000
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz      "))


def main() -> None:
    asked = _asked()
    if asked.measure:
        print(json.dumps(_measure(Path(asked.folder), asked.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_texts(Path(folder), asked.records)
        found = {name: _in_a_process(folder, name, asked.records) for name in asked.formats.split(",")}
    print(json.dumps({"records": asked.records, "formats": found}, indent=1))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--folder", default="")
    parser.add_argument("--measure", default="")
    return parser.parse_args()


def make_texts(folder: Path, size: int) -> None:
    """Make an embedded database in ``folder`` with the dataset ``texts``."""
    app = build(Settings(data_dir=folder))
    draw = np.random.default_rng(1)
    labels = [NewLabel(name=name) for name in ("spam", "ham")]
    dataset = app.database.transact(datasets.create, name="texts", kind=RecordKind.TEXT, labels=labels)
    for start in range(0, size, SLICE):
        number = min(SLICE, size - start)
        texts = ["".join(row) for row in LETTERS[draw.integers(0, len(LETTERS), (number, 200))]]
        given = [f"r{start + place}" for place in range(number)]
        frame = pl.DataFrame({"record_key": [record_key(each, "") for each in given], "given_id": given, "content": texts})
        app.database.transact(datasets.add_records, dataset.id, frame)
        with app.database.read() as connection:
            _, last = datasets.extent(connection, dataset.id)
        ids = np.arange(last - number + 1, last + 1)[::3]
        app.database.transact(annotation.add_answers, dataset, _answers(ids, dataset, draw))
    app.close()


def _answers(ids: Any, dataset: Any, draw: np.random.Generator) -> pl.DataFrame:
    label_ids = [label.id for label in dataset.labels if not label.is_ignored]
    people = [f"{number:032x}" for number in (1, 2, 3)]
    at = pl.datetime(2026, 1, 1, time_zone="UTC", time_unit="us")
    return pl.DataFrame(
        {
            "record_id": np.repeat(ids, 3), "annotator_id": people * len(ids), "label_id": draw.choice(label_ids, 3 * len(ids)),
        }
    ).with_columns(shown_at=at, answered_at=at)  # fmt: skip


def _in_a_process(folder: str, name: str, records: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--folder", folder, "--measure", name]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found | {"records_per_second": round(records / found["seconds"])}


def _measure(folder: Path, name: str) -> dict[str, Any]:
    app = build(Settings(data_dir=folder))
    with app.database.read() as connection:
        dataset = datasets.find(connection, "texts")
    process = psutil.Process()
    before, peak, size, first = process.memory_info().rss, 0, 0, 0.0
    started, cpu = time.perf_counter(), time.process_time()
    for chunk in export(app.database, app.blobs, dataset.id, Request(format=Format(name))).chunks:
        first = first or time.perf_counter() - started
        size += len(chunk)
        peak = max(peak, process.memory_info().rss)
    return {
        "seconds": round(time.perf_counter() - started, 3), "cpu_seconds": round(time.process_time() - cpu, 3),
        "first_byte_seconds": round(first, 3), "bytes": size, "grown_mb": (peak - before) >> 20,
    }  # fmt: skip


if __name__ == "__main__":
    main()
