"""Image tasks: images a second beside the predecessor's way and the codec's limit, copies beside plain files, a large catalogue's memory.

Run: ``.venv/bin/python benchmarks/images.py [--small] [--rows N] [--tiny N]``. Prints JSON on stdout, a table with the goals on stderr.
JPEGs of 60x80, 224x224 and 2,000x1,500 pixels that look about as full as photos; 80 % of each side at a random place, 256x256, JPEG of
quality 75. Each way runs in a process of its own, on files in a temporary folder. *A core* is processor time of one thread, reading and
writing included; *two lanes* is the time of a job as ``labelmill images query`` runs it, planning and metadata included. The
predecessor's way is one image at a time: Pillow opens, RGB, crop, bilinear resize, JPEG as Pillow writes it. The codec's limit is
simplejpeg decoding the whole image and encoding 256x256, in memory.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import simplejpeg
from PIL import Image

from labelmill import logs
from labelmill.bootstrap import build
from labelmill.images import query, service, transforms
from labelmill.images.filters import parse
from labelmill.images.places import reference
from labelmill.images.task import Delivery
from labelmill.images.transforms import Transform
from labelmill.jobs.inline import require_success, run_or_watch
from labelmill.labeltasks.memory import peak_memory_mb
from labelmill.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.bootstrap import App

#: Pixels, images of a run, and the least times the predecessor's rate that one core and two lanes should reach.
SIZES: dict[str, tuple[tuple[int, int], int, float | None, float | None]] = {
    "60x80": ((60, 80), 3000, 2.8, None),
    "224x224": ((224, 224), 3000, 2.3, 4.5),
    "2000x1500": ((2000, 1500), 100, 4.0, None),
}
DIFFERENT = 20
#: The least share of the codec's limit at 224x224, and the most memory of any process.
LEAST_OF_CODEC, MOST_MB = 0.75, 300
WHERE = ("season=Fall", "gender=Men")
VALUES = {
    "masterCategory": 7, "subCategory": 45, "articleType": 143, "baseColour": 47, "usage": 9,
}  # fmt: skip


def main() -> None:
    asked = _asked()
    if asked.measure:
        logs.configure("warning")
        print(json.dumps(WAYS[asked.measure](Path(asked.folder))))
        return
    rows, tiny = (min(asked.rows, 20_000), min(asked.tiny, 2_000)) if asked.small else (asked.rows, asked.tiny)
    found: dict[str, Any] = {"machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"}
    found |= {"small": asked.small, "load": os.getloadavg()[0], "rows": rows, "tiny": tiny, "sizes": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, (size, count, *_) in SIZES.items():
            place = Path(folder, name)
            _make_shop(place, size, count // 20 if asked.small else count)
            found["sizes"][name] = {way: _in_a_process(place, way) for way in ("core", "lanes", "predecessor", "codec")}
        found["copies"] = {way: _in_a_process(Path(folder, "60x80"), way) for way in ("plain", "copies")}
        large = Path(folder, "large")
        _make_large(large, rows, tiny)
        found["large"] = {way: _in_a_process(large, way) for way in ("load", "count", "deliver")}
    print(json.dumps(found, indent=1))
    _tell(found)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="A twentieth of the images: shows that it runs, measures little.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tiny", type=int, default=100_000)
    parser.add_argument("--folder", default="")
    parser.add_argument("--measure", default="")
    return parser.parse_args()


def _picture(size: tuple[int, int], seed: int) -> bytes:
    """Return a JPEG of soft shapes with some grain, about 0.25 bytes a pixel."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 255, (size[1] // 24 + 2, size[0] // 24 + 2, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
    grained = np.clip(soft + draw.integers(-8, 9, (size[1], size[0], 1)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(grained).save(out, "JPEG", quality=80)
    return out.getvalue()


def _make_images(folder: Path, size: tuple[int, int], count: int) -> None:
    folder.mkdir(parents=True)
    pictures = [_picture(size, seed) for seed in range(min(DIFFERENT, count))]
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(pictures[number % len(pictures)])


def _make_shop(place: Path, size: tuple[int, int], count: int) -> None:
    _make_images(place / "images", size, count)
    pl.DataFrame({"id": range(count), "season": ["Fall"] * count}).write_csv(place / "styles.csv")
    _in_a_process(place, "load")


def _make_large(place: Path, rows: int, tiny: int) -> None:
    """Write a table of the predecessor's columns; the first rows, all of which ``WHERE`` finds, have images."""
    _make_images(place / "images", SIZES["60x80"][0], tiny)
    draw = np.random.default_rng(1)
    wanted = np.arange(rows) < tiny
    columns: dict[str, Any] = {"id": np.arange(rows), "gender": np.where(wanted | (draw.random(rows) < 0.4), "Men", "Women")}
    columns |= {name: draw.integers(0, many, rows) for name, many in VALUES.items()}
    columns |= {"season": np.where(wanted, "Fall", "Summer"), "year": draw.integers(2007, 2020, rows)}
    columns |= {"productDisplayName": draw.integers(0, rows, rows)}
    words = [pl.concat_str(pl.lit(f"{name} no. "), name).alias(name) for name in (*VALUES, "productDisplayName")]
    pl.DataFrame(columns).with_columns(words).write_csv(place / "styles.csv")


def with_app(place: Path, work: Callable[[App, Path], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``work`` found in an installation of its own, with the time and the highest memory of this process."""
    app = build(Settings(data_dir=place / "data"))
    try:
        started, cpu = time.perf_counter(), time.process_time()
        found = work(app, place)
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
    finally:
        app.close()
    return found | {"seconds": round(seconds, 3), "cpu_seconds": round(used, 3), "peak_mb": round(peak_memory_mb())}


def _load(app: App, place: Path) -> dict[str, Any]:
    table = app.places.reference(str(place / "styles.csv"))
    job = app.database.transact(service.load, "shop", table=table, images=reference(str(place / "images")))
    return {"result": require_success(run_or_watch(app.runtime, job.id)).result}


def _deliver(app: App, place: Path, transform: Transform | None, *where: str) -> dict[str, Any]:
    with app.database.read() as connection:
        catalogue = service.find(connection, "shop")
    delivery = Delivery(transform=transform, out=str(place / "out"))
    job = app.database.transact(service.query, catalogue, parse(where), delivery)
    report = require_success(run_or_watch(app.runtime, job.id)).result or {}
    return {"images": report["delivered"], "skipped": report["skipped"]}


def _count(app: App, _place: Path) -> dict[str, Any]:
    with app.database.read() as connection:
        version = service.require_version(service.find(connection, "shop"))
    return {"found": query.count(app.blobs.path(version.blob), version, parse(WHERE))}


def _each(place: Path, way: str, make: Callable[[Path, Path], None]) -> dict[str, Any]:
    """Make a file of each image, one after the other."""
    out = place / f"out-{way}"
    out.mkdir()
    files = sorted((place / "images").iterdir())
    make(files[0], out / "first.jpg")  # libraries are loaded
    started, cpu = time.perf_counter(), time.process_time()
    for path in files:
        make(path, out / path.name)
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    return {"images": len(files), "seconds": round(seconds, 3), "cpu_seconds": round(used, 3)}


def _ours(source: Path, target: Path) -> None:
    target.write_bytes(transforms.apply(Transform(), source.read_bytes(), source.stem))


def _predecessors(source: Path, target: Path) -> None:
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    width, height = round(0.8 * image.width), round(0.8 * image.height)
    left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
    part = image.crop((left, top, left + width, top + height))
    part.resize((256, 256), Image.Resampling.BILINEAR).save(target, "JPEG")


def _codec(place: Path) -> dict[str, Any]:
    contents = [path.read_bytes() for path in sorted((place / "images").iterdir())[:DIFFERENT]]
    made = [np.asarray(Image.open(io.BytesIO(each)).convert("RGB").resize((256, 256))) for each in contents]
    times = max(1, sum(1 for _ in (place / "images").iterdir()) // len(contents))
    cpu = time.process_time()
    for _ in range(times):
        for content, pixels in zip(contents, made, strict=True):
            simplejpeg.decode_jpeg(content, "RGB")
            simplejpeg.encode_jpeg(pixels, 75, "RGB", "420")
    return {"images": times * len(contents), "cpu_seconds": round(time.process_time() - cpu, 3)}


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "core": lambda place: _each(place, "core", _ours),
    "predecessor": lambda place: _each(place, "predecessor", _predecessors),
    "codec": _codec,
    "lanes": lambda place: with_app(place, lambda app, at: _deliver(app, at, Transform())),
    "plain": lambda place: _each(place, "plain", lambda source, target: _ignore(target.write_bytes(source.read_bytes()))),
    "copies": lambda place: with_app(place, lambda app, at: _deliver(app, at, None)),
    "load": lambda place: with_app(place, _load),
    "count": lambda place: with_app(place, _count),
    "deliver": lambda place: with_app(place, lambda app, at: _deliver(app, at, None, *WHERE)),
}


def _ignore(_written: int) -> None:
    """``write_bytes`` returns a number that nobody needs."""


def _in_a_process(place: Path, way: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--folder", str(place), "--measure", way]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if "images" in found:
        clocks = {"per_second": "seconds", "per_cpu_second": "cpu_seconds"}
        found |= {name: round(found["images"] / found[base], 1) for name, base in clocks.items() if found.get(base)}
    return found


def _tell(found: dict[str, Any]) -> None:
    lines = [
        "images | a core, /s | two lanes, /s | predecessor, /s of a core (of the clock) | codec, /s of a core | times (goals) | of codec"
    ]
    for name, ways in found["sizes"].items():
        _, _, core, lanes = SIZES[name]
        theirs, ours = ways["predecessor"], ways["core"]["per_cpu_second"]
        times = f"core {ours / theirs['per_cpu_second']:.2f} ({core})"
        times += f", lanes {ways['lanes']['per_second'] / theirs['per_second']:.2f} ({lanes or '-'})"
        share = f"{ours / ways['codec']['per_cpu_second']:.2f}" + (f" ({LEAST_OF_CODEC})" if name == "224x224" else "")
        lines.append(
            f"{name} | {ours} | {ways['lanes']['per_second']} | {theirs['per_cpu_second']} ({theirs['per_second']}) | "
            f"{ways['codec']['per_cpu_second']} | {times} | {share}"
        )
    plain, copies = (found["copies"][way]["per_second"] for way in ("plain", "copies"))
    lines.append(f"copies: {copies} files/s; plain files: {plain}/s; {copies / plain:.2f} of it (goal 1)")
    for way, measured in found["large"].items():
        what = measured.get("found") or measured.get("images") or found["rows"]
        lines.append(
            f"{found['rows']:,} rows, {way}: {what:,} in {measured['seconds']} s, {measured['peak_mb']} MB ({MOST_MB})"
        )
    print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    main()
