"""The pages speak every language completely."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from labelmill import web
from labelmill.errors import LabelmillError
from labelmill.web.rendering import NAV
from labelmill.web.translation import LANGUAGES, Translator, catalogue, language_of

TEMPLATES = Path(web.__file__).parent / "templates"
ORIGINS = {"command line", "environment", ".env", "given", "default"}
_CALL = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)*)\"""")
_OTHER_CALL = re.compile(r"\bt\(\s*'")
OTHERS = [language for language in LANGUAGES if language != "en"]


def _kinds(kind: type[LabelmillError]) -> list[type[LabelmillError]]:
    return [kind, *(one for below in kind.__subclasses__() for one in _kinds(below))]


def _texts() -> set[str]:
    found = {text for path in TEMPLATES.rglob("*.html") for text in _CALL.findall(path.read_text(encoding="utf-8"))}
    titles = {
        (kind.__doc__ or "").strip().splitlines()[0] for kind in _kinds(LabelmillError) if kind.__module__ == "labelmill.errors"
    }
    return found | {place.text for place in NAV} | ORIGINS | titles


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_pages_is_translated(language: str) -> None:
    assert sorted(_texts() - set(catalogue(language))) == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_same_names_in_braces_as_its_original(language: str) -> None:
    names = re.compile(r"\{(\w+)\}")
    wrong = [text for text, other in catalogue(language).items() if sorted(names.findall(text)) != sorted(names.findall(other))]
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_empty(language: str) -> None:
    assert [text for text, other in catalogue(language).items() if not other.strip()] == []


def test_templates_ask_for_texts_in_the_one_form_that_this_test_sees() -> None:
    assert [path.name for path in TEMPLATES.rglob("*.html") if _OTHER_CALL.search(path.read_text(encoding="utf-8"))] == []


def test_a_text_without_translation_stays_english() -> None:
    assert Translator("zh-Hant")("Unheard {thing}", thing="of") == "Unheard of"


def test_names_in_braces_are_filled_in() -> None:
    assert Translator("zh-Hant")("{name} answers in {seconds} s.", name="shop", seconds="1") == "shop 在 1 秒內回應。"


@pytest.mark.parametrize(
    ("cookie", "header", "expected"),
    [
        ("", "", "en"),
        ("", "zh-TW,zh;q=0.9,en;q=0.5", "zh-Hant"),
        ("", "en;q=0.5, zh-Hant;q=0.9", "zh-Hant"),
        ("", "de, fr;q=0.8, zh;q=0.1", "zh-Hant"),
        ("", "de, fr", "en"),
        ("en", "zh-TW", "en"),
        ("zh-Hant", "en", "zh-Hant"),
        ("xx", "zh-TW", "zh-Hant"),
        ("", "zh;q=many, en", "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_most_wanted_else_english(cookie: str, header: str, expected: str) -> None:
    request = SimpleNamespace(cookies={"labelmill_language": cookie}, headers={"accept-language": header})
    assert language_of(request) == expected
