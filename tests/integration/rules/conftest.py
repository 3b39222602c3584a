"""A site with people of every role, on the embedded default, with a file to try rules on."""

from __future__ import annotations

import pytest

import webapp
from labelmill.connections import files_folder
from labelmill.ids import new_id

POSTS = """id,author,label
1,Mister Tom,/male
2,Amy 🌸,/female
3,陳志明,/male
4,Tom Amy,/male
5,,
6,nobody,/child
"""


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory):
    with webapp.site(tmp_path_factory.mktemp("rules-site")) as made:
        files = files_folder(made.app.settings)
        files.mkdir(parents=True)
        (files / "posts.csv").write_text(POSTS, encoding="utf-8")
        yield made


@pytest.fixture
def name():
    """A name that no other test of this site uses."""
    return f"rules-{new_id()}"
