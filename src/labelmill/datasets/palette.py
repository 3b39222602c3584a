"""Colours and keys of labels: checked where they are given, chosen where not, and no two labels of a dataset with the same. Pure."""

from __future__ import annotations

import colorsys
import re
from itertools import count
from typing import TYPE_CHECKING, Final

from labelmill.datasets.model import COLOURS, IGNORED, SHORTCUTS, Label, NewLabel
from labelmill.errors import BadInput, Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_COLOUR: Final = re.compile("#[0-9a-f]{6}")
#: What ``ignored`` gets: a grey, and a key of its own.
_IGNORED_COLOUR, _IGNORED_KEY = "#757575", "i"
_DIGITS: Final = frozenset("0123456789")
#: The golden angle as a part of the circle: hues that follow each other lie far apart, however many there are.
_TURN: Final = 0.381966


def choose(present: Iterable[Label], new: Sequence[NewLabel]) -> list[dict[str, str]]:
    """Return ``colour`` and ``shortcut`` of each new label, beside labels that are there. Raises BadInput and Conflict.

    What is given is kept first and what is chosen keeps out of its way. Without a free key a label has none.
    """
    labels = list(present)
    colours, keys = {each.colour for each in labels}, {each.shortcut for each in labels if each.shortcut}
    for each in new:
        if each.colour:
            colours.add(checked_colour(each.colour, colours))
        if each.shortcut:
            keys.add(checked_shortcut(each.shortcut, keys))
    named: dict[str, str] = {}
    for each in new:
        # A digit gets its own key: "3" by the key 4 would be a trap.
        if not each.shortcut and each.name in _DIGITS and each.name not in keys:
            named[each.name] = each.name
            keys.add(each.name)
    more_colours, more_keys = _free(_palette(), colours), _free(iter(SHORTCUTS), keys)
    return [
        {
            "colour": each.colour.lower() or (_own(each, _IGNORED_COLOUR, colours) or next(more_colours)),
            "shortcut": each.shortcut.lower()
            or named.get(each.name)
            or (_own(each, _IGNORED_KEY, keys) or next(more_keys, "")),
        }
        for each in new
    ]


def checked_colour(text: str, others: Iterable[str]) -> str:
    """Return a colour as #rrggbb. Raises BadInput for anything else, and Conflict for one of ``others``."""
    colour = text.lower()
    if not _COLOUR.fullmatch(colour):
        raise BadInput(f"{text[:40]!r} is no colour.", where="colour", way_out="Write it like #0072b2.")
    if colour in others:
        raise Conflict(f"Another label has the colour {colour}.", where="colour", way_out="Take another one, or leave it out.")
    return colour


def checked_shortcut(text: str, others: Iterable[str]) -> str:
    """Return a key, in lower case. Raises BadInput for what no key types alone, and Conflict for one of ``others``."""
    key = text.lower()
    if len(key) != 1 or not key.isprintable() or key.isspace():
        raise BadInput(f"{text[:40]!r} is no key.", where="shortcut", way_out="Give one letter, digit or sign.")
    if key in others:
        raise Conflict(f"Another label has the key {key!r}.", where="shortcut", way_out="Take another one, or leave it out.")
    return key


def _own(label: NewLabel, value: str, used: set[str]) -> str:
    return value if label.name == IGNORED and value not in used else ""


def _free(values: Iterator[str], used: set[str]) -> Iterator[str]:
    return (value for value in values if value not in used)


def _palette() -> Iterator[str]:
    """Give colours without end and without repetition: the told-apart ones first, then turning hues, darker and lighter."""
    yield from COLOURS
    given = set(COLOURS) | {_IGNORED_COLOUR}
    for index in count():
        lightness = 0.35 + 0.3 * (index * _TURN * 2 % 1)
        red, green, blue = colorsys.hls_to_rgb(index * _TURN % 1, lightness, 0.5 + 0.4 * (index * 0.7548777 % 1))
        colour = f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
        if colour not in given:
            given.add(colour)
            yield colour
