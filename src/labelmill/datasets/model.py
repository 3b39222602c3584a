"""What a dataset is: its kinds, its settings, its labels, and what makes two records one. Pure values."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from labelmill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: The answer that a record is not worth labelling: a label of every dataset, offered apart from the others.
IGNORED: Final = "ignored"
#: Marks, in the ``meta`` of a task in an export for Label Studio, that its id is not the record's own.
NO_OWN_ID: Final = "labelmill_no_own_id"
LONGEST_NAME: Final = 200
#: Colours that labels get in turn; told apart with the usual kinds of colour blindness (Okabe and Ito, 2008), then lighter ones.
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#7a5195", "#607d8b", "#a05a2c")
#: Keys that labels get in turn; letters that mean something on the label page are left out.
SHORTCUTS: Final = tuple("1234567890qwertyfhjklzxcvnm")
_INVISIBLE: Final = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")


class RecordKind(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    TABULAR = "tabular"


class Order(StrEnum):
    """Which record comes next."""

    #: The least certain first: smallest distance between the two best labels.
    UNCERTAINTY = "uncertainty"
    #: The most certain first.
    RANKING = "ranking"
    RANDOM = "random"
    #: As they were imported.
    SEQUENTIAL = "sequential"
    #: Uncertain ones that differ from each other.
    DIVERSE = "diverse"


class Uncertainty(StrEnum):
    """How uncertainty is measured."""

    MARGIN = "margin"
    LEAST_CONFIDENCE = "least-confidence"
    ENTROPY = "entropy"


class Tie(StrEnum):
    """What the majority of a record is whose most frequent labels are equally frequent."""

    #: None, until somebody settles it.
    OPEN = "open"
    #: The one that was given first.
    FIRST = "first"


class Consensus(StrEnum):
    """Which label a record has that several people answered: what classifiers learn from."""

    #: The label that most answers have.
    MAJORITY = "majority"
    #: The likeliest one, by how often each annotator errs.
    DAWID_SKENE = "dawid-skene"


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """How a dataset is labelled and learnt from."""

    order: Order = Order.UNCERTAINTY
    uncertainty: Uncertainty = Uncertainty.MARGIN
    #: Annotators that a record gets; 0 means every annotator.
    labels_per_record: int = 1
    #: Annotations without which a record has no majority.
    min_label_count: int = 1
    tie: Tie = Tie.OPEN
    consensus: Consensus = Consensus.MAJORITY
    #: New annotations after which a training is due.
    batch_size: int = 10
    #: Records that are labelled in random order before the classifier chooses.
    warm_start: int = 50
    #: The share of records that is served at random always, and on which classifiers are scored.
    random_share: float = 0.1
    #: Records predicted ``ignored`` with at least this confidence come after all others; 1 turns that off.
    ignored_threshold: float = 0.2
    #: Seconds that a record is kept for the annotator it was shown to.
    lease_seconds: int = 600
    #: Whether the label page shows what the classifier would say.
    suggest: bool = True
    #: May an annotation have several labels.
    several_labels: bool = False
    #: The name of the learner (see labelmill.learning).
    learner: str = "tfidf-logreg"
    seed: int = 42

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return settings from JSON, by name; raises BadInput for an unknown name or a value that cannot be."""
        known = {each.name: each for each in fields(cls)}
        kinds = {"order": Order, "uncertainty": Uncertainty, "tie": Tie, "consensus": Consensus}
        for name, value in values.items():
            if name not in known:
                raise BadInput("There is no such setting of a dataset.", where=name, way_out=f"There are: {', '.join(known)}.")
            _check_setting(name, value, kinds.get(name) or type(known[name].default))
        chosen: dict[str, Any] = {name: kinds[name](value) if name in kinds else value for name, value in values.items()}
        return cls(**chosen)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_RANGES: Final = {
    "labels_per_record": (0, 1000), "min_label_count": (1, 1000), "batch_size": (1, 1_000_000), "warm_start": (0, 1_000_000),
    "random_share": (0, 1), "ignored_threshold": (0, 1), "lease_seconds": (5, 86_400), "seed": (0, 2**31 - 1),
}  # fmt: skip


_YES: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def read_setting(name: str, text: str) -> Any:
    """Return the value that a text names for a setting; what cannot be is returned as it is, for ``from_dict`` to refuse."""
    kind = type(getattr(DatasetSettings, name, ""))
    typed = text.strip()
    try:
        if kind is bool:
            return _YES[typed.lower()]
        return kind(typed) if kind in (int, float) else typed
    except (KeyError, ValueError):
        return text


def _check_setting(name: str, value: object, kind: type) -> None:
    if issubclass(kind, StrEnum):
        if not isinstance(value, str) or value not in {each.value for each in kind}:
            raise BadInput(f"It is {_cut(value)}.", where=name, way_out=f"One of: {', '.join(kind)}.")
        return
    right = isinstance(value, (int, float) if kind is float else kind) and isinstance(value, bool) == (kind is bool)
    if not right or not _is_in_range(name, value):
        raise BadInput(f"It is {_cut(value)}.", where=name, way_out=_allowed(name, kind))


def _is_in_range(name: str, value: object) -> bool:
    low, high = _RANGES.get(name, (0, 0))
    return name not in _RANGES or (isinstance(value, (int, float)) and low <= value <= high)


def _allowed(name: str, kind: type) -> str:
    if name in _RANGES:
        low, high = _RANGES[name]
        return f"{'A number' if kind is float else 'A whole number'} from {low:,} to {high:,}."
    return "true or false." if kind is bool else "A text."


def _cut(value: object) -> str:
    return repr(value)[:80]


@dataclass(frozen=True, kw_only=True)
class Label:
    id: int
    name: str
    place: int
    colour: str
    #: The key on the keyboard; "" for none.
    shortcut: str
    description: str = ""
    is_ignored: bool = False


@dataclass(frozen=True, kw_only=True)
class NewLabel:
    """A label to be made; what is left empty is chosen."""

    name: str
    colour: str = ""
    shortcut: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    id: int
    name: str
    kind: RecordKind
    guidelines: str
    settings: DatasetSettings
    revision: int
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None = None
    #: How many it has.
    records: int = 0
    #: In their order, without those that were merged or removed.
    labels: tuple[Label, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Record:
    id: int
    dataset_id: int
    given_id: str | None
    #: Text, JSON of fields, or JSON of an image (``blob``, ``width``, ``height``).
    content: str
    in_share: bool
    answers: int
    is_open: bool
    majority_id: int | None
    is_tied: bool


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """Which records are listed: those for which everything holds that is not None (or empty)."""

    #: Their content holds this, in whatever case.
    text: str = ""
    #: Their majority is this label.
    label_id: int | None = None
    is_tied: bool | None = None
    #: They want more answers.
    is_open: bool | None = None
    #: They have a majority.
    is_answered: bool | None = None
    #: Their given id is one of these.
    given_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of rows that were to be added: how many are new, and how many were there already."""

    added: int
    known: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How far a dataset is."""

    records: int
    #: With a majority.
    answered: int
    tied: int
    #: Answers that count, of all annotators.
    annotations: int
    #: Records that want more answers.
    open: int


def normal_name(text: str) -> str:
    """Return the form in which a dataset's name is kept and compared (NFC, no blanks around it); raises BadInput."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadInput(f"A dataset's name has 1 to {LONGEST_NAME} characters.", where="name")
    _require_visible(name, "name", "The name")
    return name


def normal_label(text: str) -> str:
    """Return the form in which a label's name is kept and compared (NFC, no blanks around it); raises BadInput for none."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise BadInput("A label needs a name.", where="label")
    _require_visible(name, "label", "The label")
    return name


def _require_visible(name: str, where: str, what: str) -> None:
    wrong = next(
        (char for char in name if unicodedata.category(char) in {"Cc", "Cs"} or char in _INVISIBLE or _turns(char)), None
    )
    if wrong is not None:
        raise BadInput(
            f"{what} {name[:40]!r} holds the invisible character U+{ord(wrong):04X}.",
            where=where,
            way_out="Remove it: nobody could tell such names apart.",
        )


def _turns(char: str) -> bool:
    """Tell whether a character changes the direction of the text after it."""
    return unicodedata.bidirectional(char) in {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def label_key(name: str) -> str:
    """Return the key of a normal label name."""
    return hashlib.sha256(name.encode()).hexdigest()


def record_key(given_id: str | None, content: str) -> str:
    """Return what makes a record the same at the next import: its given id, else its content."""
    text = f"c{content}" if given_id is None else f"i{given_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
