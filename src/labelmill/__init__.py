"""labelmill turns raw rows into trusted labels.

``labelmill.label`` runs a label task from Python as ``labelmill label`` does from the command line; ``labelmill.rules.label`` labels a
frame in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelmill.notebook import label

__version__ = "0.1.0"
__all__ = ["__version__", "label"]


def __getattr__(name: str) -> Any:
    # The command line asks for the version only and must not wait for the rest.
    if name == "label":
        from labelmill.notebook import label

        return label
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
