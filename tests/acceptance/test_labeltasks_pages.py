"""Label tasks in a browser: from a file on one's own machine to marked results, and commands that run as they are copied."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import uvicorn
from playwright.sync_api import expect

import http_tasks
from labelmill.accounts import Role, Scope, service
from labelmill.bootstrap import build
from labelmill.settings import Settings
from labelmill.web.app import create_app
from looking import serious_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]


class Served:
    """A server on a port of its own, and who asks it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.app = build(Settings(data_dir=folder / "data", port=port))
        self.base = f"http://127.0.0.1:{port}"
        self.admin = self.app.database.transact(service.ensure_admin).id
        _, self.token = self.app.database.transact(service.create_token, self.admin, name="test", scope=Scope.ADMIN)

    def session(self, role: Role) -> str:
        person = self.admin
        if role is not Role.ADMIN:
            made = self.app.database.transact(service.add_annotator, email=f"{role}@example.org", name=role, role=role)
            person = made.id
        return self.app.database.transact(service.open_session, person, Scope.ADMIN, self.app.settings)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Served(tmp_path, port)
    web = create_app(made.app)
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=port, log_level="error"))
    web.state.stopping = lambda: server.should_exit
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield made
    server.should_exit = True
    thread.join(20)
    made.app.close()


@contextmanager
def opened(browser: Browser, served: Served, *, role: Role = Role.ADMIN, **options: Any) -> Iterator[Page]:
    """Give a page of somebody who is signed in; it must not have complained at the end."""
    context = browser.new_context(base_url=served.base, **{"viewport": {"width": 1280, "height": 800}, **options})
    context.add_cookies([{"name": "labelmill_session", "value": served.session(role), "url": served.base}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    # A refused form is a 422, which the browser mentions by itself.
    assert [text for text in complaints if "422" not in text and "409" not in text] == []


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    with opened(browser, served) as made:
        yield made


def tasks(served: Served) -> list[str]:
    from labelmill.labeltasks import service as label_tasks

    with served.app.database.read() as connection:
        return [job.id for job in label_tasks.list_tasks(connection)]


def rules_file(folder: Path) -> Path:
    path = folder / "my rules.json"
    path.write_text(json.dumps(http_tasks.RULES), encoding="utf-8")
    return path


def begin(page: Page, served: Served, folder: Path, *, sink: str = "labels.csv") -> str:
    """Start a task through the form and return its id."""
    page.goto("/label-tasks/new?path=posts.csv")
    page.set_input_files("input[name=rules_file]", rules_file(folder))
    page.fill("input[name=sink_path]", sink)
    page.click("text=Start labelling")
    page.wait_for_url(re.compile(r"/label-tasks/[0-9a-f]{32}$"))
    return tasks(served)[0]


def posts(served: Any, count: int = 50) -> None:
    http_tasks.write(served, "posts.csv", http_tasks.rows(count))


@pytest.mark.parametrize("script", [True, False])
def test_a_file_is_uploaded_labelled_and_looked_at_with_and_without_scripts(
    browser: Browser, served: Served, tmp_path: Path, script: bool
) -> None:
    own = tmp_path / "my posts.csv"
    http_tasks.rows().write_csv(own)
    with opened(browser, served, java_script_enabled=script) as page:
        page.goto("/label-tasks")
        page.locator("section.empty >> text=New label task").click()
        page.set_input_files("input[name=file]", own)
        page.click("text=Upload and go on")
        page.wait_for_url(re.compile(r"new\?path=my%20posts\.csv"))
        assert page.locator("select[name=text_column]").input_value() == "author"
        assert page.locator("table.preview tbody tr").count() == 20
        page.set_input_files("input[name=rules_file]", rules_file(tmp_path))
        page.fill("input[name=sink_path]", "labels.csv")
        page.click("text=Start labelling")
        page.wait_for_url(re.compile(r"/label-tasks/[0-9a-f]{32}$"))
        [task_id] = tasks(served)
        http_tasks.work(served, task_id)
        if script:
            expect(page.locator(".state-succeeded").first).to_be_visible()
        else:
            page.reload()
        expect(page.locator("h1")).to_have_text("Label author of my posts.csv with people into labels.csv")
        marked = set(page.locator("mark").all_inner_texts())
        assert marked <= {"Tom", "淑芬", "AMY7"}
        assert marked
        expect(page.locator("#report")).to_contain_text("60 %")
        with page.expect_download() as download:
            page.locator("ul.written >> text=Download").first.click()
        assert pl.read_csv(download.value.path(), infer_schema=False).height == 30


def test_progress_comes_by_itself_and_a_task_is_cancelled_and_taken_up_again(
    page: Page, served: Served, tmp_path: Path
) -> None:
    http_tasks.write(served, "posts.parquet", http_tasks.rows(5000))
    page.goto("/label-tasks/new?path=posts.parquet")
    page.set_input_files("input[name=rules_file]", rules_file(tmp_path))
    page.click("text=More: authors")
    page.fill("input[name=step_rows]", "1000")
    page.click("text=Start labelling")
    page.wait_for_url(re.compile(r"/label-tasks/[0-9a-f]{32}$"))
    [task_id] = tasks(served)
    expect(page.locator("[data-live-note]")).to_be_visible()
    http_tasks.work(served, task_id, steps=3)
    expect(page.locator("[data-done]")).to_have_text("2,000")
    expect(page.locator("[data-total]")).to_have_text("5,000")
    expect(page.locator("#report")).to_contain_text("1,200")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("main >> text=Cancel")
    expect(page.locator(".state-cancelled").first).to_be_visible()
    page.click("text=Go on where it stopped")
    expect(page.locator("[data-live]")).to_be_visible()
    http_tasks.work(served, task_id)
    expect(page.locator(".state-succeeded").first).to_be_visible()
    expect(page.locator("#report")).to_contain_text("3,000")


def test_a_mistake_stands_beside_its_field_and_nothing_that_was_typed_is_lost(page: Page, served: Served) -> None:
    posts(served)
    (http_tasks.folder(served) / "there.csv").write_text("x")
    page.goto("/label-tasks/new?path=posts.csv")
    page.click("text=Or paste them")
    page.fill("textarea[name=rules_text]", '{"labels": ["/a"], "rules": [{"label": "/a", "kind": "regex", "content": "("}]}')
    page.fill("input[name=sink_path]", "there.csv")
    page.click("text=Start labelling")
    beside = page.locator("#error-rules")
    expect(beside).to_contain_text("rule 1")
    expect(page.locator("textarea[name=rules_text]")).to_have_attribute("aria-describedby", "error-rules")
    expect(page.locator("input[name=sink_path]")).to_have_value("there.csv")
    page.fill("textarea[name=rules_text]", json.dumps(http_tasks.RULES))
    page.click("text=Start labelling")
    expect(page.locator("#error-sink")).to_contain_text("there.csv: The file exists already.")
    page.fill("input[name=start]", "2021-01-01T00:00:00")
    page.fill("input[name=end]", "2020-01-01T00:00:00")
    page.click("text=Start labelling")
    expect(page.locator("#error-where")).to_have_text(re.compile("start must be earlier"))
    assert tasks(served) == []


def test_rules_are_pasted_as_a_table_too(page: Page, served: Served) -> None:
    posts(served)
    page.goto("/label-tasks/new?path=posts.csv")
    page.click("text=Or paste them")
    page.fill("textarea[name=rules_text]", "content,label,rule_type,match_type\ntom,/male,keyword,start\n")
    page.click("text=Start labelling")
    page.wait_for_url(re.compile(r"/label-tasks/[0-9a-f]{32}$"))
    http_tasks.work(served, tasks(served)[0])
    expect(page.locator("#report")).to_contain_text("/male")


def test_a_task_is_run_again_from_a_filled_form(page: Page, served: Served, tmp_path: Path) -> None:
    posts(served)
    first = begin(page, served, tmp_path)
    http_tasks.work(served, first)
    page.goto(f"/label-tasks/{first}")
    page.click("text=Use as template")
    expect(page.locator("input[name=sink_path]")).to_have_value("labels.csv")
    page.check("input[name=overwrite]")
    page.click("text=Start labelling")
    page.wait_for_url(re.compile(rf"/label-tasks/(?!{first})[0-9a-f]{{32}}$"))
    http_tasks.work(served, tasks(served)[0])
    expect(page.locator("#report")).to_contain_text("60 %")


def test_a_failed_task_says_why_and_how_to_go_on(page: Page, served: Served, tmp_path: Path) -> None:
    posts(served)
    task_id = begin(page, served, tmp_path)
    source = http_tasks.folder(served) / "posts.csv"
    kept = source.read_bytes()
    source.unlink()
    http_tasks.work(served, task_id)
    expect(page.locator(".notice.bad")).to_contain_text("posts.csv: There is no such file.")
    expect(page.locator(".notice.bad code").last).to_have_text(re.compile("[0-9a-f]{32}"))
    source.write_bytes(kept)
    page.click("text=Go on where it stopped")
    http_tasks.work(served, task_id)
    expect(page.locator(".state-succeeded").first).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_further_labellers_and_filters_are_added_filled_in_and_taken_away_with_and_without_scripts(
    browser: Browser, served: Served, tmp_path: Path, script: bool
) -> None:
    """Whatever was typed or chosen before stays, the rules of a file too."""
    frame = http_tasks.rows().with_columns(content=pl.Series(["an exam", "exam: buy now", "x", "x", "x"] * 10))
    http_tasks.write(served, "posts.csv", frame)
    with opened(browser, served, java_script_enabled=script) as page:
        page.goto("/label-tasks/new?path=posts.csv")
        page.set_input_files("input[name=rules_file]", rules_file(tmp_path))
        page.fill("input[name=sink_path]", "labels.db")
        page.click("text=Add a labeller")
        page.select_option("select[name=also-0-text]", "content")
        page.locator("#parts >> text=Or paste them").click()
        page.fill("textarea[name=also-0-rules_text]", "content,label,rule_type,match_type\nexam,/student,keyword,partially\n")
        page.click("text=Add a labeller")
        expect(page.locator("select[name=also-1-text]")).to_be_visible()
        page.click("text=Add a filter")
        page.select_option("select[name=filters-0-column]", "content")
        page.locator("fieldset:has(select[name=filters-0-action]) >> text=Or paste them").click()
        page.fill("textarea[name=filters-0-rules_text]", '{"rules": [{"kind": "regex", "content": "buy now"}]}')
        page.click("text=Start labelling")
        beside = page.locator("[id='error-also.1.rules']")
        expect(beside).to_have_text(re.compile("There are no rules yet."))
        page.locator("button[name=remove][value=also-1]").click()
        expect(page.locator("select[name=also-1-text]")).to_have_count(0)
        expect(page.locator("select[name=also-0-text]")).to_have_value("content")
        page.click("text=Start labelling")
        page.wait_for_url(re.compile(r"/label-tasks/[0-9a-f]{32}$"))
        [task_id] = tasks(served)
        http_tasks.work(served, task_id)
        page.reload()
        expect(page.locator("h1")).to_have_text("Label author and content of posts.csv with people and rules into labels.db")
        for words in ("/student", "a filter left them out", "10"):
            expect(page.locator("#report")).to_contain_text(words)
        facts = page.locator("dl.facts")
        for words in (
            "content: rules",
            "leave out rows that match in content: Rules (1)",
            "labels.db · state",
            "wh_panel_mapping_",
        ):
            expect(facts).to_contain_text(words)
        page.click("text=Use as template")
        expect(page.locator("select[name=filters-0-column]")).to_have_value("content")
        page.fill("input[name=sink_path]", "again.db")
        page.click("text=Start labelling")
        page.wait_for_url(re.compile(rf"/label-tasks/(?!{task_id})[0-9a-f]{{32}}$"))
        http_tasks.work(served, tasks(served)[0])
        page.reload()
        expect(page.locator("#report")).to_contain_text("a filter left them out")


def test_enter_in_a_field_starts_the_task_and_adds_no_part(page: Page, served: Served, tmp_path: Path) -> None:
    posts(served)
    page.goto("/label-tasks/new?path=posts.csv")
    page.set_input_files("input[name=rules_file]", rules_file(tmp_path))
    page.press("input[name=sink_path]", "Enter")
    page.wait_for_url(re.compile(r"/label-tasks/[0-9a-f]{32}$"))
    assert len(tasks(served)) == 1


def test_an_ended_task_is_run_again_and_removed_with_what_it_wrote(page: Page, served: Served, tmp_path: Path) -> None:
    posts(served)
    task_id = begin(page, served, tmp_path, sink="labels.db")
    http_tasks.work(served, task_id)
    page.goto(f"/label-tasks/{task_id}")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("text=Run again")
    expect(page.locator(".state-succeeded").first).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("text=Run again")
    expect(page.locator("[data-live]")).to_be_visible()
    http_tasks.work(served, task_id)
    expect(page.locator(".state-succeeded").first).to_be_visible()
    page.reload()
    page.click("text=Remove this task")
    page.check("input[name=results]")
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("details.removal button").click()
    page.wait_for_url(re.compile(r"/label-tasks$"))
    assert tasks(served) == []
    with closing(sqlite3.connect(http_tasks.folder(served) / "labels.db")) as connection:
        for table in ("state", "posts_labels", "wh_panel_mapping_posts_labels"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def run_copied(text: str, served: Served, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what was copied, as a shell would that has the command and the token."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {
        "PATH": search, "LABELMILL_TOKEN": served.token, "LABELMILL_DATA_DIR": str(served.app.settings.data_dir), "LABELMILL_LOG_LEVEL": "error",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, env=environment, capture_output=True, check=False, text=True, timeout=120
    )


def test_what_the_form_shows_to_copy_runs_as_it_is_pasted(page: Page, served: Served, tmp_path: Path) -> None:
    """Awkward names, a time range and a source map: the same request from the form, the shell and curl."""
    http_tasks.write(served, "it's a post.csv")
    page.goto("/label-tasks/new?path=it%27s%20a%20post.csv")
    page.click("text=Or paste them")
    page.fill("textarea[name=rules_text]", json.dumps(http_tasks.RULES, ensure_ascii=False))
    page.fill("input[name=start]", "2020-01-02T00:00:00")
    page.fill("input[name=end]", "2020-01-20T00:00:00")
    page.click("text=More: authors")
    page.fill("textarea[name=source_map]", '{"for um": ["F1"], "board": ["B1"]}')
    counts = []
    for kind, sink in (("CLI", "from cli.csv"), ("curl", "from curl.csv")):
        page.fill("input[name=sink_path]", sink)
        with page.expect_response("**/label-tasks/commands"):
            page.locator("input[name=sink_path]").blur()
            if page.locator("[data-commands]").get_attribute("open") is None:
                page.click("text=The same from a terminal")
        shown = page.locator(f"#commands .copy:has-text('Copy as {kind}') pre")
        expect(shown).to_contain_text(sink)
        ran = run_copied(shown.inner_text(), served, tmp_path)
        assert ran.returncode == 0, ran.stderr
        if kind == "curl":
            answer = json.loads(ran.stdout)
            assert answer["state"] == "queued", answer
            http_tasks.work(served, answer["id"])
        counts.append(pl.read_csv(http_tasks.folder(served) / sink, infer_schema=False).drop("task_id"))
    assert counts[0].height > 0
    assert counts[0].equals(counts[1])


def test_a_form_with_several_labellers_and_filters_runs_as_it_is_pasted(page: Page, served: Served, tmp_path: Path) -> None:
    """The options of production and of rows in memory too."""
    frame = http_tasks.rows().with_columns(pl.Series("the text", ["an exam", "exam: buy now", "x", "x", "x"] * 10))
    http_tasks.write(served, "posts.csv", frame)
    typed = {
        "also-0-rules_text": json.dumps({"labels": [{"name": "/student", "group": "role"}], "rules": [{"label": "/student", "kind": "regex", "content": "exam"}]}),
        "filters-0-rules_text": '{"rules": [{"kind": "regex", "content": "it\'s|buy now"}]}', "rules_text": json.dumps(http_tasks.RULES),
    }  # fmt: skip
    page.goto("/label-tasks/new?path=posts.csv&also-0-text=the%20text&filters-0-action=delete&filters-0-column=the%20text")
    for summary in page.locator("main details:not([data-commands]) > summary").all():
        summary.click()
    for name, text in typed.items():
        page.fill(f"textarea[name={name}]", text)
    for name, text in {
        "production_prefix": "clean_",
        "batch_rows": "200",
        "production_after": "0.5",
        "sink_path": "cli.db",
    }.items():
        page.fill(f"input[name={name}]", text)
    page.select_option("select[name=unmapped]", "leave-out")
    page.fill("textarea[name=source_map]", '{"forum": ["F1"]}')
    counts = []
    for kind, sink in (("CLI", "from cli.db"), ("curl", "from curl.db")):
        page.fill("input[name=sink_path]", sink)
        with page.expect_response("**/label-tasks/commands"):
            page.locator("input[name=sink_path]").blur()
            if page.locator("[data-commands]").get_attribute("open") is None:
                page.click("text=The same from a terminal")
        shown = page.locator(f"#commands .copy:has-text('Copy as {kind}') pre")
        expect(shown).to_contain_text(sink)
        ran = run_copied(shown.inner_text(), served, tmp_path)
        assert ran.returncode == 0, ran.stderr
        if kind == "curl":
            answer = json.loads(ran.stdout)
            assert answer["state"] == "queued", answer
            http_tasks.work(served, answer["id"])
            time.sleep(0.6)
            http_tasks.work(served, answer["id"])
        with closing(sqlite3.connect(http_tasks.folder(served) / sink)) as connection:
            counts.append(connection.execute("SELECT id, panel, match_content FROM clean_forum ORDER BY 1, 2").fetchall())
    assert {row[1] for row in counts[0]} == {"/male", "/female", "/student"}
    assert counts[0] == counts[1]


def test_what_a_task_shows_to_copy_runs_as_it_is_pasted(page: Page, served: Served, tmp_path: Path) -> None:
    posts(served)
    task_id = begin(page, served, tmp_path)
    http_tasks.work(served, task_id)
    page.goto(f"/label-tasks/{task_id}")
    page.click("text=The same from a terminal")
    texts = page.locator("details.copies pre").all_inner_texts()
    assert len(texts) == 4
    (http_tasks.folder(served) / "labels.csv").unlink()
    (http_tasks.folder(served) / "labels.production.csv").unlink()
    outputs = [run_copied(text, served, tmp_path) for text in (texts[0], texts[2], texts[3])]
    assert [ran.returncode for ran in outputs] == [0, 0, 0], outputs
    assert json.loads(outputs[2].stdout)["rows_labelled"] == 30
    assert "labels.csv" in outputs[0].stdout
    assert json.loads(run_copied(texts[1], served, tmp_path).stdout)["code"] == "conflict"


def test_a_viewer_looks_and_starts_nothing(browser: Browser, served: Served, tmp_path: Path) -> None:
    posts(served)
    with opened(browser, served) as page:
        task_id = begin(page, served, tmp_path)
    http_tasks.work(served, task_id)
    with opened(browser, served, role=Role.VIEWER) as page:
        page.goto("/label-tasks")
        assert page.locator("text=New label task").count() == 0
        page.click("table a")
        expect(page.locator("mark").first).to_be_visible()
        for word in ("Run again", "Use as template", "Remove this task", "Cancel", "Download"):
            assert page.locator(f"main >> text={word}").count() == 0
        assert str(served.app.settings.data_dir) not in page.content()


def test_the_how_to_page_on_http_runs_as_it_is_written(served: Served, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "label-over-http.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    before, after = blocks[:3], blocks[3:]
    assert len(after) == 2
    shell = f"set -eu\nexport LABELMILL_URL={served.base}\n"
    ran = run_copied(shell + "".join(before), served, tmp_path)
    assert ran.returncode == 0, ran.stderr
    [task_id] = tasks(served)
    http_tasks.work(served, task_id)
    ran = run_copied(shell + "".join(after), served, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert '"rows_labelled":2' in ran.stdout
    assert pl.read_csv(tmp_path / "labels.csv")["panel"].to_list() == ["/male", "/female"]
    assert (tmp_path / "rejects.csv").read_text(encoding="utf-8-sig") == "place,reason,text\n"


#: Each width with each theme and each language, each theme with each language.
LOOKS = [(360, "light", "zh-Hant"), (360, "dark", "en"), (1280, "light", "en"), (1280, "dark", "zh-Hant")]


@pytest.mark.parametrize(("width", "theme", "language"), LOOKS)
def test_every_page_fits_and_has_no_serious_fault_for_those_who_see_or_hear_it_otherwise(
    browser: Browser, served: Served, tmp_path: Path, width: int, theme: Any, language: str
) -> None:
    """At 360 and 1280 px, light and dark, in both languages, each pair of these: nothing sticks out, nothing serious is found by axe."""
    text = "id,author,post_time\n" + "".join(f"{n},Tom {n} {'very ' * 40},2024-01-01\n" for n in range(40)) + "41,=x,y,z\n"
    (http_tasks.folder(served) / "posts.csv").write_text(text)
    with opened(browser, served, bypass_csp=True) as page:
        done = begin(page, served, tmp_path)
        http_tasks.work(served, done)
        waiting = begin(page, served, tmp_path, sink="more.csv")
    options: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": theme, "bypass_csp": True}
    with opened(browser, served, **options) as page:
        page.context.add_cookies([{"name": "labelmill_language", "value": language, "url": served.base}])
        for path in ("", "/new", "/new?path=posts.csv", f"/new?again={done}", f"/{done}", f"/{waiting}", "?state=failed"):
            page.goto(f"/label-tasks{path}")
            for summary in page.locator("main details > summary").all():
                summary.click()
            assert serious_faults(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate("document.documentElement.lang") == language
