"""The one secret, and the keys for different purposes that are derived from it."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from labelmill.errors import BadSettings
from labelmill.ids import new_secret

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.settings import Settings

FILE = "secret.key"
KEY_BYTES = 32
SHORTEST = 32


class Keys:
    """Keys for different purposes, none of which tells anything about another or about the secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "Keys(...)"

    def derive(self, purpose: str) -> bytes:
        """Return the 32 bytes that belong to ``purpose``."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"labelmill {purpose}".encode()).derive(self._secret)

    def fernet(self, purpose: str) -> Fernet:
        """Return what encrypts and proves texts for ``purpose``."""
        return Fernet(base64.urlsafe_b64encode(self.derive(purpose)))


def load_keys(settings: Settings) -> Keys:
    """Return the keys of these settings; with SQLite and no secret given, one is made once and kept in the data folder.

    Raises BadSettings where other databases have no secret: several machines could not agree on one that is made.
    """
    if settings.secret is not None:
        return Keys(settings.secret.get_secret_value())
    if not settings.database_url.startswith("sqlite"):
        raise BadSettings(
            "There is no secret, and with this database every process must be given the same one.",
            where="LABELMILL_SECRET",
            way_out="Make one with `openssl rand -hex 32` and set it for every process.",
        )
    return Keys(_kept(settings.data_dir / FILE))


def _kept(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if len(secret) < SHORTEST:
        way_out = "Restore it from a backup; or remove it, and the passwords of connections must be given anew."
        raise BadSettings("The secret's file is damaged.", where=str(path), way_out=way_out)
    return secret


def _make(path: Path) -> None:
    # Written beside it and linked: another process sees the whole secret or none, and of two that make one the first wins.
    draft = path.with_name(f"{path.name}.{os.getpid()}.{new_secret()[:8]}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(new_secret() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        _place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _place(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        draft.replace(path)
