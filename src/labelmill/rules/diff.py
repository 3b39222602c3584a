"""What changed from one rule set to another. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelmill.rules.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from labelmill.rules.model import Label, Rule, RuleSet


@dataclass(frozen=True)
class Diff:
    """Rules and labels that came, went and changed, as (before, after) where they changed.

    A rule *changed* when its content kept its label but got another match type, or kept its match type but got another label. A label
    changed when its group did. ``options`` holds ``tie`` and ``case_sensitive`` where they changed. ``reordered`` tells that what both
    have stands in another order, which can settle a tie otherwise.
    """

    added: tuple[Rule, ...] = ()
    removed: tuple[Rule, ...] = ()
    changed: tuple[tuple[Rule, Rule], ...] = ()
    labels_added: tuple[Label, ...] = ()
    labels_removed: tuple[Label, ...] = ()
    labels_changed: tuple[tuple[Label, Label], ...] = ()
    options: tuple[tuple[str, str, str], ...] = ()
    reordered: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return self != Diff()


def diff(old: RuleSet, new: RuleSet) -> Diff:
    """Return what changed; a rule that stands twice counts twice, and the places of rules take no part."""
    removed, added = _surplus(old.rules, new.rules), _surplus(new.rules, old.rules)
    changed: list[tuple[Rule, Rule]] = []
    for key in (_same_label, _same_type):
        removed, added, pairs = _paired(removed, added, key)
        changed += pairs
    before, after = ({label.name: label for label in one.labels} for one in (old, new))
    both = [name for name in before if name in after]
    return Diff(
        added=tuple(added),
        removed=tuple(removed),
        changed=tuple(changed),
        labels_added=tuple(label for name, label in after.items() if name not in before),
        labels_removed=tuple(label for name, label in before.items() if name not in after),
        labels_changed=tuple((before[name], after[name]) for name in both if before[name] != after[name]),
        options=_options(old, new),
        reordered=_kept(old, new) != _kept(new, old) or both != [name for name in after if name in before],
    )


def _same_label(rule: Rule) -> Hashable:
    return rule.label, rule.kind is Kind.REGEX, rule.content


def _same_type(rule: Rule) -> Hashable:
    return rule.type, rule.content


def _surplus(rules: tuple[Rule, ...], others: tuple[Rule, ...]) -> list[Rule]:
    """Return the rules that stand here oftener than among the others: the last ones of each."""
    there, surplus = Counter(others), []
    for rule in rules:
        there[rule] -= 1
        if there[rule] < 0:
            surplus.append(rule)
    return surplus


def _kept(one: RuleSet, other: RuleSet) -> list[Rule]:
    """Return the rules of ``one`` that ``other`` has too, in their order."""
    there, kept = Counter(other.rules), []
    for rule in one.rules:
        there[rule] -= 1
        if there[rule] >= 0:
            kept.append(rule)
    return kept


def _paired(
    removed: list[Rule], added: list[Rule], key: Callable[[Rule], Hashable]
) -> tuple[list[Rule], list[Rule], list[tuple[Rule, Rule]]]:
    """Return what stays removed and added when rules with equal keys are taken as changed, and those pairs."""
    waiting: dict[Hashable, list[Rule]] = defaultdict(list)
    for rule in reversed(added):
        waiting[key(rule)].append(rule)
    pairs, gone = [], []
    for rule in removed:
        if waiting[key(rule)]:
            pairs.append((rule, waiting[key(rule)].pop()))
        else:
            gone.append(rule)
    taken = {id(after) for _, after in pairs}
    return gone, [rule for rule in added if id(rule) not in taken], pairs


def _options(old: RuleSet, new: RuleSet) -> tuple[tuple[str, str, str], ...]:
    both = (("tie", old.tie.value, new.tie.value), ("case_sensitive", _flag(old.case_sensitive), _flag(new.case_sensitive)))
    return tuple((name, before, after) for name, before, after in both if before != after)


def _flag(value: bool) -> str:
    return str(value).lower()
