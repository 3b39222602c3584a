"""What axe finds wrong with a page as it is open in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).parents[1] / "assets" / "axe.min.js"
RUN = "axe.run({resultTypes: ['violations']}).then((result) => result.violations)"


def serious_faults(page: Any) -> list[tuple[str, list[str]]]:
    """Return each rule that a page breaks badly, with its first places; the page's context must let scripts in (``bypass_csp``)."""
    page.add_script_tag(path=AXE)
    found = page.evaluate(RUN)
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
