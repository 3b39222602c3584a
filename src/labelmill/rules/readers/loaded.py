"""What reading a rule file gives: the rule set, and what was read with a grain of salt."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelmill.rules.model import RuleSet


@dataclass(frozen=True)
class Note:
    """Something that was guessed or left out; ``where`` is file and line."""

    where: str
    message: str


@dataclass(frozen=True)
class Loaded:
    rule_set: RuleSet
    notes: tuple[Note, ...] = ()


#: The audience labels' Chinese names, to be given as ``dictionary`` where a CSV file uses them.
CHINESE_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "男性": "male",
        "女性": "female",
        "未婚": "unmarried",
        "已婚": "married",
        "孩子": "child",
        "有子女": "parenting",
        "青年": "young",
        "上班族": "employee",
        "學生": "student",
    }
)
