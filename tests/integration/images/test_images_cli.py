"""``labelmill catalogue`` and ``labelmill images`` as somebody types them."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import catalogue_lab

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, Any, str]]

ROWS = 40


@pytest.fixture
def shop(run: Run, tmp_path: Path) -> Path:
    made = catalogue_lab.make(tmp_path / "shop", ROWS)
    assert load(run)[0] == 0
    return made


def load(run: Run, *more: str) -> tuple[int, Any, str]:
    return run("catalogue", "load", "shop/styles.csv", "--images", "shop/images", "--name", "shop", "--json", *more)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_p2_broken_lines_and_ids_are_listed_and_years_stay_whole(run: Run, tmp_path: Path) -> None:
    made = catalogue_lab.make(tmp_path / "shop", ROWS)
    with (made / "styles.csv").open("a") as file:
        file.write("98,Men,too,many,commas,here,Fall,2010,Casual,name,more\n")
        file.write("1,Men,Apparel,Topwear,Shirts,Blue,Fall,2010,Casual,again\n")
        file.write(",Men,Apparel,Topwear,Shirts,Blue,Fall,2010,Casual,no id\n")
        file.write("../evil,Men,Apparel,Topwear,Shirts,Blue,Fall,2010,Casual,evil\n")
        file.write("99,Men,Apparel,Topwear,Shirts,Blue,Fall,2010,Casual,no image\n")
    (made / "images" / "777.jpg").write_bytes(catalogue_lab.picture(777))
    (made / "images" / "notes.txt").write_text("nothing to see")
    code, loaded, _ = load(run)
    counts = {name: loaded[name] for name in ("rows", "rejected", "rows_without_image", "images_without_row")}
    assert (code, counts) == (0, {"rows": ROWS + 1, "rejected": 4, "rows_without_image": 1, "images_without_row": 1})
    assert [(each["place"], each["reason"]) for each in loaded["rejects"]] == [
        (ROWS + 2, "it has 11 fields, the header has 10"),
        (ROWS + 3, "its id was there before"),
        (ROWS + 4, "its id is empty"),
        (ROWS + 5, "its id cannot be the name of a file"),
    ]
    code, shown, _ = run("catalogue", "show", "shop", "--json")
    kinds = {column["name"]: column["kind"] for column in shown["columns"]}
    assert (kinds["year"], kinds["season"], shown["version"]) == ("integer", "text", 1)


def test_p2_a_reload_is_a_new_version(run: Run, shop: Path) -> None:
    with (shop / "styles.csv").open("a") as file:
        file.write("41,Men,Apparel,Topwear,Shirts,Blue,Fall,007,Casual,new\n")
    assert load(run)[1]["rows"] == ROWS + 1
    code, listed, _ = run("catalogue", "list", "--json")
    assert (code, [(each["name"], each["version"], each["rows"]) for each in listed]) == (0, [("shop", 2, ROWS + 1)])
    # A code with a zero in front makes the column one of texts: nothing of it is lost.
    _, shown, _ = run("catalogue", "show", "shop", "--json")
    year = next(column for column in shown["columns"] if column["name"] == "year")
    assert year["kind"] == "text"
    assert run("images", "query", "shop", "--where", "year=007", "--count", "--json")[1]["images"] == 1


def test_p4_the_images_of_a_query_lie_beside_their_metadata(run: Run, shop: Path) -> None:
    code, report, said = run(
        "images", "query", "shop", "--where", "gender=Men", "--where", "season=Winter", "--out", "found", "--json"
    )
    wanted = [row for row in rows_of(shop / "styles.csv") if (row["gender"], row["season"]) == ("Men", "Winter")]
    assert (code, report["delivered"], report["skipped"]) == (0, len(wanted), 0), said
    folder = Path("found") / report["task"]
    delivered = rows_of(folder / "metadata.csv")
    assert [{name: row[name] for name in catalogue_lab.COLUMNS} for row in delivered] == wanted
    for row in delivered:
        assert (folder / row["url"]).read_bytes() == (shop / "images" / f"{row['id']}.jpg").read_bytes()
    assert json.loads((folder / "report.json").read_bytes())["selected"] == len(wanted)
    assert rows_of(folder / "skipped.csv") == []


def test_p4_nothing_found_is_a_header_and_all_is_everything(run: Run, shop: Path) -> None:
    code, report, _ = run("images", "query", "shop", "--where", "gender=Nobody", "--out", "none", "--json")
    assert (code, report["selected"]) == (0, 0)
    assert (Path("none") / report["task"] / "metadata.csv").read_text() == ",".join([*catalogue_lab.COLUMNS, "url"]) + "\n"
    assert run("images", "query", "shop", "--out", "all", "--json")[1]["delivered"] == ROWS


def test_p5_transformed_images_do_not_depend_on_the_size_of_steps(run: Run, shop: Path) -> None:
    made = []
    for chunk in ("7", "40"):
        options = ("--transform", "--size", "32x48", "--seed", "5", "--chunk", chunk, "--json")
        report = run("images", "query", "shop", "--out", "made", *options)[1]
        folder = Path("made") / report["task"]
        made.append({path.name: path.read_bytes() for path in folder.glob("*.jpg")})
        assert Image.open(io.BytesIO((folder / "1.jpg").read_bytes())).size == (32, 48)
    assert made[0] == made[1]
    assert len(made[0]) == ROWS


def test_p9_images_that_are_missing_broken_or_lie_are_skipped_and_listed(run: Run, shop: Path) -> None:
    images = shop / "images"
    (images / "1.jpg").unlink()
    (images / "2.jpg").write_bytes((images / "2.jpg").read_bytes()[:900])
    (images / "3.jpg").write_bytes(b"<svg onload='alert(1)'/>")
    (images / "5.jpg").unlink()
    (images / "5.jpg").symlink_to("/etc/passwd")
    (images / "4.png").write_bytes((images / "4.jpg").read_bytes())
    (images / "4.jpg").unlink()
    assert load(run)[1]["rows_without_image"] == 2
    (images / "6.jpg").unlink()  # after the catalogue has seen it
    for options in ((), ("--transform",)):
        report = run("images", "query", "shop", "--out", "some", *options, "--json")[1]
        assert (report["delivered"], report["skipped"]) == (ROWS - 6, 6)
        reasons = {row["id"]: row["skipped"] for row in rows_of(Path("some") / report["task"] / "skipped.csv")}
        assert reasons == {
            "1": "there is no image of this id",
            "2": "it is cut off",
            "3": "it is no JPEG, PNG or WebP image",
            "4": "its name says .png, but it is JPEG",
            "5": "there is no image of this id",
            "6": "it cannot be read: No such file or directory",
        }
        assert {each["id"] for each in report["skipped_images"]} == set(reasons)


def test_a_zip_holds_everything_and_images_come_out_of_one(run: Run, shop: Path) -> None:
    with zipfile.ZipFile("images.zip", "w") as archive:
        for path in sorted((shop / "images").iterdir()):
            archive.write(path, f"photos/{path.name}")
    assert run("catalogue", "load", "shop/styles.csv", "--images", "images.zip", "--name", "zipped")[0] == 0
    code, report, _ = run("images", "query", "zipped", "--where", "id=7", "--out", "seven.zip", "--json")
    assert (code, report["delivered"]) == (0, 1)
    with zipfile.ZipFile("seven.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["metadata.csv", "skipped.csv", "report.json", "7.jpg"]
        assert archive.read("7.jpg") == (shop / "images" / "7.jpg").read_bytes()
    code, _, said = run("images", "query", "zipped", "--out", "seven.zip")
    assert (code, "This file is there already." in said) == (4, True)


def test_shards_hold_each_image_with_its_row(run: Run, shop: Path) -> None:
    report = run("images", "query", "shop", "--out", "train.tar", "--transform", "--chunk", "15", "--json")[1]
    assert report["delivered"] == ROWS
    shards = sorted(Path().glob("train-*.tar"))
    assert [path.name for path in shards] == ["train-000000.tar", "train-000001.tar", "train-000002.tar"]
    seen = []
    for path in shards:
        with tarfile.open(path) as shard:
            names = shard.getnames()
            for picture, described in zip(names[::2], names[1::2], strict=True):
                assert picture.removesuffix(".jpg") == described.removesuffix(".json")
                found = json.load(shard.extractfile(described))
                assert Image.open(io.BytesIO(shard.extractfile(picture).read())).size == (256, 256)
                seen.append(found["id"])
    assert sorted(seen, key=int) == [str(number) for number in range(1, ROWS + 1)]
    assert len(rows_of(Path("train-metadata.csv"))) == ROWS


def test_links_save_the_disk(run: Run, shop: Path) -> None:
    report = run("images", "query", "shop", "--where", "id=3", "--out", "linked", "--link", "--json")[1]
    assert (Path("linked") / report["task"] / "3.jpg").samefile(shop / "images" / "3.jpg")


def test_what_a_clumsy_user_types_is_told_with_the_way_out(run: Run, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("sku,name\n1,x\n")
    for code, words, arguments in (
        (2, "--id-column", ("catalogue", "load", "plain.csv", "--images", "shop/images")),
        (2, "no such folder or ZIP", ("catalogue", "load", "plain.csv", "--images", "nowhere", "--id-column", "sku")),
        (
            2,
            "no such folder or ZIP|no folder or ZIP",
            ("catalogue", "load", "plain.csv", "--images", "plain.csv", "--id-column", "sku"),
        ),
        (2, "nowhere.csv", ("catalogue", "load", "nowhere.csv", "--images", "shop/images")),
        (3, "There are: shop.", ("images", "query", "ship", "--out", "x")),
        (3, "baseColour", ("images", "query", "shop", "--where", "colour=Blue", "--out", "x")),
        (2, "--out FOLDER", ("images", "query", "shop")),
        (2, "WIDTHxHEIGHT", ("images", "query", "shop", "--out", "x", "--transform", "--size", "big")),
        (2, "such as 0.8", ("images", "query", "shop", "--out", "x", "--transform", "--crop", "2")),
        (4, "This is a file", ("images", "query", "shop", "--out", "plain.csv")),
    ):
        got, _, said = run(*arguments)
        assert (got, any(word in said for word in words.split("|"))) == (code, True), (arguments, said)


def test_a_catalogue_is_removed_and_its_table_and_images_stay(run: Run, shop: Path) -> None:
    assert run("catalogue", "remove", "shop", "--yes")[0] == 0
    assert run("catalogue", "list", "--json")[1] == []
    assert len(list((shop / "images").iterdir())) == ROWS
    assert run("catalogue", "show", "shop")[0] == 3
