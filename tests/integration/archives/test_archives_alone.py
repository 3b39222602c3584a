"""An archive's classifier in an environment with nothing but the packages that its card names."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from packaging.requirements import Requirement
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from archive_lab import ArchiveLab, Rich


def with_requirements(names: Iterable[str]) -> set[str]:
    """Return packages and all that they require."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            required = [Requirement(each) for each in metadata.requires(name) or ()]
            waiting += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def with_packages(folder: Path, *packages: str) -> Path:
    """Return a folder with these packages, and nothing else."""
    for name in with_requirements(packages):
        for each in {file.parts[0] for file in metadata.files(name) or () if file.parts[0] != ".."}:
            if not (folder / each).exists():
                (folder / each).symlink_to(metadata.distribution(name).locate_file(each))
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the packages that the cards of texts and tables name."""
    return with_packages(tmp_path_factory.mktemp("clean"), "scikit-learn", "skops")


def run(folder: Path, clean: Path, code: str) -> str:
    """Run Python code in ``folder`` with the clean packages alone."""
    begin = (
        f"import sys; sys.path = [{str(folder)!r}, {str(clean)!r}, *(p for p in sys.path if 'site-packages' not in p and p)]\n"
    )
    command = [sys.executable, "-I", "-S", "-c", begin + textwrap.dedent(code)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def labelled(folder: Path, clean: Path, source: str) -> list[dict[str, str]]:
    """Return what an archive's script says of a file or folder, where labelmill cannot be imported."""
    code = f"""
        import runpy
        try:
            import labelmill
        except ImportError:
            print("alone")
        sys.argv = ["predict.py", {source!r}, "out.csv"]
        runpy.run_path("predict.py")
    """
    assert run(folder, clean, code) == "alone\n"
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_predict_labels_a_new_file_without_labelmill(rich: Rich, clean: Path, tmp_path: Path) -> None:
    with rich.lab.opened(rich.archive) as file:
        file.extractall(tmp_path)
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(
            [["text"], *([text] for text in rich.lab.ids(rich.dataset).values()), ['a ball, "new"\ngoal']]
        )
    found = labelled(tmp_path, clean, "in.csv")
    assert [row["label"] for row in found[:-1]] == rich.frame("records.parquet")["predicted"].to_list()
    assert found[-1]["label"] == "sport"


def test_the_pickle_holds_the_whole_pipeline(rich: Rich, clean: Path, tmp_path: Path) -> None:
    (tmp_path / "clf.p").write_bytes(rich.members["clf.p"])
    code = """
        import pickle
        print(pickle.load(open("clf.p", "rb")).predict(["ball goal match", "soup bread"]).tolist())
    """
    assert run(tmp_path, clean, code) == "['sport', 'food']\n"


COLOURS = {"sport": (200, 30, 30), "food": (30, 200, 30), "music": (30, 30, 200)}


def rows_of_fields() -> list[dict[str, object]]:
    """Return rows with a field of each kind, some of them missing or odd, whose label follows from several."""
    drawn = random.Random(3)
    rows = []
    for number in range(60):
        kind = number % 3
        rows.append(
            {
                "price": None if number == 5 else round(drawn.uniform(10, 20) + 30 * kind, 2),
                "since": "soon" if number == 7 else f"20{10 + 3 * kind}-{1 + number % 12:02d}-{1 + number % 28:02d} 10:00",
                "colour": ("red", "blue", "gr\u00fcn, hell")[(number // 2) % 3],
                "about": " ".join(drawn.choices(("ball", "goal", "soup", "bread", "song", "choir", "\u5fd7\u660e"), k=7))
                + f" n{number}",
                "tied": number % 2 == 0,
            }
        )
    return rows


def test_predict_labels_the_rows_of_a_table(kept_lab: ArchiveLab, clean: Path, tmp_path: Path) -> None:
    dataset = kept_lab.dataset(0, kind="tabular", batch_size=1000)
    rows = rows_of_fields()
    kept_lab.add_contents(dataset, [json.dumps(row) for row in rows])
    for number, record_id in enumerate(list(kept_lab.ids(dataset))[:36]):
        kept_lab.answer(dataset, record_id, ("sport", "food", "music")[number % 3])
    kept_lab.train(dataset)
    archive = kept_lab.make(dataset)
    with kept_lab.opened(archive) as file:
        file.extractall(tmp_path)
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as out:
        written = csv.writer(out)
        written.writerow(["own", *rows[0]])
        written.writerows(
            [n, *(json.dumps(v) if isinstance(v, bool) else v for v in row.values())] for n, row in enumerate(rows)
        )
    found = labelled(tmp_path, clean, "in.csv")
    said = pl.read_parquet(io.BytesIO(kept_lab.members(archive)["records.parquet"]))
    assert [row["label"] for row in found] == said["predicted"].to_list()
    assert [float(row["confidence"]) for row in found] == pytest.approx(said["confidence"].to_list(), abs=2e-4)
    assert set(said["predicted"]) == {"sport", "food", "music"}
    assert list(found[0]) == ["own", *rows[0], "label", "confidence"]
    assert "the rows of a CSV file" in (tmp_path / "README.md").read_text()
    (tmp_path / "less.csv").write_text("price,since\n1,2\n")
    command = "import runpy; sys.argv = ['predict.py', 'less.csv', 'out.csv']; runpy.run_path('predict.py')"
    with pytest.raises(AssertionError, match=r"less\.csv has no column 'colour'"):
        run(tmp_path, clean, command)


def test_predict_labels_the_images_of_a_folder(kept_lab: ArchiveLab, tmp_path: Path) -> None:
    dataset = kept_lab.dataset(0, kind="image", batch_size=1000)
    (tmp_path / "new").mkdir()
    drawn, names = random.Random(5), []
    for number in range(24):
        label = list(COLOURS)[number % 3]
        image = Image.new("RGB", (90, 70), tuple(max(0, each + drawn.randint(-25, 25)) for each in COLOURS[label]))
        image.paste((250, 250, 250), (10 + number, 10, 40 + number, 50))
        names.append(f"images/{number:02x}/{number:02x}.png")
        image.save(tmp_path / "new" / f"{number:02}.png")
        kept_lab.app.blobs.put(names[-1], (tmp_path / "new" / f"{number:02}.png").read_bytes())
    contents = [json.dumps({"blob": name, "width": 90, "height": 70}) for name in names]
    kept_lab.add_contents(dataset, contents)
    for number, record_id in enumerate(list(kept_lab.ids(dataset))[:15]):
        kept_lab.answer(dataset, record_id, list(COLOURS)[number % 3])
    kept_lab.train(dataset)
    archive = kept_lab.make(dataset)
    with kept_lab.opened(archive) as file:
        file.extractall(tmp_path)
    (tmp_path / "new" / "notes.txt").write_text("no image")
    (tmp_path / "packages").mkdir()
    clean = with_packages(tmp_path / "packages", "scikit-learn", "skops", "pillow")
    found = labelled(tmp_path, clean, "new")
    said = pl.read_parquet(io.BytesIO(kept_lab.members(archive)["records.parquet"]))
    assert [row["image"] for row in found] == [f"{number:02}.png" for number in range(24)]
    assert [row["label"] for row in found] == said["predicted"].to_list()
    assert [float(row["confidence"]) for row in found] == pytest.approx(said["confidence"].to_list(), abs=2e-4)
    assert "pip install scikit-learn skops pillow" in (tmp_path / "README.md").read_text()
