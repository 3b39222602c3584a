"""What pages say when something is refused, in the reader's language, values and all."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import labelmill
from labelmill import errors
from labelmill.errors import LabelmillError
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, check
from labelmill.settings import Settings
from labelmill.web.translation import Translator, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(labelmill.__file__).parent
#: Features whose refusals reach a page, and what of them only a command line or a log sees.
FEATURES = (
    *(
        "accounts",
        "annotation",
        "archives",
        "blobs",
        "connections",
        "datasets",
        "db",
        "exports",
        "http",
        "jobs",
        "labeltasks",
        "learning",
    ),
    *("rules", "web"),
)
NO_PAGES = (
    "cli.py", "import_cli.py", "audit_cli.py", "load.py", "secret.py", "serve.py", "table_jobs.py", "people.py", "adopt", "metrics.py", "column_json.py",
    "spool.py", "heart.py", "inline.py", "registry.py", "leases.py", "local_files.py", "migrate.py", "engine.py", "batch.py", "verify.py", "opening.py",
    "sentences.py", "matrix.py", "checking.py",
)  # fmt: skip
#: Whose pattern would take nearly every sentence for its own.
TOO_WIDE = {
    "{0} is {1}.",
    "{0}; not {1}.",
    "In {0} {1}.",
    "Job {0} {1}.",
    "The rule {0} {1}",
    "Set {0}.",
    "{0} is {1}, not text.",
}
KINDS = {name for name, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, LabelmillError)}


def literal(node: ast.expr) -> str | None:
    """Return a text as the catalogue has it, with {0}, {1} for its values; None for what is no text as it stands."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    places = iter(range(len(node.values)))
    return "".join(str(part.value) if isinstance(part, ast.Constant) else f"{{{next(places)}}}" for part in node.values)


def said() -> Iterator[tuple[str, str]]:
    """Give what the features' errors say, with the file in which they say it."""
    for path in sorted(each for feature in FEATURES for each in (PACKAGE / feature).rglob("*.py")):
        inner = path.relative_to(PACKAGE).parts
        if any(part in NO_PAGES for part in inner):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                texts = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "way_out")]
                yield from ((text, "/".join(inner)) for each in texts if (text := literal(each)))


def test_every_refusal_of_a_page_is_told_in_chinese() -> None:
    known = catalogue("zh-Hant")
    missing = {text: place for text, place in said() if text not in known and text not in TOO_WIDE and text.strip("{0}. ")}
    assert not missing, "\n".join(f"{place}: {text}" for text, place in missing.items())


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("There is no dataset 'a\nb'.", "沒有資料集 'a\nb'。"),
        ("A whole number from 1 to 1,000,000.", "請填 1 到 1,000,000 的整數。"),
        ("The label '{0} {x}' has answers.", "標籤 '{0} {x}' 已有答案。"),
        ("Train on posts", "訓練 posts"),
        ("Import of mail.csv into posts", "匯入 mail.csv 到 posts"),
        ("Label text of posts.db with names into out.csv", "以 names 標註 posts.db 的 text，寫入 out.csv"),  # noqa: RUF001 - the comma of Chinese
        ("Nobody is signed in.", "尚未登入。"),
        ("This is no sentence of ours.", "This is no sentence of ours."),
    ],
)
def test_a_text_with_values_is_known_by_the_words_around_them(english: str, chinese: str) -> None:
    assert Translator("zh-Hant")(english) == chinese
    assert Translator("en")(english) == english


def titles() -> Iterator[str]:
    """Give the title of each job that is submitted anywhere."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "submit":
                yield from (text for each in node.keywords if each.arg == "title" and (text := literal(each.value)))


def test_every_job_has_a_title_in_chinese() -> None:
    found = set(titles())
    assert len(found) > 7
    assert sorted(found - set(catalogue("zh-Hant"))) == []


def test_every_setting_is_explained_in_chinese(tmp_path: Path) -> None:
    rows = Settings(data_dir=tmp_path).table()
    assert sorted({row.meaning for row in rows} - set(catalogue("zh-Hant"))) == []
    assert sorted({row.unit for row in rows if row.unit} - set(catalogue("zh-Hant"))) == []


def test_what_is_found_wrong_with_rules_is_told_in_chinese() -> None:
    """One rule set with everything that the check knows."""
    words, patterns = ("tom", "tommy", "tom", " ann ", " ", "e\u0301", ""), ("a*", "(?=a)")
    rules = [Rule("a", Kind.KEYWORD, Match.PARTIALLY, text) for text in words]
    rules += [*(Rule("a", Kind.REGEX, None, text) for text in patterns), Rule("b", Kind.KEYWORD, Match.START, "tom")]
    found = check(RuleSet("all", (Label("a"), Label("b"), Label("c")), tuple(rules)))
    assert {one.code for one in found} == {
        "refused", "empty", "duplicate", "useless", "two-labels", "matches-all", "blank-edge", "not-nfc", "no-rules",
    }  # fmt: skip
    for one in found:
        said = one.message if one.rule is None else one.message.removeprefix(f"The rule {one.rule.shown} ")
        assert not Translator("zh-Hant")(said).isascii(), said
        assert Translator("zh-Hant")(one.way_out) != one.way_out


def test_a_text_that_is_all_value_takes_no_time() -> None:
    """Patterns run over what users wrote: a long one is left as it is."""
    text = "There is no dataset " + " has no label " * 10_000
    assert Translator("zh-Hant")(text) == text
