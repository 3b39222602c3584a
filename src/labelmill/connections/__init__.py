"""Named connections and the folder for files: what label tasks may read and write when asked over HTTP."""

from __future__ import annotations

from labelmill.connections.files import below_data_dir, files_folder
from labelmill.connections.trial import Trial, try_connection

__all__ = ["Trial", "below_data_dir", "files_folder", "try_connection"]
