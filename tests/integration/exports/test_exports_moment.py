"""An export is of one moment, however many answers arrive while it is read; who is slow holds little."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labelmill.exports import Format, Request, reading
from labelmill.exports.service import export

if TYPE_CHECKING:
    from tests.integration.exports.conftest import Lab


def test_what_is_answered_changed_withdrawn_or_added_meanwhile_is_not_in_it(lab: Lab) -> None:
    size = reading.FIRST + 10
    dataset = lab.dataset(size, labels_per_record=2)
    ids = lab.ids(dataset)
    lab.answer(dataset, ids[-1], 1, "a")
    lab.answer(dataset, ids[-2], 1, "a")
    chunks = export(lab.database, lab.blobs, dataset.id, Request(format=Format.JSONL)).chunks
    content = next(chunks)
    lab.answer(dataset, ids[-1], 1, "b")
    lab.withdraw(dataset, ids[-2], 1)
    lab.answer(dataset, ids[-3], 2, "c")
    lab.add(dataset, ["a new one"])
    rows = [json.loads(line) for line in (content + b"".join(chunks)).splitlines()]
    assert [row["text"] for row in rows] == [str(number) for number in range(size)]
    assert [row["label"] for row in rows[-3:]] == [None, "a", "a"]
    after = [json.loads(line) for line in lab.export(dataset, "jsonl").splitlines()]
    assert [row["label"] for row in after[-4:]] == ["c", None, "b", None]


def test_slices_become_smaller_the_more_are_read_at_once(small_lab: Lab) -> None:
    dataset = small_lab.dataset(3_000)
    request = Request(format=Format.JSONL)

    def sizes() -> list[int]:
        chunks = export(small_lab.database, small_lab.blobs, dataset.id, request).chunks
        return [len(chunk.splitlines()) for chunk in chunks]

    alone = sizes()
    assert max(alone) >= reading.FIRST
    others = [export(small_lab.database, small_lab.blobs, dataset.id, request).chunks for _ in range(80)]
    for each in others:
        next(each)
    crowded = sizes()
    assert max(crowded) <= max(reading.LEAST, reading.LARGEST // 81) < max(alone)
    assert sum(alone) == sum(crowded) == 3_000
    others.clear()
    assert max(sizes()) >= reading.FIRST


def test_pseudonyms_stay_the_same_while_others_join(small_lab: Lab) -> None:
    dataset = small_lab.dataset(3, labels_per_record=3)
    first, second, _third = small_lab.ids(dataset)
    small_lab.answer(dataset, second, 7, "a")
    before = small_lab.export(dataset, "long").splitlines()[1]
    small_lab.answer(dataset, first, 3, "b")
    assert before in small_lab.export(dataset, "long").splitlines()
    assert f"{first},annotator-2,b".encode() in small_lab.export(dataset, "long").splitlines()
