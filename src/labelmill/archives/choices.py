"""What somebody may choose of an archive."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from labelmill.exports import Naming

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What somebody may choose of an archive."""

    #: What annotators are called in it.
    annotators: Naming = Naming.PSEUDONYM
    #: With a pickle of the classifier, which runs code when it is opened.
    pickle: bool = False

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(annotators=Naming(stored["annotators"]), pickle=stored["pickle"])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
