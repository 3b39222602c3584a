"""How often one address may try to get in. Kept in the process: a limit, not a record."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from labelmill import clock
from labelmill.errors import TooManyRequests

WINDOW = 60.0  # seconds
#: Addresses remembered; the one that tried longest ago is forgotten first.
MOST_ADDRESSES = 10_000


class Attempts:
    """Counts attempts in the last minute for each address."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, address: str) -> None:
        """Count an attempt; raises TooManyRequests when the address has used up its attempts."""
        now = clock.monotonic()
        with self._lock:
            seen = self._seen.setdefault(address, deque())
            self._seen.move_to_end(address)
            while seen and now - seen[0] >= WINDOW:
                seen.popleft()
            if len(seen) >= self._most:
                wait = max(1, round(WINDOW - (now - seen[0])))
                raise TooManyRequests(
                    f"This address has tried to sign in {self._most} times within a minute.",
                    way_out=f"Try again in {wait} seconds.",
                    retry_after=wait,
                )
            seen.append(now)
            if len(self._seen) > MOST_ADDRESSES:
                self._seen.popitem(last=False)

    def forget(self, address: str) -> None:
        """Forget an address that got in."""
        with self._lock:
            self._seen.pop(address, None)
