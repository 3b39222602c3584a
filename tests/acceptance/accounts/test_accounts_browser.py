"""People in a browser: invited, signed up, signed out and in again, at every width, in both languages, by keyboard and without scripts."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from playwright.sync_api import expect

from labelmill.accounts import Role, service
from labelmill.bootstrap import build
from labelmill.datasets import service as datasets
from labelmill.datasets.model import RecordKind
from labelmill.settings import Settings
from labelmill.web.app import create_app
from looking import serious_faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

GOOD = "seven green lamps"
OTHER = "nine blue ladders"
PAGES = ("/sign-in", "/sign-up", "/account", "/people", "/audit", "/datasets/{dataset}/members")


class Served:
    """A server on a port of its own, with a dataset, and how an administrator gets in."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.app = build(Settings(data_dir=folder / "data", port=port, login_attempts_per_minute=1000))
        self.base = f"http://127.0.0.1:{port}"
        self.dataset = self.app.database.transact(datasets.create, name="posts", kind=RecordKind.TEXT).id
        self.app.database.transact(
            service.invite, emails=["cho@example.org"], dataset_id=self.dataset, dataset_role=Role.MANAGER
        )
        self.server = uvicorn.Server(uvicorn.Config(create_app(self.app), host="127.0.0.1", port=port, log_level="error"))

    def admin_link(self) -> str:
        return service.first_admin_link(self.app)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("people-browser"))
    thread = threading.Thread(target=made.server.run)
    thread.start()
    while not made.server.started:
        time.sleep(0.02)
    yield made
    made.server.should_exit = True
    thread.join(20)
    made.app.close()


def _page(browser: Browser, served: Served, **options: Any) -> Page:
    page = browser.new_context(base_url=served.base, **{"viewport": {"width": 1280, "height": 800}, **options}).new_page()
    page.set_default_timeout(20_000)
    return page


def _admin(browser: Browser, served: Served, **options: Any) -> Page:
    page = _page(browser, served, **options)
    page.goto(served.admin_link())
    page.locator("form[action='/sign-in'] button.primary").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


@pytest.mark.parametrize("scripts", [True, False])
def test_l25_somebody_is_invited_signs_up_by_keyboard_and_signs_in_again(
    browser: Browser, served: Served, scripts: bool
) -> None:
    admin = _admin(browser, served, java_script_enabled=scripts)
    email = f"ann-{scripts}@example.org".lower()
    admin.goto("/people")
    admin.get_by_label("E-mail addresses").fill(email)
    admin.get_by_role("button", name="Make the invitations").click()
    link = admin.locator(".notice.good pre").inner_text()

    ann = _page(browser, served, java_script_enabled=scripts)
    ann.goto(link)
    expect(ann.get_by_label("E-mail")).to_have_value(email)
    ann.get_by_label("Name").focus()
    ann.keyboard.type("Ann")
    ann.keyboard.press("Tab")
    ann.keyboard.type(GOOD)
    ann.keyboard.press("Enter")
    expect(ann.locator(".who-name")).to_have_text("Ann")
    ann.goto("/account")
    ann.get_by_label("Password until now").fill(GOOD)
    ann.get_by_label("New password", exact=False).nth(0).fill(OTHER)
    ann.get_by_label("New password once more").fill(OTHER)
    ann.get_by_role("button", name="Save the password").click()
    expect(ann.get_by_text("Saved.")).to_be_visible()
    ann.get_by_role("button", name="Sign out").click()
    ann.get_by_label("E-mail").fill(email)
    ann.get_by_label("Password").nth(0).fill(GOOD)
    ann.get_by_role("button", name="Sign in", exact=True).click()
    expect(ann.get_by_role("alert")).to_contain_text("The e-mail address or the password is wrong.")
    expect(ann.get_by_label("E-mail")).to_have_value(email)
    ann.get_by_label("Password").nth(0).fill(OTHER)
    ann.get_by_role("button", name="Sign in", exact=True).click()
    expect(ann.locator(".who-name")).to_have_text("Ann")
    for page in (ann, admin):
        page.context.close()


# axe looks at each width, each theme and each language once or twice: it takes longer than all the rest.
@pytest.mark.parametrize(
    ("width", "theme", "audited"), [(360, "light", "zh-TW"), (1280, "dark", "zh-TW"), (2560, "light", "en")]
)
def test_the_pages_on_people_fit_every_width_and_axe_finds_nothing_serious(
    browser: Browser, served: Served, width: int, theme: Any, audited: str
) -> None:
    options: dict[str, Any] = {"viewport": {"width": width, "height": 900}, "color_scheme": theme, "bypass_csp": True}
    for locale in ("en", "zh-TW"):
        admin, nobody = _admin(browser, served, locale=locale, **options), _page(browser, served, locale=locale, **options)
        for path in PAGES:
            page = nobody if path.startswith("/sign") else admin
            page.goto(path.replace("{dataset}", str(served.dataset)))
            assert page.locator("html").get_attribute("lang") == ("en" if locale == "en" else "zh-Hant")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            if locale == audited:
                assert serious_faults(page) == [], path
        for page in (admin, nobody):
            page.context.close()
