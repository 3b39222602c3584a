"""What a feature's routes and pages need of HTTP: a strict router, who asks, answers given once, rendered pages."""

from __future__ import annotations

from labelmill.http.current import Client, ImportLimit, MaybeActor, SignedIn, TheApp
from labelmill.http.documents import documented
from labelmill.http.once import TheOnce
from labelmill.http.pages import local_path, page_router, render, see_other
from labelmill.http.routing import api_router

__all__ = [
    "Client",
    "ImportLimit",
    "MaybeActor",
    "SignedIn",
    "TheApp",
    "TheOnce",
    "api_router",
    "documented",
    "local_path",
    "page_router",
    "render",
    "see_other",
]
