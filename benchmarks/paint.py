"""Milliseconds from the press of a label's key to the next record on the screen, in Chromium, the page's server beside it.

    python benchmarks/paint.py [--answers 100]

Goal: 50 milliseconds, in the middle of all answers.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "plugins")]

import annotation_lab  # noqa: E402
import testservers  # noqa: E402
from labelmill.accounts import Scope, service  # noqa: E402
from labelmill.bootstrap import opened  # noqa: E402
from labelmill.settings import Settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

PAINT = """async (key) => {
  const before = document.querySelector("[data-part=record]").dataset.record;
  const began = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const changed = document.querySelector("[data-part=record]").dataset.record !== before;
  return changed ? performance.now() - began : Infinity;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--answers", type=int, default=100)
    answers = parser.parse_args().answers
    with tempfile.TemporaryDirectory() as folder, _page(Path(folder), answers + 10) as page:
        times = []
        for number in range(answers):
            expect(page.locator("[data-label-page]")).not_to_have_attribute("data-ahead", "0")
            times.append(page.evaluate(PAINT, str(1 + number % 3)))
    times.sort()
    print(f"{answers} answers: {times[answers // 2]:.1f} ms in the middle, {times[answers * 95 // 100]:.1f} ms for 95 of 100")


@contextmanager
def _page(folder: Path, records: int) -> Iterator[Page]:
    """Give the page on which somebody who is signed in labels."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = Settings(data_dir=folder / "data", port=port, log_level="error")
    with opened(settings) as app:
        dataset = annotation_lab.Lab(app.database).dataset(records)
        admin = app.database.transact(service.ensure_admin).id
        session = app.database.transact(service.open_session, admin, Scope.ADMIN, settings)
    base = f"http://127.0.0.1:{port}"
    with (
        subprocess.Popen([sys.executable, "-m", "labelmill", "web"], env=settings.environment()) as server,
        sync_playwright() as tool,
    ):
        try:
            _wait(base)
            context = tool.chromium.launch(executable_path=testservers.find_browser(), args=["--no-sandbox"]).new_context()
            context.add_cookies([{"name": "labelmill_session", "value": session, "url": base}])
            page = context.new_page()
            page.goto(f"{base}/datasets/{dataset.id}/label")
            expect(page.locator("[data-label-page].live")).to_have_count(1)
            yield page
        finally:
            server.terminate()


def _wait(base: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{base}/readyz").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    sys.exit("The web process did not become ready.")


if __name__ == "__main__":
    main()
