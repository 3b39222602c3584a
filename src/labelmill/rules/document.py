"""The JSON form of a rule set: to and from plain dictionaries, checked field by field."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeVar

from labelmill.errors import BadRules
from labelmill.rules.model import Kind, Label, Match, Rule, RuleSet, Tie

_SET_FIELDS: Final = ("name", "tie", "case_sensitive", "labels", "rules")
_Choice = TypeVar("_Choice", bound=StrEnum)


def to_dict(rule_set: RuleSet) -> dict[str, Any]:
    """Return the rule set as JSON-able values; ``from_dict`` gives an equal one back."""
    return {
        "name": rule_set.name,
        "tie": rule_set.tie.value,
        "case_sensitive": rule_set.case_sensitive,
        "labels": [{"name": label.name, "group": label.group} for label in rule_set.labels],
        "rules": [_rule_to_dict(rule) for rule in rule_set.rules],
    }


def from_dict(value: object, *, name: str = "rules", default_label: str = "") -> RuleSet:
    """Return the rule set of a JSON document, or raise BadRules that names the label or rule (1-based) at fault.

    Needed are ``labels`` (names, or objects with ``name`` and perhaps ``group``) and ``rules``; ``name`` serves where the
    document has none. With ``default_label`` rules that name no label get this one, and labels need not be listed.
    """
    needed = ("rules",) if default_label else ("labels", "rules")
    fields = _object(value, "the rule set", needed=needed, known=_SET_FIELDS)
    case_sensitive = fields.get("case_sensitive", False)
    if not isinstance(case_sensitive, bool):
        raise BadRules(f"case_sensitive is {repr(case_sensitive)[:80]}.", where="the rule set", way_out="Write true or false.")
    labels = [_label(item, number) for number, item in enumerate(_list({"labels": [], **fields}, "labels"), start=1)]
    rules = [_rule(item, number, default_label) for number, item in enumerate(_list(fields, "rules"), start=1)]
    if default_label:
        listed = {label.name for label in labels}
        labels += [Label(name) for name in dict.fromkeys(rule.label for rule in rules) if name not in listed]
    return RuleSet(
        name=_text(fields.get("name", name), "name", "the rule set"),
        labels=tuple(labels),
        rules=tuple(rules),
        tie=_choice(Tie, fields.get("tie", Tie.DROP.value), "tie", "the rule set"),
        case_sensitive=case_sensitive,
    )


def _rule_to_dict(rule: Rule) -> dict[str, str]:
    match = {"match": rule.match.value} if rule.match else {}
    return {"label": rule.label, "kind": rule.kind.value, **match, "content": rule.content}


def _label(item: object, number: int) -> Label:
    place = f"label {number}"
    if isinstance(item, str):
        return _placed(item, "", place)
    fields = _object(item, place, needed=("name",), known=("name", "group"))
    name, group = _text(fields["name"], "name", place), _text(fields.get("group", ""), "group", place)
    return _placed(name, group, place)


def _placed(name: str, group: str, place: str) -> Label:
    try:
        return Label(name, group)
    except BadRules as error:
        raise BadRules(error.message, where=place, way_out=error.way_out) from error


def _rule(item: object, number: int, default_label: str) -> Rule:
    place = f"rule {number}"
    needed = ("kind", "content") if default_label else ("label", "kind", "content")
    fields = _object(item, place, needed=needed, known=("label", "kind", "match", "content"))
    match = fields.get("match")
    return Rule(
        label=_text(fields.get("label", default_label), "label", place) or default_label,
        kind=_choice(Kind, fields["kind"], "kind", place),
        match=None if match is None else _choice(Match, match, "match", place),
        content=_text(fields["content"], "content", place),
        place=place,
    )


def _object(value: object, place: str, *, needed: tuple[str, ...], known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRules(
            f"Expected an object, found {type(value).__name__}.", where=place, way_out=f"Its fields are: {', '.join(known)}."
        )
    missing = [field for field in needed if field not in value]
    unknown = [str(field) for field in value if field not in known]
    if missing or unknown:
        fault = f"the field {missing[0]!r} is missing" if missing else f"the field {unknown[0][:80]!r} is not known"
        raise BadRules(f"In {place} {fault}.", where=place, way_out=f"The fields are: {', '.join(known)}.")
    return value


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields[name]
    if not isinstance(value, list):
        raise BadRules(f"{name} is not a list.", where="the rule set", way_out="Write [ ... ].")
    return value


def _text(value: object, field: str, place: str) -> str:
    if not isinstance(value, str):
        raise BadRules(f"{field} is {type(value).__name__}, not text.", where=place, way_out='Write it in quotes ("...").')
    return value


def _choice(kind: type[_Choice], value: object, field: str, place: str) -> _Choice:
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise BadRules(f"{field} is {repr(value)[:80]}.", where=place, way_out=f"It is one of: {', '.join(kind)}.")
