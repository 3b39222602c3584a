"""The pages' languages: English is the key, every other language a folder of JSON files from it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from fastapi import Request

COOKIE = "labelmill_language"
#: Tag and the language's own name for itself.
LANGUAGES = {"en": "English", "zh-Hant": "繁體中文"}
#: Texts with values are looked up where they are not longer: a pattern takes its time.
LONGEST = 1_000
_PLACE = re.compile(r"\{\d\}")
_FOLDER = Path(__file__).parent / "messages"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return the texts of a language by their English; each feature may have a file of its own in the language's folder."""
    texts: dict[str, str] = {}
    for path in sorted((_FOLDER / language).glob("*.json")):
        texts |= orjson.loads(path.read_bytes())
    return texts


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Return those texts that have places for values as patterns, those with the most words first."""
    keys = [text for text in catalogue(language) if "{0}" in text]
    keys.sort(key=lambda text: -len(_PLACE.sub("", text)))
    return [(re.compile("(.*?)".join(map(re.escape, _PLACE.split(key))), re.DOTALL), catalogue(language)[key]) for key in keys]


class Translator:
    """Called with an English text (and values for its ``{names}``) it returns the text in its language.

    A text that holds its values already, as an error's does, is known by the words around them: ``{0}``, ``{1}`` stand for the
    values in the catalogue. What is not known stays English.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, text: str, **values: object) -> str:
        found = self._texts.get(text)
        if found is None:
            found = self._told(text) if self._texts and not values else text
        return found.format(**values) if values else found

    def _told(self, text: str) -> str:
        if len(text) > LONGEST:
            return text
        for pattern, translated in _patterns(self.language):
            if match := pattern.fullmatch(text):
                return translated.format(*match.groups())
        return text


def language_of(request: Request) -> str:
    """Return the language that the reader chose, else the first one the browser wants that there is, else English."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return next((found for tag in _wanted(request) if (found := _match(tag))), "en")


def _wanted(request: Request) -> list[str]:
    """Return the tags of Accept-Language, most wanted first."""
    weighed = []
    for part in request.headers.get("accept-language", "")[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), tag.lower()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighed, key=lambda pair: pair[0])]


def _match(tag: str) -> str | None:
    if tag.startswith("zh"):
        return "zh-Hant"  # closer to a reader of simplified characters than English is
    return "en" if tag.split("-", maxsplit=1)[0] == "en" else None
