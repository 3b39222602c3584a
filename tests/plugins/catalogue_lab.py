"""A small catalogue to test with: products with colours and years, and an image for each."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (
    "id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "year", "usage", "productDisplayName",
)  # fmt: skip


def row(number: int) -> tuple[str, ...]:
    """Return the cells of a product; every seventh has no year."""
    pick = {name: values[number % len(values)] for name, values in VALUES.items()}
    year = "" if number % 7 == 0 else str(2009 + number % 5)
    return (
        str(number), pick["gender"], pick["masterCategory"], pick["subCategory"], pick["articleType"], pick["baseColour"],
        pick["season"], year, pick["usage"], f"{pick['gender']}'s \"{pick['articleType']}\", no. {number}",
    )  # fmt: skip


VALUES = {
    "gender": ("Men", "Women", "Unisex"),
    "masterCategory": ("Apparel", "Footwear"),
    "subCategory": ("Topwear", "Shoes", "Bottomwear"),
    "articleType": ("Shirts", "Kid's shoes", "Jeans", "x' or '1'='1"),
    "baseColour": ("Blue", "Black"),
    "season": ("Fall", "Summer", "Winter"),
    "usage": ("Casual", "Sports"),
}


def picture(number: int, size: tuple[int, int] = (60, 80)) -> bytes:
    """Return a JPEG of stripes that no other product has."""
    image = Image.linear_gradient("L").resize(size).rotate(number * 7)
    coloured = Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_180), Image.new("L", size, number * 11 % 256)))
    out = io.BytesIO()
    coloured.save(out, "JPEG", quality=92)
    return out.getvalue()


def make(folder: Path, rows: int) -> Path:
    """Write ``styles.csv`` with products 1 to ``rows`` and ``images`` into a new folder, which is returned."""
    (folder / "images").mkdir(parents=True)
    with (folder / "styles.csv").open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow(COLUMNS)
        written.writerows(row(number) for number in range(1, rows + 1))
    for number in range(1, rows + 1):
        (folder / "images" / f"{number}.jpg").write_bytes(picture(number))
    return folder
