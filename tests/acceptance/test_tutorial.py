"""The tutorial's commands work, one after the other, for somebody who has just installed labelmill."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-labels.md"


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    """Every block of commands runs, and what the text says about its outcome is so."""
    script = "\n".join(re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), flags=re.DOTALL))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")}
    environment |= {"LABELMILL_DATA_DIR": str(tmp_path / "data"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rows labelled  3" in done.stdout
    assert "several labels had the best score" in done.stdout
    assert (tmp_path / "labels.csv").read_text(encoding="utf-8").count("\n") == 4
    assert (tmp_path / "labels.production.csv").read_text(encoding="utf-8").count("\n") == 4
    assert "wh_panel_mapping_site" in done.stdout
