"""``labelmill demo``: from nothing to labelled posts in a browser."""

from __future__ import annotations

import contextlib
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer

from labelmill import bootstrap
from labelmill.console import Invocation, print_rows, say, settings_of
from labelmill.datasets import service as datasets
from labelmill.db.bulk.insert import insert_frame
from labelmill.db.engine import make_engine
from labelmill.demo.posts import make_posts, make_rules, make_source_map
from labelmill.errors import Conflict
from labelmill.jobs.console import follow
from labelmill.jobs.inline import require_success
from labelmill.labeltasks.cli import print_end, run
from labelmill.labeltasks.service import Request, sample
from labelmill.learning import service as learning
from labelmill.rules import save
from labelmill.rules.service import save as keep_rules
from labelmill.rules.stored import pack
from labelmill.samples import service as samples
from labelmill.up import require_free, run_up

if TYPE_CHECKING:
    from labelmill.bootstrap import App
    from labelmill.settings import Settings

ROWS = 200_000
SEED = 7
PORTS_TRIED = 10


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where the sample and everything about it is kept.")] = Path("demo-data"),
    rows: Annotated[int, typer.Option(min=1, max=50_000_000, help="How many posts are made.")] = ROWS,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Leave `labelmill up` running at the end.")] = True,
) -> None:
    """Make a sample of posts, label their authors, print the report, and open the doors for a browser."""
    invocation = context.find_object(Invocation)
    if invocation is not None:
        invocation.overrides.setdefault("data_dir", str(folder.absolute()))
    settings = settings_of(context)
    if serve and settings.origin("port") == "default":
        settings = settings.model_copy(update={"port": _free_port(settings)})
    files = settings.data_dir / "files"
    files.mkdir(parents=True, exist_ok=True)
    _make_sample(files, rows)
    say(f"rules: {files / 'rules.json'}   sources: {files / 'sources.json'}")
    with bootstrap.opened(settings) as application:
        rules = make_rules()
        stored = application.database.transact(keep_rules, rules.name, pack(rules), note="made by labelmill demo")
        request = Request(
            source={"path": "posts.db::posts"}, sink={"path": "labels.db"}, rules=stored.rule_set, text_column="author",
            source_map=make_source_map(),
        )  # fmt: skip
        job = run(application, request)
        print_end(application, job, json=False)
        say("a sample, with the rules that matched:")
        drawn = sample(application.work_root, job.id, rows=8, seed=SEED)
        print_rows(drawn.to_dicts(), columns=("name", "source_author", "panel", "match_content", "match_meta"))
        say("")
        add_samples(application)
    if serve:
        say("")
        run_up(settings)


def add_samples(application: App) -> None:
    """Make the sample datasets that are not there, train on their answers, and say what is to be seen."""
    job = application.database.transact(samples.begin)
    result = require_success(follow(application.runtime, job)).result or {}
    for name, dataset_id in result["datasets"].items():
        with application.database.read() as connection:
            dataset = datasets.get(connection, dataset_id)
        # The answers have submitted a training; this returns it.
        training = application.database.transact(learning.train_now, dataset)
        require_success(follow(application.runtime, training))
        for prediction in learning.predictions_of(application.database, dataset_id):
            require_success(follow(application.runtime, prediction))
        say(
            f"dataset {name}: {dataset.records:,} records, half of them answered, with a classifier; open /datasets/{dataset_id}"
        )
    if "left out" in result:
        say(result["left out"])


def _make_sample(files: Path, rows: int) -> None:
    save(make_rules(), files / "rules.json")
    (files / "sources.json").write_text(jsonlib.dumps(make_source_map(), indent=1), encoding="utf-8")
    target = files / "posts.db"
    if target.exists():
        say(f"using the posts in {target}")
        return
    say(f"making {rows:,} posts in {target}")
    temporary = files / ".posts.db"
    temporary.unlink(missing_ok=True)
    write_posts(temporary, rows)
    temporary.replace(target)


def write_posts(path: Path, rows: int) -> None:
    """Write the sample to a new SQLite file as the table ``posts``, with an index on the time."""
    engine = make_engine(f"sqlite:///{path}", foreign=True)
    try:
        frame = make_posts(rows, SEED)
        columns = [sa.Column(name, sa.Text, primary_key=name == "id", nullable=name == "author") for name in frame.columns]
        posts = sa.Table("posts", sa.MetaData(), *columns, sa.Index("posts_by_time", "post_time"))
        with engine.begin() as connection:
            posts.create(connection)
            insert_frame(connection, posts, frame)
    finally:
        engine.dispose()


def _free_port(settings: Settings) -> int:
    """Return the first port from the usual one on that nobody listens on: a demo should not fail for that."""
    for port in range(settings.port, settings.port + PORTS_TRIED):
        with contextlib.suppress(Conflict):
            require_free(settings.host, port)
            return port
    return settings.port
