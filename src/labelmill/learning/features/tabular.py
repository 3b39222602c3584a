"""Rows with fields as numbers: each field is a number, a date, one of some categories, or text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import orjson
import polars as pl

from labelmill.learning.features.text import TextFeatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scipy.sparse import csr_array

    from labelmill.learning.features.text import Chunks

#: A field with more different values than this is text.
MOST_CATEGORIES: Final = 100
#: What a field is, is judged by this many records.
_JUDGED: Final = 20_000
#: A field is a number, or a date, when so many of its values are; the others ("n/a", a slip) have the mark of a missing value.
_NEARLY_ALL: Final = 0.9
#: How dates begin; of those that fit, the first one in which most values are dates.
DATES: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y年%m月%d日")
#: Day, month and year of four digits, in either order, and whatever comes after.
_DATE: Final = r"^(\d{4}\D\d{1,2}\D\d{1,2}\p{Han}?|\d{1,2}\D\d{1,2}\D\d{4})(?:\D|$)"
#: Words in a value beyond which a field with few different values is text all the same.
_WORDS: Final = 6


class TabularFeatures:
    """The fields' features side by side, each field by a rule that was chosen when it was fitted."""

    NAME: Final = "table"
    VERSION: Final = 1

    def __init__(self, fields: Sequence[dict[str, Any]]) -> None:
        self._fields = list(fields)
        self._texts = {each["name"]: TextFeatures.load(each["text"]) for each in fields if each["kind"] == "text"}

    @classmethod
    def fit(cls, chunks: Chunks) -> Self:
        """Choose what each field is, and learn its range, categories or terms."""
        judged = _sample(chunks())
        return cls([_field(name, judged[name], chunks) for name in judged.columns])

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        return cls(state["fields"])

    def state(self) -> dict[str, Any]:
        return {"fields": self._fields}

    @property
    def kinds(self) -> dict[str, str]:
        """What each field is taken for: number, date, category or text."""
        return {each["name"]: each["kind"] for each in self._fields}

    def transform(self, contents: pl.Series) -> csr_array:
        """Return records x features, float32; a field that a record has not got is all zeros, but for a mark of its own."""
        from scipy.sparse import csr_array, hstack

        rows = table(contents, [each["name"] for each in self._fields])
        blocks = [self._block(each, rows[each["name"]]) for each in self._fields]
        if not blocks:
            return csr_array((len(contents), 0), dtype=np.float32)
        return csr_array(hstack(blocks, format="csr", dtype=np.float32))

    def _block(self, field: dict[str, Any], values: pl.Series) -> Any:
        from scipy.sparse import csr_array

        if field["kind"] == "text":
            return self._texts[field["name"]].transform(values)
        if field["kind"] == "category":
            known = pl.DataFrame({"value": field["values"]}, schema={"value": pl.String}).with_row_index("column")
            found = pl.DataFrame({"value": values}).with_row_index("row").join(known, on="value", how="inner")
            ones = np.ones(found.height, dtype=np.float32)
            places = (found["row"].to_numpy(), found["column"].to_numpy())
            return csr_array((ones, places), shape=(len(values), len(field["values"])))
        numbers = _numbers(values) if field["kind"] == "number" else _days(values, field.get("format", DATES[0]))
        return csr_array(_scaled(numbers, field["low"], field["high"], cyclic=field["kind"] == "date"))


def table(contents: pl.Series, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the fields of records, one JSON object each, as columns of text; null where a record has no such field."""
    rows = [orjson.loads(content) if content else {} for content in contents]
    names = list(dict.fromkeys(name for row in rows for name in row)) if names is None else names
    return pl.DataFrame(
        {name: [_text(row.get(name)) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String)
    )


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _sample(chunks: Iterable[pl.Series]) -> pl.DataFrame:
    parts: list[pl.Series] = []
    for contents in chunks:
        parts.append(contents.head(_JUDGED))
        if sum(map(len, parts)) >= _JUDGED:
            break
    return table(pl.concat(parts).head(_JUDGED)) if parts else pl.DataFrame()


def _field(name: str, values: pl.Series, chunks: Chunks) -> dict[str, Any]:
    given = values.drop_nulls()
    if not len(given):
        return {"name": name, "kind": "category", "values": []}
    # A field whose numbers begin with a zero is a code: 007 is not 7. Few different numbers are names of something.
    is_code = given.str.contains(r"^0\d+$").any() or given.n_unique() <= _WORDS
    numbers = pl.Series(dtype=pl.Float64) if is_code else _numbers(given).drop_nulls()
    if len(numbers) >= _NEARLY_ALL * len(given):
        return {"name": name, "kind": "number"} | _range(numbers)
    form = max(DATES, key=lambda form: _days(given, form).count())
    days = _days(given, form).drop_nulls()
    if len(days) >= _NEARLY_ALL * len(given):
        return {"name": name, "kind": "date", "format": form} | _range(days)
    words = float(given.str.count_matches(r"\w+").mean() or 0)  # type: ignore[arg-type]
    if given.n_unique() <= MOST_CATEGORIES and words <= _WORDS:
        return {"name": name, "kind": "category", "values": given.unique().sort().to_list()}
    return {"name": name, "kind": "text", "text": TextFeatures.fit(_column(chunks, name)).state()}


def _column(chunks: Chunks, name: str) -> Callable[[], Iterable[pl.Series]]:
    def again() -> Iterable[pl.Series]:
        return (table(contents, [name])[name] for contents in chunks())

    return again


def _numbers(values: pl.Series) -> pl.Series:
    numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    # "nan" and "inf" are numbers to the library.
    return numbers.set(~numbers.is_finite(), None)


def _days(values: pl.Series, form: str) -> pl.Series:
    """Return days since 1970 of dates that begin in this form; null for everything else."""
    begin = values.str.strip_chars().str.extract(_DATE)
    return begin.str.to_date(form, strict=False).cast(pl.Int32).cast(pl.Float64)


def _range(numbers: pl.Series) -> dict[str, float]:
    """Return from where to where numbers go; the outermost hundredth is cut off: one wrong value must not press all others together."""
    low, high = float(numbers.quantile(0.01) or 0.0), float(numbers.quantile(0.99) or 0.0)
    return {"low": low, "high": high if high > low else low + 1.0}


def _scaled(numbers: pl.Series, low: float, high: float, *, cyclic: bool) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return for each number: where it lies in the range, steps within it that a linear rule can use, and whether it is missing."""
    raw = numbers.to_numpy().astype(np.float64)
    missing = ~np.isfinite(raw)
    raw = np.where(missing, low, raw)
    share = np.clip((raw - low) / (high - low), 0.0, 1.0)
    steps = [np.clip(share * 8 - step, 0.0, 1.0) for step in range(8)]
    columns = [share, *steps]
    if cyclic:
        for period in (7.0, 365.2425):
            angle = 2 * np.pi * raw / period
            columns += [(1 + np.sin(angle)) / 2, (1 + np.cos(angle)) / 2]
    present = np.where(missing[:, None], 0.0, np.stack(columns, axis=1))
    return np.hstack([present, missing[:, None]]).astype(np.float32)
