"""``labelmill web``: the web process alone, for a cluster and for ``labelmill up``."""

from __future__ import annotations

import typer

from labelmill.console import settings_of
from labelmill.web.serve import serve


def run(context: typer.Context) -> None:
    """Serve pages and the API until told to stop."""
    serve(settings_of(context))
