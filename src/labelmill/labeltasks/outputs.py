"""Where a label task writes: tables of a database, or files. Each step's effect happens once, however often the step runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from labelmill.db.bulk.sink import check_target, concat_parts, write_file
from labelmill.errors import BadInput
from labelmill.labeltasks.frames import FILE_COLUMNS, FILE_SCHEMA
from labelmill.triggers import passing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import polars as pl

    from labelmill.db.bulk.location import Location
    from labelmill.labeltasks.model import LabelTask
    from labelmill.labeltasks.places import Places
    from labelmill.labeltasks.workplace import Workplace


class Output(Protocol):
    """The sink of one task. A step is named once; ``fence`` is asked just before its effect and may refuse it."""

    #: Whether the results are needed in the order of the source at the end.
    keeps_order: bool

    def check(self) -> None:
        """Raise BadSource or Conflict where this sink cannot take the task's rows."""
        ...

    def write_results(self, step: str, results: pl.DataFrame, fence: Callable[[], None]) -> None: ...

    def write_production(self, step: str, production: pl.DataFrame, fence: Callable[[], None]) -> None: ...

    def finish(self, workplace: Workplace, names: Sequence[str]) -> list[str]:
        """Complete the sink and return what was written for these names: files to open or tables to select from."""
        ...

    def clear(self, fence: Callable[[], None] = ...) -> list[str]:
        """Take back every row that the task wrote, and nobody else's; return the tables it was taken from."""
        ...

    def close(self) -> None: ...


class FileOutput:
    """One file of results and, where authors are known, one of production beside it; both appear complete at the end."""

    keeps_order = True

    def __init__(self, path: Path, source: Location, task: LabelTask) -> None:
        self._path = path
        self._source = source
        self._task = task

    @property
    def production_path(self) -> Path:
        return self._path.with_name(f"{self._path.stem}.production{self._path.suffix}")

    def check(self) -> None:
        for path in self._paths():
            if self._source.takes(path):
                raise BadInput(
                    "This file would be overwritten: it is the source.", where=str(path), way_out="Name another file."
                )
            check_target(path, overwrite=self._task.overwrite)

    def write_results(self, step: str, results: pl.DataFrame, fence: Callable[[], None]) -> None:
        del step, results
        fence()

    def write_production(self, step: str, production: pl.DataFrame, fence: Callable[[], None]) -> None:
        del step, production
        fence()

    def finish(self, workplace: Workplace, names: Sequence[str]) -> list[str]:
        del names
        parts = dict(zip(self._paths(), (workplace.results(), workplace.production()), strict=False))
        for path, files in parts.items():
            if files:
                concat_parts(files, path, columns=FILE_COLUMNS, overwrite=True)
            else:
                write_file(path, [], FILE_SCHEMA, overwrite=True)
            passing("label-task.file-written")
        return [str(path) for path in parts]

    def clear(self, fence: Callable[[], None] | None = None) -> list[str]:
        """Leave the files: they appear at the end only, and a task that begins again replaces its own."""
        if fence is not None:
            fence()
        return []

    def close(self) -> None:
        """Nothing is held."""

    def _paths(self) -> list[Path]:
        return [self._path, self.production_path] if self._task.columns.author else [self._path]


def make_output(places: Places, task: LabelTask, task_id: str) -> Output:
    """Return the sink of a task; whoever has it closes it."""
    sink = places.sink(task)
    if sink.is_file and sink.path is not None:
        return FileOutput(sink.path, places.source(task), task)
    # A task whose results are files need not wait until all is loaded that writes tables.
    from labelmill.labeltasks.table_output import TableOutput

    return TableOutput(sink, places.source(task), task, task_id)
