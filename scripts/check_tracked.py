"""Checks that no tracked file names a package registry's host or an absolute path of a developer's machine.

Either would make the project depend on where it was written: requirements are names and versions, paths are relative.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 2_000_000

# Written in pieces, so that this file does not complain about itself.
PATTERNS = {
    "an absolute path of a developer's machine": re.compile(
        "|".join(("/wo" + "rk/", "/tm" + "p/bash", "/ho" + r"me/[a-z]\w*/", "/Us" + r"ers/[A-Za-z]\w*/", "/ro" + r"ot/[\w.]"))
    ),
    "the host of a package registry": re.compile(
        "|".join(
            (
                "index" + "-url",
                '"reso' + 'lved"' + r"\s*:",
                "find" + "-links",
                "pypi" + r"\.org/simple",
                "python" + r"hosted\.org",
                "registry" + r"\.npmjs",
                "registry" + r"\.yarnpkg",
            )
        )
    ),
}
REQUIREMENT_URL = re.compile(r"://|\s@\s|^\s*(-e|-i|--editable|--trusted-host)\b", re.MULTILINE)


def complaints(place: str, text: str) -> list[str]:
    """Return a sentence for each offending line of one file."""
    found = [
        f"{place}:{number}: names {what}: {line.strip()[:120]}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in PATTERNS.items()
        if pattern.search(line)
    ]
    if place.startswith("requirements/") and REQUIREMENT_URL.search(text):
        found.append(f"{place}: a requirement is a name and a version, never a URL, a path or an option")
    return found


def tracked_texts() -> dict[str, str]:
    """Return path and text of every tracked file that is text."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    paths = [ROOT / name for name in names.stdout.split("\0") if name]
    return {str(path.relative_to(ROOT)): text for path in paths if (text := _text(path)) is not None}


def _text(path: Path) -> str | None:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


if __name__ == "__main__":
    sentences = [sentence for place, text in tracked_texts().items() for sentence in complaints(place, text)]
    sys.exit("\n".join(sentences) or 0)
