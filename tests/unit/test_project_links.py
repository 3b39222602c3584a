"""Links between the project's own pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def broken_links(page: Path, root: Path) -> list[str]:
    """Return the links of a page that lead to no file within ``root`` or to no heading of that file."""
    text = FENCE.sub("", page.read_text())
    targets = [first or second for first, second in LINK.findall(CODE.sub("", text))]
    return [target for target in targets if not re.match(r"[a-z][a-z0-9+.-]*:", target) and not _leads(page, target, root)]


def _leads(page: Path, target: str, root: Path) -> bool:
    place, _, anchor = target.partition("#")
    path = (page.parent / place).resolve() if place else page
    if not path.is_relative_to(root) or not path.exists():
        return False
    return not anchor or (path.suffix == ".md" and anchor in _anchors(path))


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings: lower case, blanks as hyphens, no other punctuation, as code hosts make them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_to_something(page):
    assert broken_links(page, ROOT) == []


def test_there_are_pages():
    assert ROOT / "docs/README.md" in PAGES


@pytest.fixture
def page(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/other.md").write_text("# Other page\n\n## What it's for: `labelmill up`\n")
    return tmp_path / "docs/page.md"


@pytest.mark.parametrize(
    "link",
    [
        "[a](other.md)",
        "[a](../docs/other.md#other-page)",
        "[a](other.md#what-its-for-labelmill-up)",
        "[a](#here)",
        "![a](<other.md>)",
    ],
)
def test_a_link_that_leads_somewhere_is_accepted(page, link):
    page.write_text(f"# Here\n\n{link}\n")
    assert broken_links(page, page.parent.parent) == []


@pytest.mark.parametrize(
    "link", ["[a](gone.md)", "[a](other.md#gone)", "[a](#gone)", "[a](../../outside.md)", "![a](gone.png)"]
)
def test_a_link_that_leads_nowhere_is_named(page, link):
    page.write_text(f"# Here\n\n{link}\n")
    assert len(broken_links(page, page.parent.parent)) == 1


def test_a_reference_below_the_text_is_a_link_too(page):
    page.write_text("# Here\n\n[a][b]\n\n[b]: gone.md\n")
    assert broken_links(page, page.parent.parent) == ["gone.md"]


def test_code_and_other_hosts_are_no_links_of_ours(page):
    page.write_text("# Here\n\n`[a](gone.md)` [a](https://example.org/gone.md)\n\n```\n[a](gone.md)\n```\n")
    assert broken_links(page, page.parent.parent) == []
