"""Which file or table a label task means: what is stored with the task is a reference, what is opened is a location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmill.db.bulk.location import Location, parse_location

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmill.labeltasks.model import LabelTask


class Places:
    """Turns references into locations.

    A reference is ``{"text": ...}`` from the local command line (any file or URL), or ``{"connection", "schema", "table"}`` or
    ``{"path"}`` (below the data folder) from everywhere else.
    """

    def __init__(
        self, resolve: Callable[[str, str | None, str | None, bool], Location], below: Callable[[str], Location]
    ) -> None:
        self._resolve = resolve
        self._below = below

    def source(self, task: LabelTask) -> Location:
        return self.locate(task.source, write=False)

    def sink(self, task: LabelTask) -> Location:
        return self.locate(task.sink, write=True)

    def locate(self, reference: dict[str, Any], *, write: bool) -> Location:
        """Return where a reference leads; raises NotFound, Forbidden or BadSource."""
        if "text" in reference:
            return parse_location(reference["text"])
        if "connection" in reference:
            return self._resolve(reference["connection"], reference.get("schema"), reference.get("table"), write)
        return self._below(reference["path"])
