"""What an image task delivers, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from labelmill.errors import BadInput
from labelmill.images.formats import ImageFormat
from labelmill.images.transforms import Transform

#: Images of one step.
CHUNK: Final = 500
MOST_CHUNK: Final = 10_000


class Pack(StrEnum):
    #: A folder with one file an image.
    FOLDER = "folder"
    #: One ZIP.
    ZIP = "zip"
    #: Shards for training, as WebDataset reads them: tars of ``<id>.jpg`` and ``<id>.json``.
    TAR = "tar"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    #: None delivers images as they are.
    transform: Transform | None = None
    pack: Pack = Pack.FOLDER
    #: The folder, or the file of a ZIP or of shards, as the command line named it; None is a place of labelmill's own.
    out: str | None = None
    #: Link files instead of copying them where the file system can; such files must not be written to.
    link: bool = False
    #: Images of one step.
    chunk: int = CHUNK
    #: Write metadata.csv as the predecessor did: rows are numbered in a first column without a name, urls are whole paths.
    old_metadata: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.chunk <= MOST_CHUNK:
            raise BadInput(f"{self.chunk} images are no step.", where="chunk", way_out=f"Give 1 to {MOST_CHUNK:,}.")
        if self.link and (self.transform or self.pack is not Pack.FOLDER):
            raise BadInput(
                "Only images that go as they are into a folder can be links.", where="link", way_out="Leave --link out."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, known: dict[str, Any]) -> Delivery:
        """Return what ``as_dict`` wrote."""
        made = known["transform"]
        transform = Transform(**made | {"format": ImageFormat(made["format"])}) if made else None
        return cls(**known | {"transform": transform, "pack": Pack(known["pack"])})
