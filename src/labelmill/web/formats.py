"""How figures and moments are written on pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86400
THOUSAND = 1000
SMALL = 10
#: Stands where there is no figure.
NONE = "\N{EN DASH}"


def number(value: float | None) -> str:
    """Return ``1,234,567`` or ``3.5``; a dash where there is none."""
    if value is None:
        return NONE
    return f"{value:,.1f}" if isinstance(value, float) and abs(value) < SMALL and value != int(value) else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Return ``42 %``: whole percents, never 100 before the end."""
    return NONE if share is None else f"{int(share * 100)} %"


def duration(seconds: float | None) -> str:
    """Return ``42 s``, ``3 min 5 s`` or ``2 h 10 min``."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    if whole < MINUTE:
        return f"{seconds:.1f} s" if 0 < seconds < SMALL else f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def codes(text: str) -> Markup:
    """Return a text with what stands in backticks as code."""
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if index % 2 else part for index, part in enumerate(text.split("`")))


def moment(when: datetime | None) -> Markup:
    """Return a time element: UTC as text and on hover; a script of ours shows it in the reader's zone."""
    if when is None:
        return Markup("&ndash;")
    text = when.strftime("%Y-%m-%d %H:%M:%S")
    template = Markup('<time datetime="{}" title="{} UTC">{} UTC</time>')
    return template.format(when.isoformat(), text, text[:16])
