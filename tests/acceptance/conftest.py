"""A browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

#: What of Chromium is in the way of a test. The pages behind its address bar cost as much with every window as our own page; our list
#: of features takes the place of playwright's, whose names that could touch a page are repeated.
WITHOUT = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "AimEnabled", "OptimizationHints", "PaintHolding", "HttpsUpgrades"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "ThirdPartyStoragePartitioning"),
)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    f"--disable-features={','.join(WITHOUT)}",
]
# A busy machine is no failure: what is expected of a page may take its time, unless a test says how long.
expect.set_options(timeout=20_000)


# Not longer than a module: while it is open, no other test of the process can run an event loop.
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium_path, args=FLAGS) as opened:
        yield opened
