"""Import and export of rule sets: the form is told from the path."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from labelmill.errors import BadFile, BadRules
from labelmill.rules.document import from_dict, to_dict
from labelmill.rules.groups import as_read, rivals, spoken_groups, with_known_groups
from labelmill.rules.model import RuleSet, Tie
from labelmill.rules.readers.folder import DEFAULT_PREDICT_TYPE, read_folder, write_folder
from labelmill.rules.readers.loaded import Loaded, Note
from labelmill.rules.readers.table import read_table, write_table
from labelmill.rules.readers.text import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Form(StrEnum):
    """How a rule set stands on disk."""

    FOLDER = "folder"
    CSV = "csv"
    JSON = "json"


def form_of(path: Path) -> Form:
    """Return the form that a path means: a folder (or no suffix), ``.csv``/``.tsv``, ``.json``; raise BadFile for others."""
    suffix = path.suffix.lower()
    if path.is_dir() or not suffix:
        return Form.FOLDER
    if suffix in {".csv", ".tsv"}:
        return Form.CSV
    if suffix == ".json":
        return Form.JSON
    way_out = "Rules are a folder <model>/<label>/<predict type>.txt, a .csv (or .tsv) file, or a .json file."
    raise BadFile(f"Rules cannot be read or written as {suffix!r}.", where=str(path), way_out=way_out)


def load(
    path: Path,
    *,
    name: str | None = None,
    predict_type: str | None = None,
    dictionary: Mapping[str, str] | None = None,
    default_label: str = "",
    column: str | None = None,
) -> Loaded:
    """Read a rule set of any form, with notes on what was guessed.

    ``name`` is by default that of the file or folder (a JSON document's own name goes first); ``predict_type`` chooses among the files
    of a folder, and where it is None the ``column`` that is to be labelled does; ``dictionary`` translates the labels of a CSV file; with
    ``default_label`` the rules of a CSV or JSON file may name no label. Where a folder or CSV file does not group its labels, the known
    ones are in their groups (see ``labelmill.rules.groups``). Raises NotFound, BadFile, BadRules and TooLarge.
    """
    given = name or path.resolve().stem
    match form_of(path):
        case Form.FOLDER:
            return _grouped(path, read_folder(path, name=given, predict_type=predict_type, column=column), apart=True)
        case Form.CSV:
            loaded, says_groups = read_table(path, name=given, dictionary=dictionary, default_label=default_label)
            return loaded if says_groups or default_label else _grouped(path, loaded)
        case Form.JSON:
            return Loaded(_read_json(path, given, default_label))


def save(rule_set: RuleSet, path: Path, *, predict_type: str = DEFAULT_PREDICT_TYPE) -> tuple[str, ...]:
    """Write a rule set in the form of the path and return, one sentence each, what that form could not hold."""
    form = form_of(path)
    if form is Form.JSON:
        path.write_text(json.dumps(to_dict(rule_set), ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
        return ()
    if form is Form.CSV:
        write_table(rule_set, path)
    else:
        write_folder(rule_set, path, predict_type=predict_type)
    return _lost(rule_set, form)


def _grouped(path: Path, loaded: Loaded, *, apart: bool = False) -> Loaded:
    """Return what was read with the known groups, and a note where they make a difference."""
    grouped = with_known_groups(loaded.rule_set, apart=apart)
    if len(grouped.groups) <= 1:
        return Loaded(grouped, loaded.notes)
    message = f"It has no groups, these were taken: {spoken_groups(grouped)}. Labels compete within a group only."
    return Loaded(grouped, (Note(str(path), message), *loaded.notes))


def _lost(rule_set: RuleSet, form: Form) -> tuple[str, ...]:
    again = as_read(rule_set, apart=True) if form is Form.FOLDER else rule_set
    bare = {label.name for label in rule_set.labels} - {rule.label for rule in rule_set.rules}
    return tuple(
        sentence
        for lost, sentence in (
            (
                rivals(again) != rivals(rule_set),
                f"The groups ({spoken_groups(rule_set)}) are not in the file, it is read with {spoken_groups(again)}.",
            ),
            (rule_set.tie is not Tie.DROP, "That a tie gives the first label is not in the file."),
            (rule_set.case_sensitive, "That case matters is not in the file."),
            (bare, f"Labels without rules are not in a CSV file: {', '.join(sorted(bare))}."),
        )
        if lost
    )


def _read_json(path: Path, name: str, default_label: str) -> RuleSet:
    text = read_text(path)
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        way_out = "Correct the JSON."
        raise BadFile(f"The file is not JSON: {error.msg}.", where=f"{path}:{error.lineno}", way_out=way_out) from error
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadFile(f"The file is not usable JSON: {reason}.", where=str(path), way_out="Correct the JSON.") from error
    try:
        return from_dict(value, name=name, default_label=default_label)
    except BadRules as error:
        place = f"{path}, {error.where}" if error.where else str(path)
        raise BadRules(error.message, where=place, way_out=error.way_out) from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {repeated[:60]!r} stands twice in one object")
    return fields


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a number of JSON")
