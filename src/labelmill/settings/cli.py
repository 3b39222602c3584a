"""``labelmill settings``: what holds here, and why."""

from __future__ import annotations

from dataclasses import asdict

import typer

from labelmill.console import JsonOption, print_rows, settings_of


def show(context: typer.Context, json: JsonOption = False) -> None:
    """Print every setting with its value (secrets masked), origin, unit and meaning."""
    rows = [asdict(row) for row in settings_of(context).table()]
    print_rows(rows, columns=("name", "value", "origin", "unit", "meaning"), json=json)
