"""The reference pages are what the code says, and the tree of errors is what its drawing shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dotenv import dotenv_values

from labelmill import cli, errors, reference
from labelmill.settings import Settings, load_settings
from labelmill.settings.model import about_field, env_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KINDS = list(reference.walk_errors())


@pytest.mark.parametrize("path", reference.PAGES)
def test_a_page_equals_what_the_code_says(path: str):
    """If not: ``python -m labelmill.reference`` writes the pages again."""
    assert (ROOT / path).read_text(encoding="utf-8") == reference.PAGES[path]()


def test_the_pages_are_written_where_they_belong(tmp_path: Path):
    reference.write(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(reference.PAGES)
    assert (tmp_path / "docs/reference/errors.md").read_text(encoding="utf-8") == reference.errors_page()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_page_of_settings_has_a_row_with_every_name(name: str):
    (row,) = [line for line in reference.settings_page().splitlines() if line.startswith(f"| `{env_name(name)}` |")]
    for other in about_field(name).also:
        assert f"`{other}`" in row
    assert about_field(name).meaning in row


def test_the_page_of_settings_is_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = reference.settings_page()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LABELMILL_PORT", "1")
    monkeypatch.chdir(tmp_path)
    assert reference.settings_page() == before
    assert str(Path.home()) not in before


def test_the_example_sets_nothing(tmp_path: Path):
    (tmp_path / ".env").write_text(reference.env_example())
    assert dotenv_values(tmp_path / ".env") == {}


def test_the_examples_lines_can_be_used(tmp_path: Path):
    """Every line with a value that holds as it stands is understood when its mark is taken away."""
    lines = [line for line in reference.env_example().splitlines() if re.match(r"# LABELMILL_\w+=", line) and "<" not in line]
    assert len(lines) > 40
    (tmp_path / ".env").write_text("\n".join(line.removeprefix("# ") for line in lines))
    settings = load_settings({"data_dir": str(tmp_path)}, {}, tmp_path / ".env")
    assert settings.warnings == ()
    assert settings.model_dump() == load_settings({"data_dir": str(tmp_path)}, {}, _empty(tmp_path)).model_dump()


def _empty(folder: Path) -> Path:
    (folder / "empty.env").write_text("")
    return folder / "empty.env"


class TestErrorTree:
    """``errors.py``."""

    def test_every_code_is_used_once(self):
        codes = [kind.code for kind in KINDS]
        assert len(codes) == len(set(codes))

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_class_says_its_own_code(self, kind: type[errors.LabelmillError]):
        """A code taken from the parent could not be told from the parent's."""
        assert "code" in vars(kind)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_class_has_a_status_an_exit_code_and_one_sentence(self, kind: type[errors.LabelmillError]):
        assert 400 <= kind.status <= 599
        assert 1 <= kind.exit_code <= 99
        assert (kind.__doc__ or "").strip().splitlines()[0].endswith(".")

    def test_every_class_of_the_file_is_in_the_tree(self):
        found = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)}
        assert found == set(KINDS)

    def test_the_drawing_shows_the_tree(self):
        drawing = re.findall(r"^    ([ |`-]*-- \w+) +([a-z-]+) +(\d+) +(\d+)$", errors.__doc__ or "", re.MULTILINE)
        assert drawing == list(_draw(errors.LabelmillError))

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_class_is_on_the_page(self, kind: type[errors.LabelmillError]):
        page = reference.errors_page()
        retryable = "yes" if kind.retryable else ""
        assert f"| `{kind.code}` | {kind.status} | {kind.exit_code} | {retryable} | {kind.__name__} |" in page

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_class_is_told_in_the_same_shape(self, kind: type[errors.LabelmillError]):
        error = kind("What happened.", where="row 1", way_out="Do this.", row=1)
        problem = error.as_problem()
        assert str(error) == "row 1: What happened. Do this."
        assert (problem["code"], problem["status"], problem["id"]) == (kind.code, kind.status, error.id)
        assert (problem["where"], problem["way_out"], problem["row"]) == ("row 1", "Do this.", 1)


def _draw(kind: type[errors.LabelmillError], indent: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield branch with name, code, status and exit code of every class below ``kind``."""
    children = [child for child in kind.__subclasses__() if child in KINDS]
    for child in children:
        last = child is children[-1]
        yield f"{indent}{'`' if last else '|'}-- {child.__name__}", child.code, str(child.status), str(child.exit_code)
        yield from _draw(child, indent + ("    " if last else "|   "))


class TestCliPage:
    """The page of the command line."""

    def test_every_verb_has_a_section_with_its_help(self):
        page = reference.cli_page()
        for name, _target, _summary in cli.VERBS:
            assert f"### `labelmill {name}`" in page

    def test_options_are_listed_with_their_meaning(self):
        assert "| `--json` |  | Print JSON for programs instead of a table for people. |" in reference.cli_page()

    def test_it_does_not_change_with_what_was_called_before(self):
        before = reference.cli_page()
        cli.load_verb(*cli.VERBS[0][:2])
        assert reference.cli_page() == before
