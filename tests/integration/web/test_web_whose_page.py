"""Every form says whose page it stands on: another tab of the browser may have signed somebody else in meanwhile."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labelmill import web
from labelmill.accounts import Role
from labelmill.web.rendering import routes_of

if TYPE_CHECKING:
    from webapp import Site

TEMPLATES = Path(web.__file__).parent / "templates"
#: Forms for whoever sits there: to come in, to go, and how pages look.
ANYBODYS = {"/sign-in", "/sign-up", "/sign-out", "/preferences"}


def test_every_form_of_every_page_says_whose_it_is() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.rglob("*.html"))
    found = re.findall(r'<form[^>]*?method="post" action="([^"]*)"', pages)
    assert len(found) == len(re.findall(r'<form[^>]*method="post"', pages)) > 50
    assert {address for address in found if "{{ mine }}" not in address} <= ANYBODYS


def test_no_form_is_taken_from_whom_it_was_not_made_for(site: Site) -> None:
    """Each address that a form can be sent to, by an administrator on somebody else's page."""
    paths = {
        route.path
        for route in routes_of(site.web.routes)
        if "POST" in getattr(route, "methods", ()) and not route.include_in_schema and not route.path.startswith("/api/")
    }
    theirs = site.person(Role.MANAGER)
    asked = sorted(paths - ANYBODYS)
    assert len(asked) > 45
    for path in asked:
        address = re.sub(r"\{dataset_id\}", "1", re.sub(r"\{(?:job_id|archive_id|task_id)\}", "0" * 32, path))
        refused = site.form(re.sub(r"\{[^}]*\}", "1", address) + f"?made_for={theirs}", {})
        assert refused.status_code == 401, path
        assert "Somebody else is signed in in this browser now." in html.unescape(refused.text), path


@pytest.mark.parametrize("whose", [Role.ADMIN, Role.MANAGER])
def test_what_a_form_would_have_changed_stays_as_it_was(site: Site, whose: Role) -> None:
    page = site.page("/settings/tokens", whose).text
    [address] = set(re.findall(r'action="(/settings/tokens\?[^"]*)"', page))
    made = site.form(address, {"name": "mine", "scope": "read", "days": "1"})
    listed = site.page("/settings/tokens").text
    assert (made.status_code, "mine" in listed) == ((200, True) if whose is Role.ADMIN else (401, False))
    assert site.page(address, Role.ANNOTATOR).status_code == 200  # to look is no harm
