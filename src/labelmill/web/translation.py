"""The pages' languages: English is the key, every other language a folder of JSON files from it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from fastapi import Request

COOKIE = "labelmill_language"
#: Tag and the language's own name for itself.
LANGUAGES = {"en": "English", "zh-Hant": "繁體中文"}
_FOLDER = Path(__file__).parent / "messages"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return the texts of a language by their English; each feature may have a file of its own in the language's folder."""
    texts: dict[str, str] = {}
    for path in sorted((_FOLDER / language).glob("*.json")):
        texts |= orjson.loads(path.read_bytes())
    return texts


class Translator:
    """Called with an English text (and values for its ``{names}``) it returns the text in its language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, text: str, **values: object) -> str:
        found = self._texts.get(text, text)
        return found.format(**values) if values else found


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
