"""A pattern means the same files on every system, in one order; a name that is there is a name."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from labelmill.db.bulk import file_pattern
from labelmill.db.bulk.file_pattern import Pattern
from labelmill.db.bulk.location import file_at, format_of, parse_location
from labelmill.errors import BadSource, TooLarge

FILES = [
    "2020-01.csv",
    "2020-02.csv",
    "2020-10.csv",
    "2021-01.csv",
    "B.csv",
    "a b/2020-01.csv",
    "a b/x.jsonl",
    "café/2020-03.csv",
    "deep/a/b/2020-04.csv",
    "deep/a/2020-05.csv",
    ".hidden.csv",
    ".hidden/2020-06.csv",
    "deep/.upload-1234",
    "deep/.upload-1.csv",
    "notes.txt",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "posts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("id\n1\n")
    return tmp_path / "posts"


def found(folder: Path, pattern: str, *, within: Path | None = None) -> list[str]:
    made = Pattern.of(folder.joinpath(pattern), within=within)
    assert made is not None
    return list(made.files())


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("2020-*.csv", ["2020-01.csv", "2020-02.csv", "2020-10.csv"]),
        ("2020-0?.csv", ["2020-01.csv", "2020-02.csv"]),
        ("202[!0]-*.csv", ["2021-01.csv"]),
        ("202[01]-01.csv", ["2020-01.csv", "2021-01.csv"]),
        ("*/2020-*.csv", ["a b/2020-01.csv", "café/2020-03.csv"]),
        ("a*/*", ["a b/2020-01.csv", "a b/x.jsonl"]),
        ("a b/*.csv", ["2020-01.csv"]),
        ("caf?/*.csv", ["café/2020-03.csv"]),
        ("deep/**/*.csv", ["a/2020-05.csv", "a/b/2020-04.csv"]),
        ("deep/**", ["a/2020-05.csv", "a/b/2020-04.csv"]),
        ("**/b/*.csv", ["deep/a/b/2020-04.csv"]),
        ("**/a/**/*.csv", ["deep/a/2020-05.csv", "deep/a/b/2020-04.csv"]),
        ("**/**/2020-04.csv", ["deep/a/b/2020-04.csv"]),
        ("[B].csv", ["B.csv"]),
    ],
)
def test_which_files_a_pattern_means(folder: Path, pattern: str, names: list[str]) -> None:
    """``*``, ``?`` and ``[...]`` stay within one name, ``**`` stands for folders, what is hidden is left out."""
    assert found(folder, pattern) == names


def test_everything_below_comes_in_the_order_of_its_characters(folder: Path) -> None:
    """The order is that of the relative names, with ``/`` between them, and nothing hidden is among them."""
    plain = [name for name in FILES if "/." not in f"/{name}"]
    assert found(folder, "**") == sorted(plain)


def test_a_folder_means_the_files_directly_in_it(folder: Path) -> None:
    """A folder of text and one that is named like a file, as other programs write them."""
    assert list(parse_location(str(folder / "deep" / "a")).pattern.files()) == ["2020-05.csv"]
    written = folder / "posts.parquet"
    written.mkdir()
    for name in ("part-1.parquet", "part-0.parquet", "_SUCCESS", ".part-0.parquet.crc"):
        (written / name).touch()
    assert list(parse_location(str(written)).pattern.files()) == ["part-0.parquet", "part-1.parquet"]


@pytest.mark.parametrize("name", ["posts[1].csv", "*.csv", "what?.csv", "[.csv"])
@pytest.mark.skipif(os.name == "nt", reason="no file can have these names")
def test_a_file_that_has_just_this_name_is_that_file(folder: Path, name: str) -> None:
    """The name of a file that is there is no pattern, nor are folders before the pattern."""
    (folder / name).touch()
    location = parse_location(str(folder / name))
    assert (location.pattern, location.paths()) == (None, (folder / name,))
    (folder / "old [x]").mkdir()
    (folder / "old [x]" / "1.csv").touch()
    assert found(folder / "old [x]", "*.csv") == ["1.csv"]


def test_what_is_no_pattern() -> None:
    """Plain names, whether they are there or not, databases, and what no file can be called."""
    for text in ("posts.csv", "no/such/posts.parquet", "x" * 5000 + ".csv"):
        assert parse_location(text).pattern is None
    assert parse_location("*.db::posts").pattern is None
    assert parse_location("postgresql://h/d::a*").pattern is None
    assert Pattern.of(Path("a*" * 3000 + ".csv")) is not None
    for nothing in ("", "no/such/folder", "x\0*"[:1]):
        with pytest.raises(BadSource, match="names no file"):
            parse_location(nothing)


def test_a_sink_is_never_a_pattern_of_unknown_ending(folder: Path) -> None:
    """What is written has an ending that says how."""
    for name in ("*", "deep"):
        with pytest.raises(BadSource, match="names no file"):
            file_at(folder / name)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.csv", "csv"),
        ("A.CSV", "csv"),
        ("a.tab.gz", "tsv"),
        ("a.NDJSON.GZ", "jsonl"),
        ("a.pq", "parquet"),
        ("a.parquet.gz", None),
        ("a.gz", None),
        ("a", None),
        ("*.gz", None),
        ("*.[ct]sv", None),
    ],
)
def test_the_format_of_a_name(name: str, known: str | None) -> None:
    """Only text is read packed."""
    assert format_of(Path(name)) == known


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("2020-*.parquet", "2020"),
        ("posts-*.csv.gz", "posts"),
        ("*_posts_[0-9][0-9].csv", "posts"),
        ("*.csv", "posts"),
        ("deep/**/*.jsonl", "deep"),
        ("*", "posts"),
        ("part.*.of.9.csv", "part..of.9"),
    ],
)
def test_results_have_a_name_without_wild_cards(folder: Path, pattern: str, name: str) -> None:
    """It is made of the fixed words of the last name, else of the folder's."""
    assert parse_location(str(folder / pattern)).name == name


def test_names_are_compared_in_one_unicode_form(tmp_path: Path) -> None:
    """Whether an accent is a character of its own is the file system's affair."""
    (tmp_path / unicodedata.normalize("NFD", "é1.csv")).touch()
    (tmp_path / unicodedata.normalize("NFC", "é2.csv")).touch()
    for form in ("NFC", "NFD"):
        assert len(found(tmp_path, unicodedata.normalize(form, "é*.csv"))) == 2


class TestLinks:
    @pytest.fixture
    def outside(self, tmp_path: Path, folder: Path) -> Path:
        """A folder beside, with a link to it, one to a file in it, and links within the folder."""
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "2020-99.csv").touch()
        (folder / "out").symlink_to(outside)
        (folder / "2020-98.csv").symlink_to(outside / "2020-99.csv")
        (folder / "2020-97.csv").symlink_to(folder / "B.csv")
        (folder / "deep" / "loop").symlink_to(folder / "deep")
        return outside

    @pytest.mark.usefixtures("outside")
    def test_at_the_command_line_links_are_files_like_others(self, folder: Path) -> None:
        """Somebody who may name any file may name a link; ``**`` alone follows none, so that it ends."""
        assert "2020-98.csv" in found(folder, "2020-*.csv")
        assert found(folder, "out/*.csv") == ["2020-99.csv"]
        assert found(folder, "o*/*.csv") == ["out/2020-99.csv"]
        assert not [name for name in found(folder, "**/*.csv") if name.startswith(("out/", "deep/loop"))]

    @pytest.mark.usefixtures("outside")
    def test_within_a_folder_nothing_leads_out(self, folder: Path) -> None:
        """Links to files and folders outside are as if they were not there, links inside are followed."""
        within = folder.resolve()
        names = found(folder, "**/*.csv", within=within)
        assert "2020-98.csv" not in names
        assert "2020-97.csv" in names
        for pattern in ("out/*.csv", "o*/*.csv", "*/2020-99.csv", "2020-98.cs?"):
            with pytest.raises(BadSource, match="No file matches"):
                found(folder, pattern, within=within)

    def test_a_file_that_became_a_link_out_is_not_read(self, folder: Path, outside: Path) -> None:
        """Between the plan and the reading somebody may have turned a name elsewhere."""
        pattern = Pattern.of(folder / "2020-*.csv", within=folder.resolve())
        (folder / "2020-01.csv").unlink()
        (folder / "2020-01.csv").symlink_to(outside / "2020-99.csv")
        with pytest.raises(BadSource, match="leads out"):
            pattern.path_of("2020-01.csv")
        with pytest.raises(BadSource, match="leads out"):
            pattern.path_of("../outside/2020-99.csv")

    def test_a_hidden_folder_below_is_not_opened(self, folder: Path) -> None:
        """Not even for who knows its name; at the command line its owner may."""
        assert found(folder, ".hidden/*.csv") == ["2020-06.csv"]
        for pattern in (".hidden/*.csv", ".upload-*", "deep/.upload-*", "[.]hidden.csv", ".*"):
            with pytest.raises(BadSource, match="No file matches"):
                found(folder, pattern, within=folder.resolve())

    def test_a_link_to_nowhere_is_a_file_that_is_missed(self, folder: Path) -> None:
        """It is not left out in silence; links that only lead to each other are not either, and hold nothing up."""
        (folder / "2020-50.csv").symlink_to(folder / "gone.csv")
        (folder / "2020-51.csv").symlink_to(folder / "2020-51.csv")
        assert {"2020-50.csv", "2020-51.csv"} < set(found(folder, "2020-*.csv"))
        assert "2020-51.csv" not in found(folder, "2020-*.csv", within=folder.resolve())

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
    def test_a_pipe_is_no_file(self, folder: Path) -> None:
        """Reading one would wait for ever."""
        os.mkfifo(folder / "2020-60.csv")
        assert "2020-60.csv" not in found(folder, "2020-*.csv")


class TestTaken:
    @pytest.mark.parametrize(
        ("name", "taken"),
        [
            ("2020-01.csv", True),
            ("2020-77.csv", True),
            ("2020-77.parquet", False),
            ("deep/2020-77.csv", False),
            ("../posts/2020-77.csv", True),
            (".2020-77.csv", False),
            ("../2020-77.csv", False),
        ],
    )
    def test_a_file_to_write_to_may_be_one_that_is_read(self, folder: Path, name: str, taken: bool) -> None:
        """Also one that is not there yet: the next run would read it."""
        assert parse_location(str(folder / "2020-*.csv")).takes(folder / name) is taken

    def test_also_by_another_name(self, folder: Path) -> None:
        """Links to a file that is read and from one are the file."""
        pattern = parse_location(str(folder / "2020-*.csv"))
        (folder / "other.csv").symlink_to(folder / "2020-01.csv")
        assert pattern.takes(folder / "other.csv")
        (folder / "2020-88.csv").symlink_to(folder / "B.csv")
        assert pattern.takes(folder / "B.csv")
        assert pattern.takes(folder / "2020-88.csv")
        assert not pattern.takes(folder / "2021-01.csv")

    def test_of_one_file_and_of_none(self, folder: Path) -> None:
        """A single file is itself; a pattern without files takes those that it would match."""
        single = parse_location(str(folder / "B.csv"))
        assert (single.takes(folder / "a b" / ".." / "B.csv"), single.takes(folder / "2020-01.csv")) == (True, False)
        nothing = parse_location(str(folder / "no" / "*.csv"))
        assert (nothing.takes(folder / "no" / "x.csv"), nothing.takes(folder / "B.csv")) == (True, False)
        server = parse_location("postgresql://h/d::t")
        assert (server.takes(folder / "B.csv"), server.paths()) == (False, ())

    def test_the_paths_of_a_pattern(self, folder: Path) -> None:
        """They are those of its files, in order."""
        assert parse_location(str(folder / "2020-0*.csv")).paths() == (folder / "2020-01.csv", folder / "2020-02.csv")


class TestRefused:
    def test_no_file_and_no_folder(self, folder: Path) -> None:
        """What was looked for is said."""
        with pytest.raises(BadSource, match="No file matches") as caught:
            found(folder, "2019-*.csv")
        assert str(folder / "2019-*.csv") in caught.value.where
        assert "**" in caught.value.way_out
        for missing in ("nowhere/*.csv", "B.csv/*.csv"):
            with pytest.raises(BadSource, match="no such folder"):
                found(folder, missing)

    def test_too_many_files(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each file makes at least one step of work."""
        monkeypatch.setattr(file_pattern, "MOST_FILES", 3)
        assert len(found(folder, "2020-*.csv")) == 3
        with pytest.raises(TooLarge, match="More than 3"):
            found(folder, "20*.csv")

    @pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
    def test_a_name_that_is_no_unicode(self, folder: Path) -> None:
        """It could not be kept with the plan."""
        Path(os.fsdecode(os.fsencode(folder) + b"/2020-\xff.csv")).touch()
        with pytest.raises(BadSource, match="not Unicode") as caught:
            found(folder, "2020-*.csv")
        caught.value.message.encode()

    @pytest.mark.parametrize(
        ("pattern", "files"),
        [("**/" * 300 + "*.csv", 10), ("*a" * 120 + "b.csv", 0), ("[" * 200 + ".csv", 0), ("**/a/" * 200 + "*.csv", 0)],
    )
    def test_a_pattern_that_is_meant_to_take_long(self, folder: Path, pattern: str, files: int) -> None:
        """Every name is looked at once for each place in the pattern, whatever the pattern."""
        (folder / ("a" * 200 + ".csv")).touch()
        made = Pattern.of(folder / pattern)
        if files:
            assert len(made.files()) == files
        else:
            with pytest.raises(BadSource, match="No file matches"):
                made.files()
        assert made.takes(folder / ("a/" * 300 + "x.csv")) is pattern.startswith("**")
