"""Sites whose settings name an input and an output database, and folders of rules, as the Audience API's did."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

import audience
import webapp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from webapp import Site


POSTED = datetime(2020, 1, 1)


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Return a function that opens a site; its databases are SQLite files unless the settings say otherwise."""
    with ExitStack() as stack:

        def opened(**settings: Any) -> Site:
            usual = {
                "rules_dir": audience.write_rules(tmp_path / "rules"),
                "input_url": f"sqlite:///{tmp_path}/in.db",
                "output_url": f"sqlite:///{tmp_path}/out.db",
            }
            return stack.enter_context(webapp.site(tmp_path, **usual | settings))

        yield opened


@pytest.fixture
def old_site(open_site: Callable[..., Site], tmp_path: Path) -> Site:
    """A site with three posts, of Tom, Amy and nobody."""
    authors = ("Tom 1", "AMY", "nobody")
    audience.write_posts(
        f"sqlite:///{tmp_path}/in.db",
        [{"author": author, "post_time": POSTED.replace(second=at)} for at, author in enumerate(authors)],
    )
    return open_site()
