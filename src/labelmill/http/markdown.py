"""Markdown that people write, as HTML that can do no harm."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

#: Headings stand below those of the page around them.
_SUNK: Final = {f"h{level}": f"h{min(6, level + 2)}" for level in range(1, 7)}


def markdown(text: str) -> Markup:
    """Return ``text`` as HTML: tags in it are shown as they were typed, links lead to web pages and mail only, images stay out.

    An image would tell another server who reads the page, and the pages' policy would refuse it anyhow.
    """
    return Markup(_parser().render(text))  # noqa: S704 - the parser escapes all that it does not make itself


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # a command needs none of it

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.core.ruler.push("fit_in", _fit_in)
    return parser


def _fit_in(state: StateCore) -> None:
    """Sink the headings, and drop the columns' alignment: it would be an inline style, which the pages' policy refuses."""
    for token in state.tokens:
        token.tag = _SUNK.get(token.tag, token.tag)
        token.attrs.pop("style", None)
