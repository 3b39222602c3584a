"""``python -m labelmill`` is ``labelmill``."""

from __future__ import annotations

from labelmill.cli import main

if __name__ == "__main__":
    main()
