"""Rows with fields, and images, as numbers."""

from __future__ import annotations

import io
from datetime import date, timedelta

import numpy as np
import orjson
import polars as pl
import pytest

from labelmill.errors import NotFound
from labelmill.learning import features, learners
from labelmill.learning.features.images import FEATURES, ImageFeatures
from labelmill.learning.features.tabular import TabularFeatures


def rows(count: int = 200) -> list[str]:
    generator = np.random.default_rng(3)
    words = ["tea", "soup", "rain", "sun", "snow", "wind"]
    made = [
        {
            "age": str(20 + number % 50),
            "joined": f"2024-{1 + number % 12:02}-{1 + number % 28:02}",
            "city": ["Oslo", "Rome", "Lima"][number % 3],
            "note": f"word{number} likes {' '.join(generator.permutation(words)[:4])} every day {number}",
            "code": f"00{number}",
        }
        for number in range(count)
    ]
    return [orjson.dumps(each).decode() for each in made]


def fitted(contents: list[str]) -> TabularFeatures:
    return TabularFeatures.fit(lambda: [pl.Series(contents)])


def test_each_field_is_taken_for_what_it_is():
    assert fitted(rows()).kinds == {"age": "number", "joined": "date", "city": "category", "note": "text", "code": "text"}


def test_a_code_with_leading_zeros_is_no_number():
    kinds = fitted([orjson.dumps({"zip": f"0{number}"}).decode() for number in range(20)]).kinds
    assert kinds == {"zip": "category"}


def column(values) -> list[str]:
    return [orjson.dumps({"field": value}).decode() for value in values]


@pytest.mark.parametrize("missing", ["n/a", "nan", "-", "inf", ""])
def test_a_number_that_is_missing_in_some_rows_is_a_number_all_the_same(missing):
    contents = column(missing if number % 12 == 0 else str(number) for number in range(120))
    made = fitted(contents)
    assert made.kinds == {"field": "number"}
    matrix = made.transform(pl.Series(contents)).toarray()
    shares, marks = matrix[:, 0], matrix[:, -1]
    assert marks.tolist() == [float(number % 12 == 0) for number in range(120)]
    known = marks == 0
    assert np.all(np.diff(shares[known]) >= 0)
    assert (shares[known].min(), shares[known].max()) == (0, 1)


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%-d-%-m-%Y", "%Y年%-m月%-d日"]
)
def test_dates_are_read_in_every_usual_form(form):
    days = [date(2023, 1, 1) + timedelta(days=3 * number) for number in range(240)]
    made = fitted(column(day.strftime(form) for day in days))
    assert made.kinds == {"field": "date"}
    assert np.all(np.diff(made.transform(pl.Series(column(day.strftime(form) for day in days))).toarray()[:, 0]) >= 0)


@pytest.mark.parametrize("value", ["10.0.0.{}", "1.2.{}", "2024-13-{}", "{}-2024"])
def test_what_only_looks_like_a_date_is_none(value):
    assert "date" not in fitted(column(value.format(number) for number in range(10, 60))).kinds.values()


def test_missing_and_unknown_values_are_no_error():
    made = fitted(rows())
    contents = ['{"age": "", "city": "Paris"}', "{}", '{"age": "not a number", "joined": "yesterday", "new": 1}', '{"age": 33}']
    matrix = made.transform(pl.Series(contents))
    assert matrix.shape[0] == 4
    assert np.isfinite(matrix.toarray()).all()
    assert matrix.toarray().min() >= 0


def test_a_field_that_is_empty_everywhere_tells_nothing():
    assert fitted(['{"a": null, "b": "x"}', '{"a": "", "b": "y"}']).transform(pl.Series(["{}"])).shape[1] == 2


def test_rows_without_any_field_make_no_features():
    assert fitted(["{}", "{}"]).transform(pl.Series(["{}"])).shape == (1, 0)


def test_what_was_kept_makes_the_same_numbers():
    made = fitted(rows())
    again = features.load(features.dump(made), lambda _name: b"")
    assert (made.transform(pl.Series(rows(9))) != again.transform(pl.Series(rows(9)))).nnz == 0


@pytest.mark.parametrize("field", ["age", "city", "joined"])
def test_each_kind_of_field_can_be_learnt_from(field):
    contents = rows(400)
    fields = [orjson.loads(each) for each in contents]
    rules = {
        "age": lambda row: 1 + (int(row["age"]) > 40),
        "city": lambda row: {"Oslo": 1, "Rome": 2, "Lima": 3}[row["city"]],
        "joined": lambda row: 1 + (row["joined"] > "2024-06-30"),
    }
    labels = np.array([rules[field](row) for row in fields], dtype=np.int64)
    matrix = fitted(contents).transform(pl.Series(contents))
    made = learners.fit("tfidf-logreg", matrix[:200], labels[:200]).trained()
    assert (made.predict(matrix[200:]) == labels[200:]).mean() > 0.9


def picture(kind: int, number: int) -> bytes:
    """Return a PNG with stripes across or down, somewhere, on a noisy ground."""
    from PIL import Image

    generator = np.random.default_rng([kind, number])
    pixels = generator.integers(0, 90, (40, 50, 3))
    stripes = (np.arange(40)[:, None] if kind == 1 else np.arange(50)[None, :]) + generator.integers(0, 9)
    pixels += np.broadcast_to((stripes // 4 % 2 * 120)[..., None], (40, 50, 3))
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


class Pictures:
    """Blobs by name."""

    def __init__(self) -> None:
        self.kept = {f"images/{kind}-{number}": picture(kind, number) for kind in (1, 2) for number in range(30)}

    def read(self, name: str) -> bytes:
        if name not in self.kept:
            raise NotFound
        return self.kept[name]


def contents(names: list[str]) -> pl.Series:
    return pl.Series([orjson.dumps({"blob": name, "width": 50, "height": 40}).decode() for name in names])


def test_images_are_told_apart_by_their_edges():
    pictures = Pictures()
    names = list(pictures.kept)
    labels = np.array([int(name[7]) for name in names], dtype=np.int64)
    matrix = ImageFeatures(pictures.read).transform(contents(names))
    assert matrix.shape == (60, FEATURES)
    order = np.random.default_rng(1).permutation(60)
    made = learners.fit("tfidf-logreg", matrix[order[:20]], labels[order[:20]]).trained()
    assert (made.predict(matrix[order[20:]]) == labels[order[20:]]).all()


def test_an_image_that_cannot_be_read_is_all_zeros_and_the_others_are_not():
    pictures = Pictures()
    pictures.kept["images/broken"] = b"GIF89a, or so it says"
    pictures.kept["images/short"] = picture(1, 1)[:200]
    matrix = ImageFeatures(pictures.read).transform(contents(["images/broken", "images/1-1", "images/absent", "images/short"]))
    assert (np.abs(matrix).sum(axis=1) > 0).tolist() == [False, True, False, False]


def test_the_same_image_brighter_has_the_same_edges():
    from PIL import Image

    from labelmill.learning.features.images import SIDE, described

    image = Image.open(io.BytesIO(picture(1, 5))).convert("RGB").resize((SIDE, SIDE))
    pixels = np.asarray(image, dtype=np.float32)[None] / 255
    both = described(np.concatenate([pixels * 0.5, pixels]))
    gradients = FEATURES - 6 * 6 * 3
    assert np.corrcoef(both[0, :gradients], both[1, :gradients])[0, 1] > 0.99
