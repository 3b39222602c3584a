"""The predecessor's folder: ``<model>/<label>/<predict type>.txt``, a line ``keyword<TAB>match type`` or, in a rule model, a regex."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from labelmill.errors import BadFile, BadRules, Conflict, NotFound
from labelmill.rules.model import Kind, Label, Match, Rule, RuleSet
from labelmill.rules.readers.loaded import Loaded, Note
from labelmill.rules.readers.text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYWORD_MODEL: Final = "keyword_model"
REGEX_MODEL: Final = "rule_model"
DEFAULT_PREDICT_TYPE: Final = "author_name"
#: The predict type that labels a column, where it is called otherwise.
PREDICT_TYPES: Final = {"author": "author_name"}
_BY_NAME: Final = "`labelmill rules import NAME FOLDER --predict-type ...` stores it under a name that can be used anywhere."
_MATCHES: Final = {**{match.value: match for match in Match}, "absolutely": Match.EXACTLY}


def read_folder(path: Path, *, name: str, predict_type: str | None = None, column: str | None = None) -> Loaded:
    """Read a model folder, or the folder that holds model folders; label ``/x`` is the folder ``x``, in alphabetical order.

    Where files of several predict types lie in it, ``predict_type`` chooses, else the ``column`` to label. Raises NotFound, BadFile and BadRules with file and line.
    """
    models = _models(path)
    chosen = _chosen_type(path, [file for model in models for file in model.glob("*/*.txt")], predict_type, column)
    files = [(model, file) for model in models for file in sorted(model.glob(f"*/{chosen}.txt"))]
    labels = sorted({f"/{file.parent.name}" for _, file in files})
    rules = [rule for model, file in files for rule in _rules(file, is_regex=model.resolve().name == REGEX_MODEL)]
    bare = sorted(folder for model in models for folder in _folders(model) if not (folder / f"{chosen}.txt").is_file())
    notes = tuple(Note(str(folder), f"There is no {chosen}.txt: the label was left out.") for folder in bare)
    return Loaded(RuleSet(name, tuple(Label(label) for label in labels), tuple(rules)), notes)


def write_folder(rule_set: RuleSet, path: Path, *, predict_type: str = DEFAULT_PREDICT_TYPE) -> None:
    """Write ``keyword_model`` and ``rule_model`` folders below ``path``, or raise BadRules or Conflict before anything is written.

    Refused is what this form cannot hold: a label that is no slash and a plain folder name, a tab or line end in a rule.
    """
    if path.exists() and any(path.iterdir()):
        way_out = "Give a new or empty folder: files left in it would be read as rules."
        raise Conflict("The folder is not empty.", where=str(path), way_out=way_out)
    lines: dict[Path, list[str]] = defaultdict(list)
    for label in rule_set.labels:
        lines[path / KEYWORD_MODEL / _folder_name(label.name)] = []
    for rule in rule_set.rules:
        model = REGEX_MODEL if rule.kind is Kind.REGEX else KEYWORD_MODEL
        lines[path / model / _folder_name(rule.label)].append(_line(rule))
    for folder, content in lines.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{predict_type}.txt").write_text("".join(content), encoding="utf-8", newline="\n")


def _models(path: Path) -> list[Path]:
    """Return the model folders: ``path`` itself where its folders hold text files, else those below it that do."""
    if not path.is_dir():
        raise NotFound("There is no such folder.", where=str(path), way_out="Give the model folder or the one that holds it.")
    candidates = [path, *_folders(path)]
    models = [candidate for candidate in candidates if any(candidate.glob("*/*.txt"))]
    if not models:
        way_out = "Expected is <model>/<label>/<predict type>.txt, e.g. keyword_model/female/author_name.txt."
        raise BadFile("The folder holds no rule files.", where=str(path), way_out=way_out)
    return models[:1] if models[0] == path else models


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir())


def _chosen_type(path: Path, files: list[Path], wanted: str | None, column: str | None) -> str:
    found = sorted({file.stem for file in files})
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted is None and PREDICT_TYPES.get(str(column), column) in found:
        return PREDICT_TYPES.get(str(column), str(column))
    if wanted in found:
        return str(wanted)
    fault = (
        f"There are no rules for the predict type {wanted!r}." if wanted else "The folder has rules for several predict types."
    )
    raise BadRules(fault, where=str(path), way_out=f"Choose one of: {', '.join(found)}. {_BY_NAME}")


def _rules(file: Path, *, is_regex: bool) -> Iterator[Rule]:
    label = f"/{file.parent.name}"
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        content = line.removesuffix("\r")
        if not content:
            continue
        place = f"{file}:{number}"
        if is_regex:
            yield Rule(label, Kind.REGEX, None, content, place)
        else:
            yield _keyword(label, content, place)


def _keyword(label: str, line: str, place: str) -> Rule:
    keyword, tab, match = line.partition("\t")
    if not tab:
        raise BadFile("The line has no tab.", where=place, way_out="Write keyword<TAB>match type.")
    if match.strip() not in _MATCHES:
        raise BadFile(f"{match!r} is no match type.", where=place, way_out=f"It is one of: {', '.join(_MATCHES)}.")
    return Rule(label, Kind.KEYWORD, _MATCHES[match.strip()], keyword, place)


def _folder_name(label: str) -> str:
    name = label.removeprefix("/")
    if (
        not label.startswith("/")
        or not name
        or name.startswith(".")
        or set(name) & set('/\\:*?"<>|')
        or name.endswith((" ", "."))
    ):
        way_out = "Export as JSON or CSV, or name the labels like /male."
        raise BadRules(f"The label {label!r} cannot be a folder of this form.", way_out=way_out)
    return name


def _line(rule: Rule) -> str:
    forbidden = "\r\n" if rule.kind is Kind.REGEX else "\r\n\t"
    if not rule.content or any(character in rule.content for character in forbidden):
        way_out = "Export as JSON or CSV."
        raise BadRules(f"The rule {rule.shown} is empty or holds a tab or line end.", where=rule.place, way_out=way_out)
    return f"{rule.content}\n" if rule.match is None else f"{rule.content}\t{rule.match.value}\n"
