"""Calls that may take a limited time, although what they call knows no limit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from labelmill.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def within(seconds: float, verb: Callable[[], T], what: str) -> T:
    """Return ``verb()``; raises Unavailable when it has not ended after ``seconds``.

    The call goes on in its own thread until it ends by itself: give it a limit of its own where it has one.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(verb())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, name=f"within-{what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise Unavailable(f"{what} did not answer within {seconds:g} seconds.")
    return results[0]
