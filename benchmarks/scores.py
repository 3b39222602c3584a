"""Floors and goals of label tasks, and the table that shows figures beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SMALL = 2_376_186
#: Seconds of the command by rows: floor and goal.
SECONDS: dict[int, dict[str, tuple[float, float]]] = {
    SMALL: {"parquet": (3.5, 2), "postgresql": (5.5, 3.5), "sqlite": (6.5, 4), "mariadb": (12, 8)},
    16_992_036: {"parquet": (24, 14), "postgresql": (38, 25), "sqlite": (45, 29), "mariadb": (80, 55)},
}
ABOVE_IDLE = (300, 200)  # MB
TIMES_BASELINE = {"parquet": 100, "postgresql": 100, "sqlite": 100, "mariadb": 50}
#: How much longer a row of a larger run may take.
LONGER = 0.1
#: What the predecessor's published runs took.
PREDECESSOR = {SMALL: "23.26 minutes", 16_992_036: "170 minutes", 39_291_336: "149 minutes, 812 MB"}
HEADS = ("", "command, s", "floor/goal", "", "task, s", "rows/s", "above idle, MB", "floor/goal", "", "baseline", "times", "least", "")  # fmt: skip


def judge(found: dict[str, Any], folder: Path) -> None:
    """Add to the figures what was to be reached and whether it was; the best run is judged, the worst stands beside it."""
    rows = found["rows"]
    for name, figures in found["backends"].items():
        reached: dict[str, dict[str, Any]] = {
            "above_idle_mb": _reached(figures["above_idle_mb"], ABOVE_IDLE),
        }
        if rows >= SMALL:  # of a smaller run most is the start of the program
            least = TIMES_BASELINE[name]
            reached["times_baseline"] = {"floor": least, "met": "floor" if figures["times_baseline"] >= least else "neither"}
        if rows in SECONDS:
            reached["seconds"] = _reached(figures["best_seconds"], SECONDS[rows][name])
        if rows > SMALL and (smaller := _smaller(folder, name)):
            longer = figures["best_seconds"] / rows / smaller - 1
            reached["longer_per_row"] = {
                "value": round(longer, 3),
                "floor": LONGER,
                "met": "floor" if longer <= LONGER else "neither",
            }
        figures["reached"] = reached
    if rows in PREDECESSOR:
        found["predecessor"] = PREDECESSOR[rows]


def _reached(value: float, bounds: tuple[float, float]) -> dict[str, Any]:
    floor, goal = bounds
    return {"floor": floor, "goal": goal, "met": "goal" if value <= goal else "floor" if value <= floor else "neither"}


def _smaller(folder: Path, name: str) -> float | None:
    """Return the seconds for each row of the last smaller run, None where there was none."""
    path = _kept(folder, name, SMALL)
    return json.loads(path.read_text(encoding="utf-8"))["best_seconds"] / SMALL if path.exists() else None


def keep(found: dict[str, Any], folder: Path) -> None:
    """Store the figures of each backend, for larger runs to be compared with."""
    for name, figures in found["backends"].items():
        _kept(folder, name, found["rows"]).write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _kept(folder: Path, name: str, rows: int) -> Path:
    return folder / f"figures-{name}-{rows}.json"


def table(found: dict[str, Any]) -> str:
    """Return the figures as lines of text."""
    lines = [HEADS, *(_line(name, figures) for name, figures in found["backends"].items())]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for name, figures in found["backends"].items():
        if longer := figures["reached"].get("longer_per_row"):
            shown.append(
                f"{name}: time for each row {longer['value']:+.1%} against the last run of {SMALL:,} rows, at most {LONGER:+.0%}"
            )
    if "predecessor" in found:
        shown.append(f"the predecessor's published run: {found['predecessor']}")
    return "\n".join([f"{found['rows']:,} rows, best (worst) of {_repeats(found)}; names: {found['names']}", *shown])


def _repeats(found: dict[str, Any]) -> int:
    return max(len(figures["command_seconds"]) for figures in found["backends"].values())


def _line(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    reached = figures["reached"]
    seconds, memory, times = (reached.get(key, {}) for key in ("seconds", "above_idle_mb", "times_baseline"))
    return (
        name, f"{figures['best_seconds']} ({figures['worst_seconds']})", _bounds(seconds), seconds.get("met", ""),
        f"{min(figures['task_seconds']):.2f}", f"{figures['rows_per_second']:,}",
        str(figures["above_idle_mb"]), _bounds(memory), memory["met"],
        f"{figures['baseline_rows_per_second']:,}", str(figures["times_baseline"]), str(times.get("floor", "-")), times.get("met", ""),
    )  # fmt: skip


def _bounds(reached: dict[str, Any]) -> str:
    return f"{reached['floor']}/{reached['goal']}" if reached else "-"
