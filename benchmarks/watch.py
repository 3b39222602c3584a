"""Runs a command and looks at its time and at the memory of its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import psutil

MEBIBYTE = 1024 * 1024
LOOK = 0.01  # seconds between two looks at memory
COUNT = 0.1  # seconds between two looks for new processes


@dataclass(frozen=True)
class Run:
    output: str
    seconds: float
    #: The highest sum of resident memory over all processes of the command, MiB. Pages that processes share count for each.
    peak_mb: float
    processes: int


def run(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end; ends this program with the command's errors where it fails."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=output, stderr=errors) as process:
            peak, most = _watch(process)
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"The command failed with exit code {process.returncode}:\n{errors.read()}{output.read()}")
        return Run(output.read(), seconds, peak / MEBIBYTE, most)


def _watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return the peak of the summed memory and of the number of processes, looked at until the first one ends."""
    # Until it runs its own program a new process wears the memory of this one.
    time.sleep(COUNT)
    first = psutil.Process(process.pid)
    tree, counted, peak, most = [first], time.monotonic(), 0, 1
    while process.poll() is None:
        if time.monotonic() - counted > COUNT:
            tree, counted = [first, *_children(first)], time.monotonic()
            most = max(most, len(tree))
        peak = max(peak, sum(_resident(one) for one in tree))
        time.sleep(LOOK)
    return peak, most


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def idle_mb() -> float:
    """Return the resident memory of one process that has loaded everything and done nothing, MiB."""
    code = (
        "import labelmill.cli, labelmill.bootstrap, labelmill.labeltasks.cli, psutil;"
        "from labelmill.settings import load_settings; app = labelmill.bootstrap.build(load_settings()); app.registry;"
        "print(psutil.Process().memory_info().rss)"
    )
    with tempfile.TemporaryDirectory() as folder:
        return int(run([sys.executable, "-c", code], clean_environment(folder)).output) / MEBIBYTE


def clean_environment(folder: str) -> dict[str, str]:
    """Return the environment without settings of this program, and with a data folder that is empty.

    Python may keep what it compiles, as it does where the program is installed: else each run would compile all of it anew.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LABELMILL_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | {"LABELMILL_DATA_DIR": folder}
