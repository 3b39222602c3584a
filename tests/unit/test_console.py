"""What verbs print: tables for people, JSON for programs, progress and errors on stderr."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from labelmill import console
from labelmill.errors import BadFile, BadSettings

ROWS = [{"name": "ann", "records": 3}, {"name": "bob", "records": 1200}]


class TestRows:
    """``print_rows``."""

    def test_people_get_a_heading_and_a_line_for_each_row(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows(ROWS)
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
            ["name", "records"],
            ["ann", "3"],
            ["bob", "1200"],
        ]

    def test_columns_choose_and_order(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows(ROWS, columns=["records", "name"])
        assert capsys.readouterr().out.splitlines()[1].split() == ["3", "ann"]

    def test_programs_get_every_field_whatever_the_columns(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows(ROWS, columns=["name"], json=True)
        assert json.loads(capsys.readouterr().out) == ROWS

    def test_rows_may_come_from_a_generator_and_lack_fields(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows(row for row in [{"a": 1}, {"b": 2}])
        assert capsys.readouterr().out.splitlines()[0].split() == ["a", "b"]

    def test_no_rows_are_an_empty_array_or_a_heading(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows([], columns=["name"], json=True)
        console.print_rows([], columns=["name"])
        assert capsys.readouterr().out == "[]\nname\n"

    def test_a_long_value_stays_on_its_line_where_there_is_no_terminal(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows([{"text": "long " * 500, "end": "here"}])
        out = capsys.readouterr().out
        assert len(out.splitlines()) == 2
        assert out.endswith("here\n")

    def test_lines_do_not_end_in_spaces(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows([{"a": "x", "b": ""}, {"a": "y", "b": "long"}])
        assert all(line == line.rstrip() for line in capsys.readouterr().out.splitlines())

    def test_brackets_and_colons_are_text_and_no_markup(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows([{"text": "[bold]x[/bold] [/] :smile: [link=http://x]y"}])
        assert "[bold]x[/bold] [/] :smile: [link=http://x]y" in capsys.readouterr().out


class TestFields:
    """``print_fields``."""

    def test_people_get_a_line_for_each_field(self, capsys: pytest.CaptureFixture[str]):
        console.print_fields({"id": "j1", "done": True, "rate": 1234.5, "queues": ["a", "b"], "error": None})
        lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
        assert lines == [["id", "j1"], ["done", "true"], ["rate", "1,234.5"], ["queues", "a, b"], ["error"]]

    def test_programs_get_one_object(self, capsys: pytest.CaptureFixture[str]):
        console.print_fields({"id": "j1", "error": None}, json=True)
        assert json.loads(capsys.readouterr().out) == {"id": "j1", "error": None}


class TestJson:
    """``print_json`` prints what JSON can hold and nothing else."""

    @pytest.mark.parametrize(
        ("value", "read"),
        [
            (float("nan"), None),
            (float("inf"), None),
            (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
            (Path("/data/x"), "/data/x"),
            ((1, 2), [1, 2]),
            ({1: "a"}, {"1": "a"}),
            ("標籤\x1b\n", "標籤\x1b\n"),
        ],
    )
    def test_what_becomes_of_a_value(self, capsys: pytest.CaptureFixture[str], value: object, read: object):
        console.print_json({"value": value})
        assert json.loads(capsys.readouterr().out) == {"value": read}

    def test_text_is_not_escaped(self, capsys: pytest.CaptureFixture[str]):
        console.print_json("標籤")
        assert capsys.readouterr().out == '"標籤"\n'


class TestPrintable:
    """Text from outside cannot steer the terminal."""

    @given(st.text())
    def test_what_is_shown_is_printable_and_one_line(self, text: str):
        shown = console.printable(text)
        assert shown.replace("\u200d", "").isprintable()
        assert len(shown.splitlines()) <= 1

    @given(st.text(st.characters(categories=["L", "N", "P", "S", "M"])))
    def test_letters_of_any_script_stay(self, text: str):
        assert console.printable(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [("a\x1b[2J", "a\\x1b[2J"), ("a\nb", "a\\nb"), ("\u202egnp", "\\u202egnp"), ("👩\u200d🔬", "👩\u200d🔬")],
    )
    def test_examples(self, text: str, shown: str):
        assert console.printable(text) == shown

    def test_in_tables_and_lines(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows([{"a": "x\x1b[2J\ny"}])
        console.say("x\x1b[2J\ny")
        printed = capsys.readouterr()
        assert "\x1b" not in printed.out + printed.err
        assert (printed.out.count("\n"), printed.err.count("\n")) == (2, 1)


class TestErrors:
    """``print_error``."""

    def test_without_place_and_way_out_nothing_is_left_blank(self, capsys: pytest.CaptureFixture[str]):
        error = BadFile("It ends in the middle.")
        console.print_error(error, error.id)
        assert capsys.readouterr().err == f"error[bad-file]: It ends in the middle. (id {error.id})\n"

    def test_with_both(self, capsys: pytest.CaptureFixture[str]):
        error = BadFile("It ends in the middle.", where="posts.csv row 3", way_out="Write it again.")
        console.print_error(error, error.id)
        assert (
            capsys.readouterr().err
            == f"error[bad-file] posts.csv row 3: It ends in the middle. Write it again. (id {error.id})\n"
        )

    def test_an_unexpected_one_shows_no_password(self, capsys: pytest.CaptureFixture[str]):
        console.print_error(ValueError("cannot open postgresql://ann:hunter2@db/x"), "0" * 32)
        err = capsys.readouterr().err
        assert "hunter2" not in err
        assert f"(id {'0' * 32})" in err

    def test_details_that_json_does_not_know_do_not_hide_the_error(self, capsys: pytest.CaptureFixture[str]):
        error = BadFile("x", path=Path("/data"), kinds={"a"})
        console.print_error(error, error.id, json=True)
        assert json.loads(capsys.readouterr().err)["path"] == "/data"


class TestSettingsOf:
    """A verb asks for the settings; they are read once and only then."""

    def verb(self) -> typer.Typer:
        app = typer.Typer()

        @app.command()
        def show(context: typer.Context) -> None:
            assert console.settings_of(context) is console.settings_of(context)
            console.print_json(console.settings_of(context).port)

        return app

    def test_the_command_line_is_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(self.verb(), [], obj=console.Invocation({"port": "9000"}))
        assert result.output == "9000\n"

    def test_a_verb_alone_has_the_settings_of_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(self.verb(), [], env={"LABELMILL_PORT": "9001"})
        assert result.output == "9001\n"

    def test_mistakes_are_raised(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(self.verb(), [], obj=console.Invocation({"port": "x"}))
        assert isinstance(result.exception, BadSettings)


class TestProgress:
    """A bar on a terminal's stderr, nothing elsewhere."""

    PROGRAM = """
from labelmill.console import progress
with progress("Label [posts]", total=10) as tell:
    for done in range(11):
        tell(done, 10)
print("result")
"""

    def test_without_a_terminal_nothing_is_drawn(self):
        done = subprocess.run([sys.executable, "-c", self.PROGRAM], capture_output=True, text=True, check=True, timeout=60)
        assert (done.stdout, done.stderr) == ("result\n", "")

    def test_on_a_terminal_it_is_drawn_on_stderr(self):
        shown, result = self.on_terminal(self.PROGRAM)
        assert "Label [posts]" in shown
        assert "10/10" in shown
        assert result == "result\n"

    def test_a_failing_verb_takes_the_bar_away(self):
        program = "from labelmill.console import progress\nwith progress('Label') as tell:\n    tell(1, None)\n    raise SystemExit(3)\n"
        shown, _result = self.on_terminal(program)
        assert shown.rstrip().endswith("\x1b[2K")
        assert "\x1b[?25h" in shown  # the cursor is back

    def on_terminal(self, program: str) -> tuple[str, str]:
        """Run a program whose stderr is a terminal; return what the terminal got and stdout."""
        ours, theirs = pty.openpty()
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=theirs, text=True, env=environ
        ) as process:
            os.close(theirs)
            out, _ = process.communicate(timeout=60)
        return _read_all(ours), out


class TestTerminal:
    """Colours and lines only where somebody looks."""

    def test_a_table_has_no_colours_in_a_pipe(self, capsys: pytest.CaptureFixture[str]):
        console.print_rows(ROWS)
        assert "\x1b" not in capsys.readouterr().out

    def test_a_console_without_a_terminal_does_not_cut(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        assert console.make_console().width == console.NO_TERMINAL_WIDTH


def _read_all(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:  # Linux tells a terminal's end so
        pass
    os.close(descriptor)
    return b"".join(parts).decode()
