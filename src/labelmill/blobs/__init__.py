"""Files by name: complete or absent, never changed once they are there. Images, features and predictions live here."""

from __future__ import annotations

from labelmill.blobs.local import LocalBlobs
from labelmill.blobs.memory import MemoryBlobs
from labelmill.blobs.model import Blobs, check_name

__all__ = ["Blobs", "LocalBlobs", "MemoryBlobs", "check_name"]
