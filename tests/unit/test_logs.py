"""Log lines: one shape for ours and the libraries', one line each, on stderr, without passwords."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from labelmill import clock, logs
from labelmill.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logs.get_logger("labelmill.example")


def fail(error: Exception) -> None:
    raise error


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging belongs to the process: each test begins without ours and gives it back as it was."""
    root = logging.getLogger()
    level, names = root.level, (*logs.LIBRARIES, *logs.QUIET)
    before = {name: (list(one.handlers), one.propagate, one.level) for name in names for one in [logging.getLogger(name)]}
    _remove_ours(root)
    yield
    _remove_ours(root)
    root.setLevel(level)
    for name, (handlers, propagate, own_level) in before.items():
        one = logging.getLogger(name)
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(own_level)
    structlog.reset_defaults()


def _remove_ours(root: logging.Logger) -> None:
    for handler in [one for one in root.handlers if isinstance(one, logs.StderrHandler)]:
        root.removeHandler(handler)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that gives the JSON lines logged since its last call."""
    logs.configure("debug", "json")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class TestJsonLines:
    """What a program reads."""

    def test_l28_a_line_has_time_level_logger_and_message_first(self, lines):
        log.info("Read rows.", rows=12)
        (line,) = lines()
        assert list(line)[:4] == ["time", "level", "logger", "message"]
        assert (line["level"], line["logger"], line["message"], line["rows"]) == ("info", "labelmill.example", "Read rows.", 12)

    def test_the_time_is_utc_in_iso_form(self, lines):
        log.info("Now.")
        (line,) = lines()
        assert line["time"].endswith("Z")
        assert abs(datetime.fromisoformat(line["time"]) - clock.now()) < timedelta(minutes=1)

    @pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
    def test_each_level_has_its_name(self, lines, level: str):
        getattr(log, level)("x")
        assert lines()[0]["level"] == level

    def test_a_message_may_have_arguments(self, lines):
        log.info("Read %d of %s.", 3, "posts")
        assert lines()[0]["message"] == "Read 3 of posts."

    def test_a_percent_sign_without_arguments_stays(self, lines):
        log.info("100 % of %s")
        assert lines()[0]["message"] == "100 % of %s"

    @pytest.mark.parametrize("name", ["name", "module", "args", "process", "created", "exc_text", "filename", "thread"])
    def test_fields_may_have_names_that_the_standard_library_uses_itself(self, lines, name: str):
        log.info("x", **{name: "mine"})
        assert lines()[0][name] == "mine"

    @pytest.mark.parametrize("name", ["message", "level", "logger", "time", "exception"])
    def test_a_field_cannot_take_the_place_of_what_every_line_has(self, lines, name: str):
        log.info("real", **{name: "forged"})
        (line,) = lines()
        assert line["message"] == "real"
        assert line[f"{name}_"] == "forged"

    def test_a_line_end_in_a_message_makes_no_second_line(self, lines):
        log.info('x\n{"message": "forged"}')
        (line,) = lines()
        assert line["message"] == 'x\n{"message": "forged"}'

    def test_text_of_any_script_stays_readable(self, capsys):
        logs.configure("info", "json")
        log.info("標籤 ß é")
        assert "標籤 ß é" in capsys.readouterr().err

    def test_an_exception_carries_its_traceback(self, lines):
        try:
            fail(ZeroDivisionError("nothing to divide by"))
        except ZeroDivisionError:
            log.exception("Failed.")
        (line,) = lines()
        assert line["level"] == "error"
        assert "test_logs.py" in line["exception"]
        assert line["exception"].endswith("ZeroDivisionError: nothing to divide by")

    def test_values_that_json_does_not_know_are_told_as_text(self, lines):
        log.info("x", at=datetime(2026, 1, 2, tzinfo=UTC), kind=NotFound)
        assert "2026" in lines()[0]["at"]


class TestConsoleLines:
    """What a person reads."""

    @pytest.fixture
    def shown(self, capsys) -> Any:
        logs.configure("info", "console")
        return lambda: capsys.readouterr().err

    def test_a_line_names_level_message_logger_and_fields(self, shown):
        log.warning("Slow.", seconds=3)
        line = shown()
        assert line.count("\n") == 1
        for part in ("warning", "Slow.", "[labelmill.example]", "seconds=3"):
            assert part in line

    def test_there_are_no_colours_where_there_is_no_terminal(self, shown):
        log.error("x")
        assert "\x1b" not in shown()

    @pytest.mark.parametrize("end", ["\n", "\r", "\x1b[2J", "\x85", "\u2028", "\x00"])
    def test_nothing_in_a_message_ends_the_line_or_steers_the_terminal(self, shown, end: str):
        log.info("%s", f"before{end}after")
        line = shown()
        assert end not in line.removesuffix("\n")
        assert len(line.splitlines()) == 1

    @pytest.mark.parametrize("end", ["\n", "\r", "\x1b[2J"])
    def test_nor_in_a_field(self, shown, end: str):
        log.info("x", author=f"before{end}after")
        line = shown()
        assert end not in line.removesuffix("\n")
        assert len(line.splitlines()) == 1

    def test_an_exception_is_shown_below_its_line(self, shown):
        try:
            fail(ZeroDivisionError("x"))
        except ZeroDivisionError:
            log.exception("Failed.")
        assert "Traceback (most recent call last)" in shown()


class TestLevels:
    """What is logged at all."""

    def test_less_important_lines_are_left_out(self, capsys):
        logs.configure("warning", "json")
        log.info("no")
        log.warning("yes")
        assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["yes"]

    def test_the_last_call_holds_and_lines_are_not_doubled(self, capsys):
        logs.configure("error", "console")
        logs.configure("info", "json")
        log.info("once")
        (line,) = capsys.readouterr().err.splitlines()
        assert json.loads(line)["message"] == "once"

    def test_it_tells_whether_it_was_called(self):
        assert not logs.is_configured()
        logs.configure()
        assert logs.is_configured()

    def test_nothing_goes_to_stdout(self, capsys):
        logs.configure("debug", "json")
        log.error("x")
        structlog.get_logger("other").error("y")
        assert capsys.readouterr().out == ""


class TestLibraries:
    """Lines of others take the same way."""

    @pytest.mark.parametrize(
        "name", ["uvicorn.error", "uvicorn.access", "sqlalchemy.orm", "celery.worker", "alembic.runtime", "some.other"]
    )
    def test_their_lines_have_the_same_shape(self, lines, name: str):
        logging.getLogger(name).warning("They say %s.", "this")
        (line,) = lines()
        assert (line["logger"], line["level"], line["message"]) == (name, "warning", "They say this.")

    @pytest.mark.parametrize("name", ["uvicorn", "uvicorn.access", "celery"])
    def test_handlers_of_their_own_are_taken_away(self, capsys, name: str):
        library = logging.getLogger(name)
        library.addHandler(logging.StreamHandler(sys.stderr))
        library.propagate = False
        logs.configure("info", "json")
        library.warning("once")
        (line,) = capsys.readouterr().err.splitlines()
        assert json.loads(line)["logger"] == name

    def test_statements_with_their_values_are_not_logged_even_at_debug(self, lines):
        logging.getLogger("sqlalchemy.engine.Engine").info("INSERT ... ('ann@example.org',)")
        assert lines() == []

    def test_structlogs_own_loggers_have_the_same_shape(self, lines):
        structlog.get_logger("labelmill.jobs.sweep").info("Swept.", steps=2)
        (line,) = lines()
        assert (line["logger"], line["message"], line["steps"]) == ("labelmill.jobs.sweep", "Swept.", 2)


class TestContext:
    """A line names the job, step, request and worker that it belongs to."""

    def test_lines_inside_name_it_and_lines_outside_do_not(self, lines):
        with logs.context(job="j1", step="s2", request="r3", worker="w4"):
            log.info("inside")
        log.info("outside")
        inside, outside = lines()
        assert {name: inside[name] for name in ("job", "step", "request", "worker")} == {
            "job": "j1",
            "step": "s2",
            "request": "r3",
            "worker": "w4",
        }
        assert "job" not in outside

    def test_an_inner_context_adds_to_the_outer_and_ends_alone(self, lines):
        with logs.context(job="j1"):
            with logs.context(step="s1"):
                log.info("both")
            log.info("one")
        both, one = lines()
        assert (both["job"], both["step"]) == ("j1", "s1")
        assert one["job"] == "j1"
        assert "step" not in one

    def test_libraries_lines_name_it_too(self, lines):
        with logs.context(request="r3"):
            logging.getLogger("uvicorn.error").info("x")
        assert lines()[0]["request"] == "r3"

    def test_threads_do_not_see_each_others(self, lines):
        def work(number: int) -> None:
            with logs.context(job=f"j{number}"):
                log.info("x", number=number)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(50)))
        assert all(line["job"] == f"j{line['number']}" for line in lines())

    def test_a_context_ends_with_an_error_too(self, lines):
        with pytest.raises(ZeroDivisionError), logs.context(job="j1"):
            raise ZeroDivisionError
        log.info("x")
        assert "job" not in lines()[0]


class TestErrors:
    """Every error that is told has an id that is in the log."""

    def test_ours_is_a_warning_with_its_own_id_and_code_and_no_traceback(self, capsys):
        logs.configure("info", "json")
        error = NotFound("There is no job 7.", where="job 7", way_out="`labelmill jobs list` shows them.")
        assert logs.log_error(error) == error.id
        line = json.loads(capsys.readouterr().err)
        assert (line["level"], line["error"], line["code"]) == ("warning", error.id, "not-found")
        assert line["message"] == "job 7: There is no job 7. `labelmill jobs list` shows them."
        assert "exception" not in line

    def test_ours_has_its_traceback_at_level_debug(self, lines):
        try:
            fail(Unavailable("The broker does not answer."))
        except Unavailable as error:
            logs.log_error(error)
        assert "test_logs.py" in lines()[0]["exception"]

    def test_any_other_is_an_error_with_traceback_and_a_new_id(self, capsys):
        logs.configure("info", "json")
        try:
            fail(KeyError("gone"))
        except KeyError as error:
            identity = logs.log_error(error)
        line = json.loads(capsys.readouterr().err)
        assert len(identity) == 32
        assert (line["level"], line["error"], line["code"]) == ("error", identity, "internal")
        assert line["message"] == "KeyError: 'gone'"
        assert "test_logs.py" in line["exception"]

    def test_an_error_logged_twice_keeps_its_id(self, lines):
        error = ValueError("x")
        assert logs.log_error(error) == logs.log_error(error) == logs.error_id(error)
        assert len({line["error"] for line in lines()}) == 1

    def test_two_errors_have_two_ids(self):
        assert logs.error_id(ValueError()) != logs.error_id(ValueError())

    def test_fields_and_context_are_added(self, lines):
        with logs.context(job="j1"):
            logs.log_error(ValueError("x"), attempt=2)
        (line,) = lines()
        assert (line["job"], line["attempt"]) == ("j1", 2)

    def test_the_level_can_be_chosen(self, capsys):
        logs.configure("info", "json")
        logs.log_error(ValueError("x"), level="debug")
        assert capsys.readouterr().err == ""


class TestPasswords:
    """Passwords in URLs do not reach the log, wherever they stand."""

    @pytest.mark.parametrize("password", ["hunter2", "hun@ter2", "hun/ter2", "hun:ter2", "hun?ter2#"])
    def test_in_messages_fields_and_tracebacks(self, capsys, password: str):
        logs.configure("debug", "json")
        url = f"postgresql+psycopg://ann:{password}@db.example.org/labels"
        log.info("Connect to %s now.", url, url=url)
        logging.getLogger("sqlalchemy.pool.x").warning("Lost %s", url)
        try:
            fail(ValueError(f"cannot open {url}"))
        except ValueError as error:
            logs.log_error(error)
        text = capsys.readouterr().err
        assert text.count("\n") == 3
        assert "ter2" not in text
        assert text.count("postgresql+psycopg://ann:********@db.example.org/labels") >= 4

    def test_other_urls_stay(self, lines):
        log.info("See https://labels.example.org:8443/jobs/7 and redis://mq:6379/0.")
        assert lines()[0]["message"] == "See https://labels.example.org:8443/jobs/7 and redis://mq:6379/0."


def test_a_program_that_only_imports_us_keeps_its_own_logging():
    """In a notebook nothing is configured: our loggers are ordinary ones of the standard library."""
    program = """
import logging
logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level="INFO")
from labelmill import logs
import structlog
assert not structlog.is_configured()
logs.get_logger("labelmill.example").info("Read %d.", 3, rows=3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "INFO labelmill.example Read 3.\n"
    assert done.stdout == ""


def test_a_closed_stderr_does_not_stop_the_work():
    program = "import sys; from labelmill import logs; logs.configure(); sys.stderr.close(); logs.get_logger('x').error('y'); print('on')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "on\n"


def test_a_level_that_a_library_set_itself_does_not_hold(capsys):
    """A server that was configured in this process before has no say in what is logged."""
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
    logs.configure("info", "json")
    assert logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO)
