"""Pre-filters: a chain that deletes rows, or removes parts of their texts, before they are labelled. Pure functions of frames.

Each filter says what it does (``delete`` or ``alter``), to which column, and by which rules; their labels have no say. What a filter
altered is what the later ones see, and what is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

import polars as pl

from labelmill.errors import BadInput, BadRules, BadSource
from labelmill.rules import Matcher, Note, RuleSet, Stripper, compile_rules, from_dict, load, to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: What rules without a label are filed under.
LABEL: Final = "filter"


class Action(StrEnum):
    """What becomes of a row whose text the rules match."""

    #: The row is left out.
    DELETE = "delete"
    #: The matched parts are removed from the text.
    ALTER = "alter"


#: The predecessor chose the action by these words.
_WORDS: Final = {"delete": Action.DELETE, "刪除": Action.DELETE, "alter": Action.ALTER, "修改": Action.ALTER}


def parse_action(text: str) -> Action:
    """Return the action that a word means, or raise BadInput."""
    action = _WORDS.get(text.strip().lower())
    if action is None:
        way_out = f"It is one of: {', '.join(_WORDS)}."
        raise BadInput(f"{text[:60]!r} is not what a filter can do.", where="action", way_out=way_out)
    return action


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One link of the chain; it is stored with its job as JSON (``as_params``)."""

    action: Action
    #: The column as the source spells it.
    column: str
    #: A rule set as JSON; its rules need no labels.
    rules: dict[str, Any]

    def as_params(self) -> dict[str, Any]:
        """Return the filter as JSON."""
        return {"action": self.action.value, "column": self.column, "rules": self.rules}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Return the filter that ``as_params`` wrote, or that a person wrote in its form; raise BadInput for another form."""
        known = [item.name for item in fields(cls)]
        values = {name: params[name] for name in known if name in params}
        if len(values) < len(known) or len(params) > len(known):
            way_out = f"Its fields are: {', '.join(known)}."
            raise BadInput(
                f"A filter has other fields than {', '.join(map(str, params))[:80]!r}.", where="filter", way_out=way_out
            )
        if not isinstance(values["action"], str) or not isinstance(values["column"], str):
            raise BadInput("The filter's action and column are texts.", where="filter", way_out='Write them in quotes ("...").')
        return cls(**values | {"action": parse_action(values["action"])})


def load_filter(path: Path, *, action: Action, column: str) -> tuple[Filter, tuple[Note, ...]]:
    """Read a filter's rules from a file of any form, with or without labels, and return it with what was guessed.

    Raises NotFound, BadFile, BadRules and TooLarge.
    """
    loaded = load(path, default_label=LABEL)
    return Filter(action=action, column=column, rules=to_dict(loaded.rule_set)), loaded.notes


class Filters:
    """A chain of filters made ready for frames. It holds no state and may be used by threads."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        """Raise BadRules or BadInput that names the first filter that cannot be used."""
        self._links = [_Link(item, f"filter {number}") for number, item in enumerate(filters, start=1)]

    @property
    def columns(self) -> list[str]:
        """The columns that the chain reads, each once."""
        return list(dict.fromkeys(link.column for link in self._links))

    def run(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """Return the frame with its altered columns, all rows in their order, and a Boolean series: the rows to leave out.

        A row is not altered any more once it is deleted. Raises BadSource for a column that is not there, BadInput for one that is
        not text.
        """
        columns = {column.name: column for column in frame.get_columns()}
        deleted = pl.Series("deleted", [False]).new_from_index(0, frame.height)
        for link in self._links:
            text = _text(columns, link)
            if isinstance(link.rules, Matcher):
                deleted |= _hit(link.rules, text)
            else:
                columns[link.column] = text.zip_with(deleted, link.rules.strip(text))
        return (pl.DataFrame(list(columns.values())) if columns else frame), deleted


class _Link:
    """A compiled filter: ``rules`` is a Matcher where it deletes, a Stripper where it alters."""

    def __init__(self, item: Filter, place: str) -> None:
        if not item.column:
            raise BadInput("The filter names no column.", where=place, way_out="Name the column whose texts it reads.")
        self.place = place
        self.column = item.column
        try:
            rule_set = _rule_set(item)
            self.rules = Stripper(rule_set) if item.action is Action.ALTER else compile_rules(rule_set)
        except BadRules as error:
            where = f"{place}, {error.where}" if error.where else place
            raise BadRules(error.message, where=where, way_out=error.way_out) from error


def _rule_set(item: Filter) -> RuleSet:
    rule_set = from_dict(item.rules, name=LABEL, default_label=LABEL)
    if not rule_set.rules:
        raise BadRules("The filter has no rules.", where=rule_set.name, way_out="Give it rules, or leave it out.")
    return rule_set


def _text(columns: Mapping[str, pl.Series], link: _Link) -> pl.Series:
    """Return the column of a filter, categories as text."""
    column = columns.get(link.column)
    if column is None:
        way_out = f"The columns are: {', '.join(columns)}."
        raise BadSource(f"There is no column {link.column!r}.", where=link.place, way_out=way_out)
    if isinstance(column.dtype, pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String)
    if column.dtype != pl.String:
        message = f"The column {link.column!r} holds {column.dtype}, not text."
        raise BadInput(message, where=link.place, way_out="Choose a column of text, or cast it.")
    return column


def _hit(matcher: Matcher, texts: pl.Series) -> pl.Series:
    """Return for each text whether any rule matches it; none matches null or ""."""
    nowhere = pl.Series([False]).new_from_index(0, len(texts))
    return nowhere.scatter(matcher.hits(texts)["row"].unique(), values=True)
