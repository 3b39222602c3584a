"""Which labels exclude each other where a rule file does not say: what is known of the audience labels. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from labelmill.rules.model import Label

if TYPE_CHECKING:
    from labelmill.rules.model import RuleSet

#: Labels that cannot hold of one author at once.
GROUPS: Final = {"/male": "gender", "/female": "gender", "/married": "marriage", "/unmarried": "marriage"}


def with_known_groups(rule_set: RuleSet, *, apart: bool = False) -> RuleSet:
    """Return the rule set with the known labels in their groups.

    Any other label without a group is one of its own where ``apart``, else it goes on competing with those that have none.
    """
    return replace(
        rule_set,
        labels=tuple(
            Label(label.name, label.group or GROUPS.get(label.name, label.name if apart else "")) for label in rule_set.labels
        ),
    )


def as_read(rule_set: RuleSet, *, apart: bool = False) -> RuleSet:
    """Return what becomes of a rule set in a file that holds no groups."""
    bare = replace(rule_set, labels=tuple(Label(label.name) for label in rule_set.labels))
    return with_known_groups(bare, apart=apart)


def rivals(rule_set: RuleSet) -> set[frozenset[str]]:
    """Return which labels compete with each other, whatever their groups are called."""
    return {frozenset(label.name for label in rule_set.labels if label.group == group) for group in rule_set.groups}


def spoken_groups(rule_set: RuleSet) -> str:
    """Return the groups for a sentence to a person: ``gender (/female, /male), /young``."""
    members = {group: ", ".join(label.name for label in rule_set.labels if label.group == group) for group in rule_set.groups}
    return ", ".join(
        names if group == names else f"{group} ({names})" if group else f"no group ({names})"
        for group, names in members.items()
    )
