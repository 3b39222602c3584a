#!/opt/labelmill/bin/python
"""The command ``labelmill`` of the container: puts the content of secret files into the settings, then is ``labelmill``.

A setting may hold ``</path/to/file>``: the first line of that file takes its place, quoted where the setting is a URL. So passwords stay in
files (of compose, Kubernetes or systemd), and neither the compose file nor ``docker inspect`` shows them.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = re.compile(r"<(/[^<>]+)>")
PREFIX = "LABELMILL_"
BAD_SETTINGS = 2


class NoSecret(Exception):
    """A secret's file is missing, empty or not readable; the message names setting and file, never a secret."""


def filled(environment: Mapping[str, str]) -> dict[str, str]:
    """Return labelmill's settings with the content of the files that they name; raises NoSecret."""
    return {name: _fill(name, text) for name, text in environment.items() if name.startswith(PREFIX) and PLACE.search(text)}


def _fill(name: str, text: str) -> str:
    secrets = {path: _read(name, Path(path)) for path in PLACE.findall(text)}
    is_url = "://" in text
    return PLACE.sub(lambda match: quote(secrets[match[1]], safe="") if is_url else secrets[match[1]], text)


def _read(name: str, path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
        raise NoSecret(f"{name}: the secret's file {path} {reason}.") from error
    if not secret:
        raise NoSecret(f"{name}: the secret's file {path} is empty.")
    return secret


def main() -> None:
    """Fill in the secrets and run the command line."""
    try:
        os.environ.update(filled(os.environ))
    except NoSecret as error:
        sys.stderr.write(f"error[bad-settings] {error} It must be there and readable by this user (mode 444).\n")
        sys.exit(BAD_SETTINGS)
    from labelmill.cli import main as labelmill

    labelmill()


if __name__ == "__main__":
    main()
