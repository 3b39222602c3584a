"""The one stylesheet: readable in light and dark, spaces from the scale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labelmill import web

STATIC = Path(web.__file__).parent / "static"
CSS = (STATIC / "labelmill.css").read_text(encoding="utf-8")
BLOCKS = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r"\{([^{}]*--ground:[^{}]*)\}", CSS)]
READ = (
    ("ink", "ground"), ("ink", "surface"), ("ink", "sunken"), ("ink-soft", "ground"), ("ink-soft", "surface"), ("ink-soft", "sunken"),
    ("accent", "ground"), ("accent", "surface"), ("accent", "sunken"), ("accent", "accent-soft"), ("accent-ink", "accent"),
    ("ink", "accent-soft"), ("good", "good-soft"), ("good", "surface"), ("good", "sunken"), ("bad", "bad-soft"), ("bad", "surface"),
    ("bad", "sunken"), ("wait", "surface"), ("wait", "sunken"), ("wait", "wait-soft"),
)  # fmt: skip


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_light_and_the_two_ways_to_dark_are_defined() -> None:
    light, by_system, by_choice = BLOCKS
    assert by_system == by_choice
    assert set(light) == set(by_choice)
    assert light != by_choice


@pytest.mark.parametrize("colours", BLOCKS[::2], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), READ)
def test_text_can_be_read_on_its_ground(colours: dict[str, str], text: str, ground: str) -> None:
    assert _contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", BLOCKS[::2], ids=["light", "dark"])
def test_the_border_of_a_field_can_be_seen(colours: dict[str, str]) -> None:
    assert _contrast(colours["line-strong"], colours["surface"]) >= 3


def test_every_token_that_is_used_is_defined() -> None:
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= set(re.findall(r"--([\w-]+):", CSS))


def test_no_file_of_ours_reaches_for_another_host() -> None:
    for path in STATIC.rglob("*"):
        if path.is_file() and "vendor" not in path.parts and path.suffix in (".css", ".js", ".svg"):
            found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text(encoding="utf-8"))
            assert [address for address in found if "www.w3.org" not in address] == [], path.name


def test_what_is_vendored_comes_with_its_licence_and_version() -> None:
    vendor = STATIC / "vendor"
    assert {path.name for path in vendor.iterdir()} == {"htmx.min.js", "htmx.LICENSE.txt", "VERSIONS.txt"}
    version = (vendor / "VERSIONS.txt").read_text().split()[1]
    assert f'version:"{version}"' in (vendor / "htmx.min.js").read_text(encoding="utf-8")
