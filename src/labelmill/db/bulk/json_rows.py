"""Lines of JSON to objects; a line that is no sound object is refused by itself.

Fast lines go through orjson, which is strict about NaN, infinities, surrogates, UTF-8 and depth but takes the last of equal keys and
rounds numbers beyond 64 bits. Blocks in which either could have happened are read more slowly.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson

from labelmill.db.bulk.encoding import show_marks
from labelmill.db.bulk.file_source import KEPT_TEXT
from labelmill.db.bulk.model import Reject

if TYPE_CHECKING:
    from collections.abc import Sequence

INT64 = 2**63 - 1
#: At least as many matches as there are keys, at any depth: strings may hold more.
_KEY = re.compile(rb'"\s*:')
#: Every digit to 0: a run of many digits is found ten times as fast as by a pattern.
_DIGITS = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_MANY_DIGITS = b"0" * 19
#: Fewer brackets than this cannot nest too deeply for orjson to write.
_DEPTH = 200


class LineParser:
    def parse(self, lines: list[bytes], first_line: int) -> tuple[list[dict[str, Any]], list[Reject]]:
        """Return the objects and the refused lines; blank lines are neither."""
        objects, _, rejects = self.placed(lines, first_line)
        return objects, rejects

    def placed(self, lines: list[bytes], first_line: int) -> tuple[list[dict[str, Any]], Sequence[int], list[Reject]]:
        """Return the objects, the line of each, and the refused lines."""
        whole = self._all(lines)
        if whole is not None:
            return whole, range(first_line, first_line + len(whole)), []
        return self._each(lines, first_line)

    def _all(self, lines: list[bytes]) -> list[dict[str, Any]] | None:
        """Return the objects where nothing is wrong with any line, else None."""
        block = b"\n".join(lines)
        # One bracket a line is that of the object itself.
        brackets = block.count(b"[") + block.count(b"{") - len(lines)
        if _has_large_number(block) or (brackets >= _DEPTH and any(map(_may_be_deep, lines))):
            return None
        try:
            rows = list(map(orjson.loads, lines))
        except orjson.JSONDecodeError:
            return None
        # As many keys as could have been written: none was there twice, none is nested.
        sound = set(map(type, rows)) == {dict} and sum(map(len, rows)) == len(_KEY.findall(block))
        return rows if sound else None

    def _each(self, lines: list[bytes], first_line: int) -> tuple[list[dict[str, Any]], list[int], list[Reject]]:
        rows, places, rejects = [], [], []
        for place, line in enumerate(lines, first_line):
            try:
                if line.strip():
                    rows.append(_object(line))
                    places.append(place)
            except (ValueError, RecursionError) as error:
                text = show_marks(line[:KEPT_TEXT].decode("utf-8", "surrogateescape")).rstrip("\r")
                rejects.append(Reject(place=place, reason=_reason(error), text=text))
        return rows, places, rejects


def _object(line: bytes) -> dict[str, Any]:
    row = orjson.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"it is a JSON {_json_name(row)}, not an object")  # noqa: TRY004 (a reason, not a programming mistake)
    if _may_be_deep(line):
        _check_depth(row)
    if len(row) != len(_KEY.findall(line)) or _has_large_number(line):
        return dict(json.loads(line, object_pairs_hook=_once, parse_int=_integer, parse_constant=_refuse))
    return row


def _may_be_deep(line: bytes) -> bool:
    return line.count(b"[") + line.count(b"{") > _DEPTH


def _check_depth(row: dict[str, Any]) -> None:
    """Raise ValueError for values that orjson reads but cannot write, as nested values are written when they are read as text."""
    try:
        orjson.dumps(row)
    except TypeError as error:
        raise ValueError("it is nested too deeply") from error


def _has_large_number(text: bytes) -> bool:
    return _MANY_DIGITS in text.translate(_DIGITS)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return row


def _integer(digits: str) -> int | str:
    """Return the number, or its digits where it needs more than 64 bits."""
    if len(digits) > len(str(INT64)) + 1:
        return digits
    number = int(digits)
    return number if -INT64 - 1 <= number <= INT64 else digits


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json_name(value: Any) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it is not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
