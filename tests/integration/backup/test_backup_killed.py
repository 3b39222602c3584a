"""Promise 25: ``labelmill restore`` is killed with SIGKILL at every file and every table, and started again each time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import preloaded
import webapp
from backup_lab import files_of, fill, quiet, require_same, rows_of, settings_for
from labelmill import triggers
from labelmill.backup import service
from labelmill.backup.reading import LEFT_OUT
from labelmill.bootstrap import opened_as_is
from labelmill.db import migrate
from labelmill.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path


def test_p25_a_restore_that_is_killed_at_every_table_can_be_started_again(tmp_path: Path, database_url: str) -> None:
    file = tmp_path / "all.labelmill"
    with webapp.site(tmp_path / "source", secret=webapp.SECRET) as site:
        fill(site)
        before, files = rows_of(site.app.database), files_of(site.app)
        service.backup(site.app, file, quiet)
    url = f"sqlite:///{tmp_path}/new.db" if database_url.startswith("sqlite") else database_url
    target = settings_for(tmp_path / "target", url)
    kept = {"LABELMILL_LOG_LEVEL": "error", **target.environment()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELMILL_")} | kept
    killed = 0
    while True:
        number = str(killed + 1)
        done = preloaded.run(["restore", str(file)], cwd=tmp_path, env=environment | {triggers.VARIABLE: f"*:kill:{number}"})
        if done.returncode == Conflict.exit_code:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
    assert "This is no empty installation" in done.stderr
    # The schema, each file, each table with rows, the comparison, and what was loaded.
    tables = [name for name, rows in before.items() if rows and name not in LEFT_OUT]
    assert killed >= 1 + len(files) + len(tables) + 2
    with opened_as_is(target) as application:
        assert migrate.current(application.database.engine) == migrate.head()
        assert files_of(application) == files
        require_same(before, rows_of(application.database))
