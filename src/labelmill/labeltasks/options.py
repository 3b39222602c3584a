"""The options of ``labelmill label``, each with what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

SOURCES: Final = "posts.csv, posts.parquet, posts.jsonl, 'posts/*.csv', a folder, posts.db::table, a database URL with ::table, or @connection::table."

Source = Annotated[str, typer.Argument(help=f"What to label: {SOURCES}")]
RuleSets = Annotated[
    list[str],
    typer.Option(help="A rule set: a folder, a .csv or .json file, or the name of a stored one; may be repeated."),
]
Out = Annotated[str, typer.Option(help="Where results go: a file (.parquet, .csv, .tsv, .jsonl) or a database.")]
TextColumns = Annotated[
    list[str] | None,
    typer.Option(help="The column to label; repeated, the n-th is for the n-th rule set.  [usual: content]"),
]
IdColumn = Annotated[str | None, typer.Option(help="The column that names a row; else rows are numbered.  [usual: id]")]
SourceColumn = Annotated[str | None, typer.Option(help="The column with the source id.  [usual: s_id]")]
AuthorColumn = Annotated[str | None, typer.Option(help="The column with the author.  [usual: author]")]
TimeColumn = Annotated[str | None, typer.Option(help="The column with the time.  [usual: post_time]")]
Start = Annotated[str | None, typer.Option(help="Label rows from this time on; UTC unless it has a zone.")]
End = Annotated[str | None, typer.Option(help="Label rows before this time; UTC unless it has a zone.")]
SourceMap = Annotated[Path | None, typer.Option(help="A JSON file: from names to lists of source ids.")]
Unmapped = Annotated[
    str, typer.Option(help="Sources that are not in the map: own (results go by the id) or leave-out (counted only).")
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", help="Before labelling: delete=RULES or alter=RULES, on a column as delete:COLUMN=RULES; in this order."
    ),
]
ResultName = Annotated[str | None, typer.Option(help="What the results are called where there is no source map.")]
ProductionPrefix = Annotated[str, typer.Option(help="What the names of production tables begin with.")]
ProductionAfter = Annotated[float, typer.Option(min=0, help="Seconds between the last result and production.")]
ProductionTie = Annotated[str, typer.Option(help="Authors with equally many records of two labels: drop or keep.")]
Encoding = Annotated[str | None, typer.Option(help="The encoding of a text file; else it is detected.")]
Separator = Annotated[str | None, typer.Option(help="What separates the fields of a CSV file; else it is detected.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
StepRows = Annotated[int, typer.Option(min=1, help="Rows of one committed step.")]
BatchRows = Annotated[int, typer.Option(min=1, help="Rows that are in memory at one time.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes that share the task, unless workers are running.")]
Queue = Annotated[str, typer.Option(help="Which workers may take the task, where some are running.")]
