"""The processes that tests fork from one that has imported: each is on its own and ends as itself."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import preloaded

if TYPE_CHECKING:
    from pathlib import Path


def test_each_has_its_own_environment_folder_and_exit_code(tmp_path: Path):
    environment = {"PATH": os.environ["PATH"], "LABELMILL_DATA_DIR": str(tmp_path / "data")}
    for port in (8801, 8802):
        done = preloaded.run(["settings", "--json"], cwd=tmp_path, env=environment | {"LABELMILL_PORT": str(port)})
        assert (done.returncode, done.stderr) == (0, "")
        assert [str(one["value"]) for one in json.loads(done.stdout) if one["name"] == "LABELMILL_PORT"] == [str(port)]
    (tmp_path / "rules.csv").write_text("content,label,rule_type,match_type\ntom,/male,keyword,start\n")
    assert preloaded.run(["rules", "check", "rules.csv"], cwd=tmp_path, env=environment).returncode == 0
    wrong = preloaded.run(["rules", "check", "absent.csv"], cwd=tmp_path, env=environment)
    assert (wrong.returncode, wrong.stdout, "absent.csv" in wrong.stderr) == (3, "", True)
