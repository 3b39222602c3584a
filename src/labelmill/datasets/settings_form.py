"""The forms of a dataset's settings: from flat fields of a page to what the verbs take. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelmill.datasets.model import Dataset, DatasetSettings, Label

#: Settings that are ticked or not.
FLAGS: Final = ("suggest", "several_labels")
WHOLE: Final = ("labels_per_record", "min_label_count", "batch_size", "warm_start", "lease_seconds", "seed")
SHARES: Final = ("random_share", "ignored_threshold")
WORDS: Final = ("order", "uncertainty", "tie", "consensus", "learner")
_HIGHEST_PLACE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What somebody changed in a form, apart from what others changed while it lay open."""

    #: The fields that were touched, and those that show nothing stored.
    values: dict[str, str]
    #: What the form shows of it: what was typed, and the present state of all the rest.
    as_shown: dict[str, str]
    #: Fields that somebody else changed, too, and otherwise.
    both: list[str]


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """A label as it stands in the form."""

    id: int
    name: str
    colour: str
    shortcut: str
    description: str
    place: float

    def changes(self, label: Label) -> dict[str, str]:
        """Return what differs from the label as it is stored."""
        typed = {"name": self.name, "colour": self.colour, "shortcut": self.shortcut, "description": self.description}
        return {name: value for name, value in typed.items() if value != getattr(label, name)}


def shown_settings(dataset: Dataset) -> dict[str, str]:
    """Return what the form of the settings shows of a dataset, by the names of its fields; what is not ticked is ""."""
    now = dataset.settings.as_dict()
    flags = {name: "on" if now[name] else "" for name in FLAGS}
    return {"name": dataset.name} | {name: str(now[name]) for name in (*WORDS, *WHOLE, *SHARES)} | flags


def shown_labels(dataset: Dataset) -> dict[str, str]:
    """Return what the form of the labels shows of a dataset, by the names of its fields."""
    return {
        f"{field}-{label.id}": str(value)
        for label in dataset.labels
        for field, value in (
            ("place", label.place + 1), ("name", label.name), ("colour", label.colour), ("shortcut", label.shortcut),
            ("description", label.description),
        )
    }  # fmt: skip


def merged(values: Mapping[str, str], now: Mapping[str, str]) -> Merged:
    """Return what somebody changed on a page that may be older than the dataset; ``now`` is what the form would show at present.

    The form carries what it showed as JSON in ``shown``. Raises BadInput where that is none.
    """
    shown = _shown(values.get("shown", "{}"))
    typed = dict(values) | {name: values.get(name, "") for name in FLAGS if name in shown}
    touched = {name: value for name, value in typed.items() if value != shown.get(name)}
    if "ticks" in touched:
        touched["ticks"] = " ".join(name for name in touched["ticks"].split() if name in touched or name not in shown)
    both = [name for name in touched if name in shown and now.get(name) not in (shown[name], touched[name])]
    return Merged(values=touched, as_shown={**now, **touched}, both=both)


def _shown(text: str) -> dict[str, str]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadInput("The form does not say what it showed.", where="shown", way_out="Load the page anew.")
    return found


def read_settings(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that a form gives; raises BadInput for a number that is none."""
    found: dict[str, Any] = {name: values[name].strip() for name in WORDS if name in values}
    found |= {name: _number(name, values[name], int) for name in WHOLE if name in values}
    found |= {name: _number(name, values[name], float) for name in SHARES if name in values}
    # What is not ticked is not sent: the form says which ticks it has.
    offered = values.get("ticks", "").split()
    return found | {name: values.get(name) == "on" for name in FLAGS if name in offered}


def changed(settings: Mapping[str, Any], before: DatasetSettings) -> dict[str, Any]:
    """Return those settings that are not so already."""
    now = before.as_dict()
    return {name: value for name, value in settings.items() if value != now.get(name)}


def read_labels(values: Mapping[str, str], labels: Sequence[Label]) -> list[LabelRow]:
    """Return the labels of the form in their order there; what the form leaves out stays as it is stored."""
    rows = []
    for label in labels:

        def typed(field: str, stored: str, of: int = label.id) -> str:
            return values.get(f"{field}-{of}", stored).strip()

        rows.append(
            LabelRow(
                id=label.id, name=typed("name", label.name), colour=typed("colour", label.colour).lower(), shortcut=typed("shortcut", label.shortcut),
                description=typed("description", label.description), place=_place(typed("place", str(label.place + 1))),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: row.place)


def in_turn(changes: Mapping[int, dict[str, str]], labels: Sequence[Label]) -> list[int]:
    """Return the labels that change in an order in which no name and no colour is taken while another label still has it."""
    held = {label.id: label for label in labels}
    waiting, turn = list(changes), []
    while waiting:
        free = next((each for each in waiting if not _is_held(changes[each], each, waiting, held)), waiting[0])
        waiting.remove(free)
        turn.append(free)
    return turn


def _is_held(change: Mapping[str, str], own: int, waiting: Sequence[int], held: Mapping[int, Label]) -> bool:
    others = [held[each] for each in waiting if each != own]
    return any(getattr(other, field) == change.get(field) for other in others for field in ("name", "colour"))


def _number(name: str, text: str, kind: type[int | float]) -> float:
    try:
        return kind(text.strip())
    except ValueError:
        typed = text[:40]
        raise BadInput(f"{typed!r} is no whole number." if kind is int else f"{typed!r} is no number.", where=name) from None


def _place(text: str) -> float:
    try:
        return min(float(text), _HIGHEST_PLACE)
    except ValueError:
        return _HIGHEST_PLACE
