"""Label tasks on files and servers: the command as a user runs it, beside a row-by-row reading of the same rows.

Run: ``.venv/bin/python benchmarks/label_tasks.py [--rows N] [--backends parquet,postgresql,sqlite,mariadb] [--repeat N]``. Prints JSON,
then a table. What stands after ``--`` goes to ``labelmill label``. Rules of 1,000 keywords for 6 labels in 3 groups are tried on the
author of posts; source and sink are on the same server. Rows are made once and kept until ``--clean``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

import baseline
import expected
import watch
from backends import FILES, OUT, SERVERS, open_backend
from labelmill.rules import save
from names import make_rules, names
from posts import PIECE, SOURCE_MAP, pieces
from scores import judge, keep, table

if TYPE_CHECKING:
    from backends import Backend
    from labelmill.rules import RuleSet

ALL = ("parquet", "postgresql", "sqlite", "mariadb")
HOW = (
    f"row by row, an object each, each keyword tried on each author; cleaned and inserted, production too; rate of the first {baseline.SLICE:,}"
    " rows, taken to hold for all"
)


def main() -> None:
    asked = _asked()
    backends = _opened(asked)
    if asked.clean:
        for backend in backends.values():
            backend.clean()
        return
    for name, backend in backends.items():
        print(f"{name}: {asked.rows:,} rows ...", file=sys.stderr, flush=True)
        backend.load()
    if not asked.load:
        _print(_measured(asked, backends))


def _opened(asked: argparse.Namespace) -> dict[str, Backend]:
    """Return the backends that were asked for, else all whose servers answer."""
    urls = {name: _server(name, asked) for name in asked.backends or ALL}
    missing = [name for name in urls if name in SERVERS and urls[name] is None]
    if missing:
        print(f"No server answers: {', '.join(missing)}. Start it, or say where it is with its option.", file=sys.stderr)
        if asked.backends:
            sys.exit(1)
    return {name: open_backend(name, asked.rows, url) for name, url in urls.items() if name not in missing}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_376_186)
    parser.add_argument(
        "--backends", type=_backends, help="some of parquet,postgresql,sqlite,mariadb; else all whose servers answer"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, help="given to the command; else it is left to it")
    for name in SERVERS:
        parser.add_argument(f"--{name}", metavar="URL", help="where the server is; else that of the tests")
    parser.add_argument("--check", action="store_true", help="count everything once more with plain loops and compare")
    parser.add_argument("--load", action="store_true", help="only make the rows")
    parser.add_argument("--clean", action="store_true", help="only remove what was made, for any number of rows")
    parser.add_argument("more", nargs="*", help="after --: more options of labelmill label")
    return parser.parse_args()


def _backends(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(ALL):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    return chosen


def _server(name: str, asked: argparse.Namespace) -> str | None:
    """Return the URL of a backend's server: the one asked for, else the one that tests use."""
    if name in FILES:
        return None
    sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
    import testservers

    given: str | None = getattr(asked, name)
    return given or testservers.find(name)


def _measured(asked: argparse.Namespace, backends: dict[str, Backend]) -> dict[str, Any]:
    rules, load = make_rules(), os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        save(rules, files / "rules.json")
        (files / "map.json").write_text(json.dumps(SOURCE_MAP), encoding="utf-8")
        idle = watch.idle_mb()
        figures = {
            name: _figures(name, backend, _command(backend, files, asked), rules, asked) for name, backend in backends.items()
        }
    for found in figures.values():
        found["above_idle_mb"] = round(found["peak_mb"] - idle)
    counts = {name: found.pop("counts") for name, found in figures.items()}
    if asked.check:
        counts["plain loops"] = expected.count(asked.rows, rules)
    _require_equal(counts)
    return _conditions(asked.rows, rules, next(iter(counts.values()))) | {
        "load_average_before": load,
        "idle_mb": round(idle),
        "baseline": HOW,
        "checked_with_plain_loops": asked.check,
        "backends": figures,
    }


def _command(backend: Backend, files: Path, asked: argparse.Namespace) -> list[str]:
    return [
        sys.executable, "-m", "labelmill", "label", backend.source, "--rules", str(files / "rules.json"), "--text-column", "author",
        "--out", backend.sink, "--source-map", str(files / "map.json"), "--json",
        *(["--workers", str(asked.workers)] if asked.workers else []), *asked.more,
    ]  # fmt: skip


def _figures(name: str, backend: Backend, command: list[str], rules: RuleSet, asked: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured on one backend, and the ``counts`` of its report."""
    runs = [_run(backend, command) for _ in range(asked.repeat)]
    reports = [json.loads(run.output) for run in runs]
    _require_written(name, backend, reports[-1]["production"])
    backend.empty()
    by_row = baseline.measure(backend, rules)
    backend.empty()
    seconds = sorted(run.seconds for run in runs)
    return {
        "command_seconds": [round(run.seconds, 2) for run in runs],
        "best_seconds": round(seconds[0], 2),
        "worst_seconds": round(seconds[-1], 2),
        "task_seconds": [report["seconds"] for report in reports],
        "rows_per_second": round(asked.rows / seconds[0]),
        "peak_mb": round(max(run.peak_mb for run in runs)),
        "processes": max(run.processes for run in runs),
        "baseline_rows_per_second": round(by_row),
        "times_baseline": round(asked.rows / seconds[0] / by_row, 1),
        "counts": {count: reports[-1][count] for count in expected.COUNTS},
    }


def _run(backend: Backend, command: list[str]) -> watch.Run:
    """Run the command into an empty sink, with a data folder of its own."""
    backend.empty()
    os.sync()  # what was written before is not to be paid for by this run
    with tempfile.TemporaryDirectory() as folder:
        environment = watch.clean_environment(folder)
        # As on any day but the first: labelmill's own database is there.
        subprocess.run([*command[:3], "db", "upgrade"], env=environment, check=True, capture_output=True)
        return watch.run(command, environment)


def _require_written(where: str, backend: Backend, production: dict[str, int]) -> None:
    """End this program where the sink does not hold the production rows that the report says."""
    for name, rows in production.items():
        if rows and (there := backend.production_rows(name)) != rows:
            sys.exit(f"{where}: {name} has {there} production rows, the report says {rows}.")


def _require_equal(counts: dict[str, dict[str, Any]]) -> None:
    """End this program where the reports differ. A name without rows may be left out."""
    (first, known), *others = (
        (where, {name: _without_zero(value) for name, value in found.items()}) for where, found in counts.items()
    )
    for where, found in others:
        for name, value in found.items():
            if value != known[name]:
                sys.exit(f"{name} differs: {first} {known[name]}, {where} {value}")


def _without_zero(value: Any) -> Any:
    return {key: count for key, count in value.items() if count} if isinstance(value, dict) else value


def _conditions(rows: int, rules: RuleSet, counts: dict[str, Any]) -> dict[str, Any]:
    """Return on what the figures were measured; the mean length is that of the first rows."""
    author = next(pieces(rows, last=PIECE))["author"]
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - this is no part of the package
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}, Python {platform.python_version()}, polars {pl.__version__}",
        "rows": rows,
        "names": names().origin,
        "keywords": len(rules.rules),
        "labels": len(rules.labels),
        "hit_share": round(counts["rows_labelled"] / rows, 4),
        "mean_author_bytes": round(author.str.len_bytes().sum() / len(author), 1),
        "mean_author_characters": round(author.str.len_chars().sum() / len(author), 1),
        "distinct_authors_of_all_names": sum(counts["authors"].values()),
        "results": sum(counts["results"].values()),
        "production_rows": sum(counts["production"].values()),
    }


def _print(found: dict[str, Any]) -> None:
    """Judge the figures and print them."""
    judge(found, OUT)
    keep(found, OUT)
    print(json.dumps(found, indent=1, ensure_ascii=False))
    print(table(found))


if __name__ == "__main__":
    main()
