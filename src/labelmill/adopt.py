"""``labelmill adopt``: takes over what a predecessor left. Each verb is its feature's, named here once."""

from __future__ import annotations

from importlib import import_module

import typer

#: Verb, and the function behind it.
VERBS = (
    ("audience", "labelmill.labeltasks.adopt.cli:audience"),
    ("labelforward", "labelmill.datasets.adopt.cli:labelforward"),
)

app = typer.Typer(no_args_is_help=True, help="Take over what a predecessor left.")


@app.callback()
def adopt() -> None:
    """Take over what a predecessor left."""


for _name, _target in VERBS:
    _module, _, _function = _target.partition(":")
    app.command(_name)(getattr(import_module(_module), _function))
