"""Rule sets: ordered labels with keyword and regex rules, matched in one vectorised pass.

``label(batch, rule_set)`` is the pure function: a batch in, its labels out. ``compile_rules`` gives a Matcher for many batches,
``Stripper`` removes from texts what the rules match; ``load`` and ``save`` read and write rule files; ``check``, ``explain`` and
``stats`` tell what a rule set is worth.
"""

from __future__ import annotations

from labelmill.rules.batch import label
from labelmill.rules.check import Finding, Severity, check
from labelmill.rules.document import from_dict, to_dict
from labelmill.rules.explain import Explanation, Hit, Outcome, explain
from labelmill.rules.files import Form, form_of, load, save
from labelmill.rules.groups import with_known_groups
from labelmill.rules.matcher import Counts, Labelled, Matcher, compile_rules
from labelmill.rules.model import Kind, Label, Match, Rule, RuleSet, Tie
from labelmill.rules.readers.loaded import CHINESE_LABELS, Loaded, Note
from labelmill.rules.stats import Stats, stats
from labelmill.rules.stored import Packed, RuleSetInfo, StoredRuleSet, Version, pack, parse_reference
from labelmill.rules.stripping import Stripper

__all__ = [
    "CHINESE_LABELS",
    "Counts",
    "Explanation",
    "Finding",
    "Form",
    "Hit",
    "Kind",
    "Label",
    "Labelled",
    "Loaded",
    "Match",
    "Matcher",
    "Note",
    "Outcome",
    "Packed",
    "Rule",
    "RuleSet",
    "RuleSetInfo",
    "Severity",
    "Stats",
    "StoredRuleSet",
    "Stripper",
    "Tie",
    "Version",
    "check",
    "compile_rules",
    "explain",
    "form_of",
    "from_dict",
    "label",
    "load",
    "pack",
    "parse_reference",
    "save",
    "stats",
    "to_dict",
    "with_known_groups",
]
