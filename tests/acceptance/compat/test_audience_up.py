"""An old client and a new server: `labelmill up` with the predecessor's environment variables, called by plain HTTP without a token."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

import audience
import fresh

SECONDS = 90
PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/audience-clients.md"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class OldClient:
    """Calls as programs of the Audience API make them: JSON in, ``error_code`` looked at, no token."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/tasks/"

    def call(self, path="", body=None, headers=()):
        """Return the HTTP status and the answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json", **dict(headers)})
        try:
            with OPENER.open(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def until(self, task_id, **wanted):
        deadline = time.monotonic() + SECONDS
        while True:
            _, found = self.call(task_id)
            if {name: found[name] for name in wanted} == wanted:
                return found
            assert found["status"] in ("PENDING", "SUCCESS"), found
            assert time.monotonic() < deadline, found
            time.sleep(0.2)


def posts():
    """Fifty of two hundred authors have a name that a rule knows (one of them in another source); names hold emoji and Chinese."""
    names = [
        f"Tom 🌸{number}" if number % 8 == 0 else f"林淑芬{number}" if number % 8 == 1 else f"nobody {number}"
        for number in range(200)
    ]
    start = datetime(2020, 1, 1)
    return [
        {"s_id": "WH_F0116" if at % 50 == 0 else "WH_F0045", "author": name, "post_time": start + timedelta(hours=at)}
        for at, name in enumerate([*names, *names[:20]])
    ]


@pytest.fixture
def input_and_output(mariadb_url, worker_name):
    with (
        fresh.database("mariadb", mariadb_url, worker_name) as read,
        fresh.database("mariadb", mariadb_url, worker_name) as write,
    ):
        audience.write_posts(read, posts())
        yield make_url(read), make_url(write)


def environment(folder, read, write, **more):
    """Return the environment of a team that ran the Audience API yesterday."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LABELMILL_", "INPUT_", "OUTPUT_", "PG"))}
    for side, url in (("INPUT", read), ("OUTPUT", write)):
        parts = {
            "HOST": url.host,
            "PORT": url.port or 3306,
            "USER": url.username,
            "PASSWORD": url.password,
            "SCHEMA": url.database,
        }
        own |= {f"{side}_{name}": str(value) for name, value in parts.items() if value}
    return {
        **own,
        "LABELMILL_DATA_DIR": str(folder / "data"),
        "LABELMILL_RULES_DIR": str(audience.write_rules(folder / "rules")),
        "LABELMILL_POLL_SECONDS": "0.1",
        **more,
    }


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def up(tmp_path, input_and_output):
    """Return a function that starts ``labelmill up`` as a process and gives a client of it."""
    started = []

    def start(**more):
        port = free_port()
        with (tmp_path / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "labelmill", "up", "--port", str(port)]
            started.append(
                subprocess.Popen(
                    command, env=environment(tmp_path, *input_and_output, **more), cwd=tmp_path, stdout=log, stderr=log
                )
            )
        deadline = time.monotonic() + SECONDS
        while not _answers(port):
            assert started[-1].poll() is None, (tmp_path / "up.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "up.log").read_text()
            time.sleep(0.1)
        return OldClient(port)

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


def _answers(port):
    try:
        with OPENER.open(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_t01_t21_an_old_client_gets_its_task_done_as_ever(up, input_and_output):
    read, write = input_and_output
    client = up()
    assert client.call() == (200, {"error_code": 200, "error_message": "OK", "content": []})
    asked = {
        "model_type": "keyword_model", "predict_type": "author_name", "start_time": "2020-01-01 00:00:00", "end_time": "2021-01-01 00:00:00",
        "target_schema": read.database, "target_table": "ts_page_content", "output_schema": write.database, "countdown": 1,
    }  # fmt: skip
    status, made = client.call(body=asked)
    assert (status, made["error_code"]) == (200, 200), made
    assert made["error_message"]["target_schema"] == read.database
    task_id = made["error_message"]["task_id"]
    done = client.until(task_id, status="SUCCESS", prod_status="finish")
    assert done == {
        "error_code": 200,
        "error_message": "OK",
        "status": "SUCCESS",
        "prod_status": "finish",
        "result": "Dcard,fbfans,forum",
    }
    [row] = client.call()[1]["content"]
    assert (row["target_table"], row["length_receive_table"], row["length_prod_table"]) == (read.database, 220, 51)
    assert row["uniq_source_author"] == "4,196,4"
    query = urllib.parse.urlencode({"table_name": ["wh_panel_mapping_fbfans", "wh_panel_mapping_Dcard"]}, doseq=True)
    sample = client.call(f"{task_id}/sample/?{query}")[1]
    assert {each["panel"] for each in sample["error_message"]} == {"/male", "/female"}
    assert any("🌸" in each["match_content"] for each in sample["error_message"])
    url = write.render_as_string(hide_password=False)
    assert len(audience.rows(url, "wh_panel_mapping_fbfans")) + 2 * len(audience.rows(url, "wh_panel_mapping_forum")) == 51


def test_t18_the_commands_of_the_page_work(up, tmp_path):
    """Every command of docs/how-to/audience-clients.md, one after the other, as somebody types them."""
    client = up()
    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL))
    variables = {"PATH": os.environ["PATH"], "AUDIENCE_URL": client.base.removesuffix("/api/tasks/"), "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"prod_status":"finish"' in done.stdout
    sample = json.loads(
        done.stdout.strip()
        .splitlines()[-1]
        .rpartition('{"error_code":200,"error_message":[')[2]
        .join(("[", ""))
        .removesuffix("}")
    )
    assert {row["field_content"] for row in sample} == {"WH_F0045"}


def test_t02_an_old_client_may_go_on_to_look_at_the_code_alone(up):
    client = up(LABELMILL_COMPAT_STATUS="200")
    for path, body, code in (("", {"start_time": "2022-01-01"}, 400), ("", {"model_type": "rule_model"}, 501),
                             ("", {"target_table": "nothing"}, 500), ("0" * 32, None, 400)):  # fmt: skip
        status, answer = client.call(path, body)
        assert (status, answer["error_code"]) == (200, code)
    assert client.call(body={"countdown": "soon"})[0] == 422


def test_p29_only_this_machine_is_trusted_and_only_where_nothing_else_was_said(up):
    client = up(LABELMILL_COMPAT_TRUSTED_NETWORKS="192.0.2.0/24")
    status, answer = client.call()
    assert (status, answer["error_code"]) == (401, 401)


def test_p29_what_comes_through_a_proxy_or_from_another_site_is_not_trusted(up):
    client = up()
    assert client.call(headers={"X-Forwarded-For": "203.0.113.9"})[0] == 401
    assert client.call(body={}, headers={"Origin": "https://evil.example"})[0] == 403
    assert client.call()[0] == 200
