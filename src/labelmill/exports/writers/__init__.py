"""Writers, one file a format: each makes slices of a dataset into the bytes of a file, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelmill.exports.formats import Format
from labelmill.exports.writers import json_lines, label_studio, parquet, tables, zips
from labelmill.exports.writers.workbook import write_workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelmill.blobs import Blobs
    from labelmill.exports.formats import Request
    from labelmill.exports.reading import Reading

    Writer = Callable[[Reading, Request, Blobs], Iterator[bytes]]

WRITERS: dict[Format, Writer] = {
    Format.CSV: tables.write_csv,
    Format.TSV: tables.write_tsv,
    Format.LONG: tables.write_long,
    Format.XLSX: write_workbook,
    Format.JSONL: json_lines.write_json_lines,
    Format.DOCCANO: json_lines.write_doccano,
    Format.SPACY: json_lines.write_spacy,
    Format.PARQUET: parquet.write_parquet,
    Format.LABEL_STUDIO: label_studio.write_label_studio,
    Format.HUGGING_FACE: zips.write_hugging_face,
    Format.IMAGES: zips.write_images,
}
