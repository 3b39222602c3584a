"""Label 2.4 million rows with 1,000 keywords: the command as a user runs it, beside a row-by-row reading of the same rows.

Run: ``.venv/bin/python benchmarks/bench_label.py [--rows N] [--sink parquet|db] [--repeat N]``. Prints JSON.

The baseline takes the rows one by one and tries each keyword on each, as a program without a matcher does. It reads with polars and
writes nothing, which favours it, and it runs on a slice: its rate is said to hold for all rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from labelmill.rules import Match, RuleSet, save
from names import make_rules, parquet_of

SLICE = 20_000
MEBIBYTE = 1024 * 1024


def measure(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a command and return its output, seconds and the highest resident memory (MiB) that a look every 5 ms saw."""
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watched, peak = psutil.Process(process.pid), 0
        # Until it runs its own program a new process wears the memory of this one.
        time.sleep(0.1)
        while process.poll() is None:
            try:
                peak = max(peak, watched.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.005)
        output, errors = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(errors)
    return {"output": output, "seconds": seconds, "peak_mb": peak / MEBIBYTE}


def idle_memory(environment: dict[str, str]) -> float:
    """Return the resident memory of a process that has loaded everything and done nothing."""
    code = (
        "import labelmill.cli, labelmill.bootstrap, labelmill.labeltasks.cli, psutil;"
        "from labelmill.settings import load_settings; app = labelmill.bootstrap.build(load_settings()); app.registry;"
        "print(psutil.Process().memory_info().rss)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout) / MEBIBYTE


def baseline(path: Path, rules: RuleSet) -> float:
    """Return rows per second of the row-by-row way.

    A record object for each row, each keyword of each label tried on it, the rows that hit kept, then the latest one for each author
    and label.
    """
    by_label: dict[str, list[tuple[Match | None, str]]] = {}
    for rule in rules.rules:
        by_label.setdefault(rule.label, []).append((rule.match, rule.content))
    frame = pl.scan_parquet(path).head(SLICE).collect()
    start = time.perf_counter()
    results = []
    for record in frame.iter_rows(named=True):
        folded = record["author"].lower()
        scores = {
            label: sum(folded.startswith(word) if match is Match.START else word in folded for match, word in keywords)
            for label, keywords in by_label.items()
        }
        best = max(scores.values())
        winners = [label for label, score in scores.items() if score == best]
        if best and len(winners) == 1:
            results.append(record | {"panel": winners[0], "source_author": f"{record['s_id']}_{record['author']}"})
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in results:
        key = (row["source_author"], row["panel"])
        if key not in latest or latest[key]["post_time"] <= row["post_time"]:
            latest[key] = row
    return frame.height / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_400_000)
    parser.add_argument("--sink", choices=("parquet", "db"), default="parquet")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    source, rules = parquet_of(asked.rows), make_rules()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"LABELMILL_DATA_DIR": folder}
        rules_file, sink = Path(folder) / "rules.json", Path(folder) / f"out.{asked.sink}"
        save(rules, rules_file)
        command = [
            sys.executable, "-m", "labelmill", "label", str(source), "--rules", str(rules_file), "--text-column", "author",
            "--out", str(sink), "--overwrite", "--json",
        ]  # fmt: skip
        idle = idle_memory(environment)
        runs = []
        for _ in range(asked.repeat):
            if asked.sink == "db":
                sink.unlink(missing_ok=True)
            runs.append(measure(command, environment))
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir()
    reports = [json.loads(run["output"]) for run in runs]
    best = min(range(len(runs)), key=lambda number: runs[number]["seconds"])
    by_row = baseline(source, rules)
    speed = asked.rows / runs[best]["seconds"]
    print(
        json.dumps(
            {
                "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}, Python {platform.python_version()}",
                "load_average": os.getloadavg(),
                "rows": asked.rows,
                "keywords": len(rules.rules),
                "hit_share": round(reports[best]["rows_labelled"] / asked.rows, 4),
                "mean_text_bytes": pl.scan_parquet(source).select(pl.col("author").str.len_bytes().mean()).collect().item(),
                "production_rows": sum(reports[best]["production"].values()),
                "command_seconds": [round(run["seconds"], 2) for run in runs],
                "task_seconds": [report["seconds"] for report in reports],
                "rows_per_second": round(speed),
                "peak_mb": round(max(run["peak_mb"] for run in runs)),
                "idle_mb": round(idle),
                "above_idle_mb": round(max(run["peak_mb"] for run in runs) - idle),
                "baseline_rows_per_second": round(by_row),
                "times_baseline": round(speed / by_row, 1),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
