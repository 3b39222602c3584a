"""``predict.py``: the script that labels with an archive's classifier, for texts, rows of fields and images. It needs no labelmill."""

from __future__ import annotations

from typing import Final

from labelmill.learning.service import Takes, image_source

_TEXT: Final = '''"""Label the column "text" of a CSV file: python predict.py IN.csv OUT.csv. It needs scikit-learn and skops."""

import csv
import sys

import skops.io

TRUSTED = []  # beside what skops trusts by itself: numpy, scipy and scikit-learn; no other type is loaded, and no code runs

csv.field_size_limit(2**31 - 1)
classifier = skops.io.load("classifier.skops", trusted=TRUSTED)
with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:
    rows = list(csv.DictReader(file))
probabilities = classifier.predict_proba([row["text"] or "" for row in rows]) if rows else []
with open(sys.argv[2], "w", encoding="utf-8", newline="") as file:
    out = csv.writer(file)
    out.writerow(["text", "label", "confidence"])
    for row, every in zip(rows, probabilities):
        out.writerow([row["text"], classifier.classes_[every.argmax()], round(float(every.max()), 4)])
'''
_TABLE: Final = '''"""Label the rows of a CSV file, whose headings name the fields: python predict.py IN.csv OUT.csv. It needs scikit-learn and skops.

Each field is a number, a date, one of some categories, or a text, as it was when the classifier was trained.
"""

import csv
import math
import re
import sys
from datetime import datetime

import numpy as np
import skops.io
from scipy.sparse import csr_matrix, hstack

TRUSTED = []  # beside what skops trusts by itself: numpy, scipy and scikit-learn; no other type is loaded, and no code runs
DATE = re.compile(r"(\\d{4}\\D\\d{1,2}\\D\\d{1,2}[\\u3400-\\u9fff]?|\\d{1,2}\\D\\d{1,2}\\D\\d{4})(?!\\d)")


def number(value):
    try:
        found = float("x" if value is None or "_" in value else value.strip())
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def day(value, form):
    begin = DATE.match((value or "").strip())
    try:
        return float((datetime.strptime(begin[1], form) - datetime(1970, 1, 1)).days) if begin else math.nan
    except ValueError:
        return math.nan


def scaled(raw, low, high, cyclic):
    missing = np.isnan(raw)
    raw = np.where(missing, low, raw)
    share = np.clip((raw - low) / (high - low), 0.0, 1.0)
    columns = [share, *(np.clip(share * 8 - step, 0.0, 1.0) for step in range(8))]
    for period in (7.0, 365.2425) if cyclic else ():
        angle = 2 * np.pi * raw / period
        columns += [(1 + np.sin(angle)) / 2, (1 + np.cos(angle)) / 2]
    present = np.where(missing[:, None], 0.0, np.stack(columns, axis=1))
    return csr_matrix(np.hstack([present, missing[:, None]]).astype(np.float32))


def block(field, values):
    """Return the features of one field: rows x columns."""
    if field["kind"] == "text":
        return csr_matrix(field["features"].transform([value or "" for value in values]))
    if field["kind"] == "category":
        places = {value: place for place, value in enumerate(field["values"])}
        found = [(row, places[value]) for row, value in enumerate(values) if value in places]
        ones = np.ones(len(found), dtype=np.float32)
        rows, columns = ([each[side] for each in found] for side in (0, 1))
        return csr_matrix((ones, (rows, columns)), shape=(len(values), len(places)))
    is_date = field["kind"] == "date"
    raw = np.array([day(value, field["format"]) if is_date else number(value) for value in values], dtype=np.float64)
    return scaled(raw, field["low"], field["high"], is_date)


csv.field_size_limit(2**31 - 1)
loaded = skops.io.load("classifier.skops", trusted=TRUSTED)
classifier, fields = loaded["classifier"], loaded["fields"]
with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:
    reader = csv.DictReader(file)
    rows, headings = list(reader), list(reader.fieldnames or [])
absent = [field["name"] for field in fields if field["name"] not in headings]
if absent:
    sys.exit(f"{sys.argv[1]} has no column {absent[0]!r}; these are needed: {', '.join(field['name'] for field in fields)}")
features = [block(field, [row[field["name"]] or None for row in rows]) for field in fields] if rows else []
probabilities = classifier.predict_proba(hstack(features, format="csr")) if rows else []
with open(sys.argv[2], "w", encoding="utf-8", newline="") as file:
    out = csv.writer(file)
    out.writerow([*headings, "label", "confidence"])
    for row, every in zip(rows, probabilities):
        cells = [row[name] for name in headings]
        out.writerow([*cells, classifier.classes_[every.argmax()], round(float(every.max()), 4)])
'''
_IMAGE_HEAD: Final = '''"""Label the images of a folder: python predict.py FOLDER OUT.csv. It needs scikit-learn, skops and Pillow."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import skops.io
from PIL import Image

TRUSTED = []  # beside what skops trusts by itself: numpy, scipy and scikit-learn; no other type is loaded, and no code runs
'''
_IMAGE_TAIL: Final = """
def pixels(path):
    with Image.open(path) as image:
        image.draft("RGB", (SIDE * 2, SIDE * 2))
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32) / 255.0


classifier = skops.io.load("classifier.skops", trusted=TRUSTED)
with open(sys.argv[2], "w", encoding="utf-8", newline="") as file:
    out = csv.writer(file)
    out.writerow(["image", "label", "confidence"])
    for path in sorted(each for each in Path(sys.argv[1]).rglob("*") if each.is_file()):
        try:
            every = classifier.predict_proba(described(pixels(path)[None]))[0]
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            print(f"{path}: it cannot be read ({error})", file=sys.stderr)
            continue
        out.writerow([path.relative_to(sys.argv[1]), classifier.classes_[every.argmax()], round(float(every.max()), 4)])
"""


def predict_source(takes: Takes) -> bytes:
    """Return the script for a classifier that takes such records; that for images has the very functions that it was trained with."""
    if takes is Takes.IMAGES:
        return (_IMAGE_HEAD + image_source() + "\n" + _IMAGE_TAIL).encode()
    return (_TEXT if takes is Takes.TEXTS else _TABLE).encode()
