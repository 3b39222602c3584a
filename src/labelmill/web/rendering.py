"""Pages from templates, inside the frame: rail, language, theme and who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from labelmill import __version__
from labelmill.accounts import may
from labelmill.http.current import MADE_FOR_FIELD
from labelmill.http.markdown import markdown
from labelmill.web import formats
from labelmill.web.translation import LANGUAGES, Translator, language_of

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

THEME_COOKIE = "labelmill_theme"
THEMES = ("auto", "light", "dark")
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Place:
    """An entry of the rail; it is shown when the app has a page at its path."""

    path: str
    text: str
    icon: str
    #: Pages that belong to it and do not lie below its path.
    beside: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Tell whether a page belongs to this entry."""
        return any(path == own or path.startswith(f"{own}/") for own in (self.path, *self.beside))


NAV = (
    Place("/datasets", "Datasets", "datasets"),
    Place("/label-tasks", "Label tasks", "tasks"),
    Place("/rules", "Rules", "rules"),
    Place("/jobs", "Jobs", "jobs"),
    Place("/settings", "Settings", "settings", beside=("/account", "/people", "/audit")),
)


@cache
def environment() -> Environment:
    """Return what all apps of this process render with: a template is compiled once."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals |= {"version": __version__, "languages": LANGUAGES, "themes": THEMES, "may": may}
    made.filters |= {
        "markdown": markdown,
        "number": formats.number, "percent": formats.percent, "duration": formats.duration, "moment": formats.moment, "codes": formats.codes,
    }  # fmt: skip
    return made


class Renderer:
    """Renders the templates of one app."""

    def __init__(self, web: FastAPI) -> None:
        paths = set(paths_of(web))
        self._places = [place for place in NAV if place.path in paths]
        self.first_path = self._places[0].path
        self._environment = environment()

    def __call__(self, request: Request, template: str, context: dict[str, Any]) -> str:
        """Return the page's HTML."""
        translate = Translator(language_of(request))
        theme, actor = request.cookies.get(THEME_COOKIE, "auto"), getattr(request.state, "actor", None)
        frame = {
            "request": request,
            "t": translate,
            "language": translate.language,
            "theme": theme if theme in THEMES else "auto",
            "actor": actor,
            # Stands in the address of every form, so that what somebody typed is never taken for somebody else's.
            "mine": f"?{MADE_FOR_FIELD}={actor.annotator_id}" if actor else "",
            "places": self._places,
            "path": request.url.path,
        }
        return self._environment.get_template(template).render(frame | context)

    def told(self, request: Request, problem: dict[str, Any]) -> dict[str, Any]:
        """Return a problem document with its sentences in the reader's language."""
        translate = Translator(language_of(request))
        return problem | {name: translate(problem[name]) for name in ("title", "detail", "way_out") if name in problem}


def paths_of(web: FastAPI) -> list[str]:
    """Return the path of every page and call of an app."""
    return [route.path for route in routes_of(web.routes)]


def routes_of(routes: Any) -> list[Any]:
    """Return every route with a path, those of included routers too."""
    found = []
    for route in routes:
        if hasattr(route, "path"):
            found.append(route)
        else:
            inner = getattr(route, "original_router", None) or getattr(route, "router", None)
            found.extend(routes_of(inner.routes) if inner is not None else [])
    return found
