"""The rules that a task asks for, from the predecessor's folders ``<model type>/<label>/<predict type>.txt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelmill.errors import BadFile, BadRules, BadSettings
from labelmill.rules import compile_rules, load

if TYPE_CHECKING:
    from pathlib import Path

    from labelmill.rules import RuleSet

MODEL_TYPES: Final = ("keyword_model", "rule_model")
#: The column that each predict type labels.
COLUMNS: Final = {"author_name": "author", "content": "content", "s_area_id": "s_area_id", "title": "title"}


def read_rules(folder: Path | None, model_type: str, predict_type: str) -> RuleSet:
    """Return the rules of a model and predict type, each label in its group as in every rule folder; raises a LabelmillError that names the path."""
    if model_type not in MODEL_TYPES:
        raise _unknown("model_type", model_type, MODEL_TYPES)
    if predict_type not in COLUMNS:
        raise _unknown("predict_type", predict_type, COLUMNS)
    if folder is None:
        raise BadSettings("It is not set.", where="LABELMILL_RULES_DIR", way_out="Name the folder that holds the rules.")
    path = folder / model_type
    try:
        found = load(path, name=model_type, predict_type=predict_type).rule_set
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadFile(f"It cannot be read: {reason}.", where=str(path), way_out="Check its rights.") from error
    if not found.rules:
        raise BadRules("There are no rules in it.", where=f"{path}/*/{predict_type}.txt", way_out="Add some.")
    compile_rules(found)
    return found


def _unknown(field: str, value: str, known: tuple[str, ...] | dict[str, str]) -> BadRules:
    return BadRules(f"{value[:60]!r} is unknown.", where=field, way_out=f"There are: {', '.join(known)}.")
