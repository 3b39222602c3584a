"""Which source ids the results of a name stand for: the setting's map, else the predecessor's seventeen names."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill.errors import BadFile

if TYPE_CHECKING:
    from labelmill.settings import Settings

#: The example, which docs/examples shows too.
EXAMPLE = Path(__file__).with_name("sources.json")
PRODUCTION_PREFIX = "wh_panel_mapping_"


def source_map(settings: Settings) -> dict[str, list[str]]:
    """Return from each name the source ids whose rows go by it; raises BadFile."""
    path = settings.source_map or EXAMPLE
    try:
        changed = path.stat().st_mtime_ns
        return _read(path, changed)
    except OSError as error:
        raise BadFile(
            f"It cannot be read: {error.strerror}.", where=str(path), way_out="Check LABELMILL_SOURCE_MAP."
        ) from error


def production_names(settings: Settings) -> list[str]:
    """Return the production tables that a sample may be asked of."""
    return [PRODUCTION_PREFIX + name for name in source_map(settings)]


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> dict[str, list[str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadFile("It is not JSON.", where=str(path), way_out='Write it as {"forum": ["WH_F0002", "WH_F0003"]}.') from error
    if not isinstance(found, dict) or not found or not all(map(_is_list_of_ids, found.values())):
        way_out = 'Write it as {"forum": ["WH_F0002", "WH_F0003"]}.'
        raise BadFile("It is not an object of names with lists of source ids.", where=str(path), way_out=way_out)
    return found


def _is_list_of_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
