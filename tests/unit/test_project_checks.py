"""`make lint`'s own checks: they accept what is here and refuse what they are for."""

from __future__ import annotations

import pytest

import check_sizes
import check_tracked


def _function(name: str, lines: int, comment: str = "") -> str:
    return "\n".join([f"def {name}():{comment}", *["    x = 1"] * (lines - 1)]) + "\n"


def test_small_functions_and_files_are_accepted():
    assert check_sizes.complaints({"a.py": _function("f", 10) + _function("g", 3)}) == []


def test_no_source_at_all_is_no_complaint():
    assert check_sizes.complaints({"a.py": ""}) == []


def test_a_long_function_is_named_with_its_line():
    sources = {"a.py": "import x\n" + _function("f", 81), "b.py": _function("g", 2) * 20}
    assert check_sizes.complaints(sources) == ["a.py:2 f: 81 lines, at most 80: split it, or say why with '# long: <reason>'"]


@pytest.mark.parametrize(
    ("comment", "accepted"), [("  # long: a table of cases", True), ("  # long:", False), ("  # it is", False)]
)
def test_a_reason_excuses_a_long_function_only_when_it_is_one(comment, accepted):
    sources = {"a.py": _function("f", 81, comment), "b.py": _function("g", 2) * 20}
    assert (check_sizes.complaints(sources) == []) is accepted


def test_methods_and_nested_functions_count():
    source = "class A:\n    async def f(self):\n        def g():\n            pass\n"
    assert [(item.place, item.lines) for item in check_sizes.functions_in("a.py", source)] == [("a.py:2 f", 3), ("a.py:3 g", 2)]


def test_the_median_and_the_longest_tenth_are_held():
    assert check_sizes.complaints({"a.py": _function("f", 11) * 3}) == ["the median function has 11 lines, at most 10"]
    tenth = {"a.py": _function("f", 2) * 9 + _function("g", 36)}
    assert check_sizes.complaints(tenth) == ["one function in ten has 36 lines or more, at most 35"]


def test_a_file_of_401_lines_is_refused():
    assert check_sizes.complaints({"a.py": "x = 1\n" * 400}) == []
    assert check_sizes.complaints({"a.py": "x = 1\n" * 401}) == ["a.py: 401 lines, at most 400: split it by noun"]


def test_the_package_is_measured():
    assert "src/labelmill/errors.py" in check_sizes.read_sources()


# Each is put together here, so that this file may itself be tracked.
@pytest.mark.parametrize(
    "line",
    [
        "cd /wo" + "rk/main",
        "log: /tm" + "p/bash_jobs.0/x",
        "open('/ho" + "me/alice/x')",
        "/ro" + "ot/.cache",
        "--index" + "-url x",
        '"reso' + 'lved" : "x"',
        "https://files.python" + "hosted.org/x",
        "https://registry" + ".npmjs.org/x",
    ],
)
def test_a_line_that_ties_the_project_to_a_place_is_refused(line):
    (sentence,) = check_tracked.complaints("docs/a.md", f"fine\n{line}\nfine\n")
    assert sentence.startswith("docs/a.md:2: names ")


@pytest.mark.parametrize(
    "line", ["network/folder", "the resolved URL", "/tmp/x", "an index of urls", "https://pypi" + ".org/project/x"]
)
def test_a_line_that_only_looks_so_is_accepted(line):
    assert check_tracked.complaints("docs/a.md", line) == []


@pytest.mark.parametrize(
    "line", ["x @ https://example.org/x.whl", "-e .", "git+ssh://example.org/x", "--trusted-host example.org"]
)
def test_a_requirement_is_a_name_and_a_version(line):
    assert check_tracked.complaints("requirements/a.txt", f"polars==2.1.0\n{line}\n")
    assert not check_tracked.complaints("docs/a.md", line)


def test_the_tracked_files_are_read():
    assert "pyproject.toml" in check_tracked.tracked_texts()
