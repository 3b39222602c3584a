"""The compact form of Thrift, as far as the footer of a Parquet file needs it: read into values that can be changed, and written.

The form is described in https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. A struct is a dict from a
field's number to its type and value, a list its elements' type and values.
"""

from __future__ import annotations

from typing import Any, Final

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_WHOLE: Final = frozenset({I16, I32, I64})
_SHORT_LIST: Final = 15
_LARGEST_STEP: Final = 15

Struct = dict[int, tuple[int, Any]]


class Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def struct(self) -> Struct:
        found: Struct = {}
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._whole()
            found[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in _WHOLE:
            return self._whole()
        if kind in (TRUE, FALSE, BYTE):  # of a flag in a list, where its type says nothing
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < _SHORT_LIST else self._varint()
            return head & 15, [self._value(head & 15) if head & 15 != STRUCT else self.struct() for _ in range(size)]
        if kind == STRUCT:
            return self.struct()
        raise ValueError(f"type {kind} stands in no footer")

    def _byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1]

    def _bytes(self, size: int) -> bytes:
        self._place += size
        return self._content[self._place - size : self._place]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the last seven bits
                return value
            shift += 7

    def _whole(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def write_struct(struct: Struct) -> bytes:
    parts = bytearray()
    before = 0
    for number, (kind, value) in struct.items():
        is_flag = kind in (TRUE, FALSE)
        written = (TRUE if value else FALSE) if is_flag else kind
        step = number - before
        parts += bytes([step << 4 | written]) if 0 < step <= _LARGEST_STEP else bytes([written]) + _whole(number)
        parts += b"" if is_flag else _value(kind, value)
        before = number
    return bytes(parts) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind in _WHOLE:
        return _whole(value)
    if kind in (TRUE, FALSE, BYTE):
        return bytes([value])
    if kind == DOUBLE:
        return bytes(value)
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == STRUCT:
        return write_struct(value)
    each, values = value
    size = len(values)
    head = bytes([size << 4 | each]) if size < _SHORT_LIST else bytes([_SHORT_LIST << 4 | each]) + _varint(size)
    return head + b"".join(_value(each, one) for one in values)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits a byte
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _whole(value: int) -> bytes:
    return _varint((value << 1) ^ (value >> 63))
