"""A file that a browser's form sends, stored below the data folder's files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from labelmill.http.file_form import receive_file
from labelmill.labeltasks.shelf import Arrival

if TYPE_CHECKING:
    from fastapi import Request

    from labelmill.settings import Settings


async def receive(request: Request, settings: Settings) -> str:
    """Store the file of a form's field ``file`` under its own name and return its path below the data folder's files.

    Raises BadInput where the form has none, and what ``Arrival`` raises.
    """
    return (await receive_file(request, partial(Arrival, settings))).path
