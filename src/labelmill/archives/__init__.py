"""Archives: everything of a dataset and a classifier in one ZIP, as of one annotation, that checks itself."""

from __future__ import annotations

from labelmill.archives.choices import Choices
from labelmill.archives.model import Archive, ArchiveState

__all__ = ["Archive", "ArchiveState", "Choices"]
