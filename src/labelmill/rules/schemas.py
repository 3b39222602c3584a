"""What goes over HTTP about rule sets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from labelmill.rules.check import Finding, Severity
from labelmill.rules.diff import Diff
from labelmill.rules.document import to_dict
from labelmill.rules.explain import Explanation
from labelmill.rules.model import Kind, Match, Rule, Tie
from labelmill.rules.readers.loaded import Note
from labelmill.rules.sample import MOST_ROWS, Sample
from labelmill.rules.stored import LONGEST_NAME, LONGEST_NOTE, MOST_LABELS, MOST_RULES, RuleSetInfo, StoredRuleSet, Version

#: Findings that are listed; all are counted.
MOST_FINDINGS = 1_000
LONGEST_TEXT = 1_000_000
_LABEL = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "group": {"type": "string"}}},
    ]
}
_RULE = {
    "type": "object",
    "required": ["label", "kind", "content"],
    "properties": {
        "label": {"type": "string"},
        "kind": {"enum": list(Kind)},
        "match": {"enum": list(Match), "description": "Of keywords only."},
        "content": {"type": "string", "maxLength": 1000},
    },
}
_DOCUMENT: dict[str, Any] = {
    "type": "object",
    "required": ["labels", "rules"],
    "properties": {
        "name": {"type": "string"},
        "tie": {"enum": list(Tie), "default": Tie.DROP},
        "case_sensitive": {"type": "boolean", "default": False},
        "labels": {"type": "array", "maxItems": MOST_LABELS, "items": _LABEL},
        "rules": {"type": "array", "maxItems": MOST_RULES, "items": _RULE},
    },
    "examples": [{"labels": ["/male"], "rules": [{"label": "/male", "kind": "keyword", "match": "start", "content": "mr"}]}],
}
_NAMED = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "version": {"type": "integer", "minimum": 1}},
}
#: Read by ``rules.document``, whose errors name the rule; the schema is for the API's document.
Document = Annotated[dict[str, Any], WithJsonSchema(_DOCUMENT)]
DocumentOrName = Annotated[dict[str, Any], WithJsonSchema({"anyOf": [_DOCUMENT, _NAMED]})]
SetName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRuleSet(_In):
    name: SetName = Field(examples=["authors"])
    note: str = Field(default="", max_length=LONGEST_NOTE, description="Why this version is made.")
    rule_set: Document


class NewVersion(_In):
    note: str = Field(default="", max_length=LONGEST_NOTE, description="Why this version is made.")
    expected_version: int | None = Field(
        default=None, ge=0, description="The version that the change began from; `If-Match` says the same."
    )
    rule_set: Document


class ToCheck(_In):
    rule_set: DocumentOrName


class ToExplain(_In):
    rule_set: DocumentOrName
    text: Text


class ToSample(_In):
    rule_set: DocumentOrName
    source: str = Field(max_length=1024, examples=["posts.csv", "posts.db::posts", "@shop::public.posts"])
    text_column: str = Field(max_length=300)
    gold_column: str | None = Field(default=None, max_length=300)
    rows: int = Field(default=1_000, ge=1, le=MOST_ROWS)


class VersionOut(BaseModel):
    version: int
    labels: int = Field(description="Their number.")
    rules: int = Field(description="Their number.")
    content_hash: str
    created_at: datetime
    created_by: str | None
    note: str

    @classmethod
    def of(cls, version: Version) -> Self:
        """Return what is shown of a version."""
        return cls(**vars(version))


class RuleSetOut(BaseModel):
    name: str
    created_at: datetime
    archived_at: datetime | None
    latest: VersionOut

    @classmethod
    def of(cls, info: RuleSetInfo) -> Self:
        """Return what is shown of a rule set without its rules."""
        return cls(name=info.name, created_at=info.created_at, archived_at=info.archived_at, latest=VersionOut.of(info.latest))


class Saved(VersionOut):
    name: str
    new: bool = Field(description="False where the latest version has this content already.")

    @classmethod
    def of_stored(cls, stored: StoredRuleSet) -> Self:
        """Return what is told of a rule set that was saved."""
        names = ("name", "new", "version", "content_hash", "created_at", "created_by", "note")
        counts = {"labels": len(stored.rule_set.labels), "rules": len(stored.rule_set.rules)}
        return cls(**{name: getattr(stored, name) for name in names}, **counts)


class NoteOut(BaseModel):
    where: str
    message: str


class Imported(Saved):
    notes: list[NoteOut] = Field(default=[], description="What was guessed or left out while reading; the first hundred.")

    def noted(self, notes: tuple[Note, ...]) -> Self:
        """Return the same with notes."""
        return self.model_copy(update={"notes": [NoteOut(where=one.where, message=one.message) for one in notes[:100]]})


class RuleSetDetail(Saved):
    archived_at: datetime | None
    rule_set: Document

    @classmethod
    def of_stored(cls, stored: StoredRuleSet) -> Self:
        """Return a version with its rules."""
        saved = Saved.of_stored(stored).model_dump()
        return cls(**saved, archived_at=stored.archived_at, rule_set=to_dict(stored.rule_set))


class RuleSetPage(BaseModel):
    items: list[RuleSetOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class VersionPage(BaseModel):
    items: list[VersionOut]
    next: str | None = Field(description="The cursor of the next page, null on the last one.")


class RuleOut(BaseModel):
    label: str
    kind: Kind
    match: Match | None
    content: str

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Return a rule as the documents write it."""
        return cls(label=rule.label, kind=rule.kind, match=rule.match, content=rule.content)


class FindingOut(BaseModel):
    severity: Severity
    code: str
    place: str = Field(description="`rule 3` is the third rule of the list.")
    message: str
    way_out: str


class Checked(BaseModel):
    errors: int = Field(description="Rules that cannot be used.")
    warnings: int
    findings: list[FindingOut] = Field(description=f"Errors first; at most {MOST_FINDINGS:,}.")

    @classmethod
    def of(cls, findings: list[Finding]) -> Self:
        """Return findings as they are shown."""
        errors = sum(one.severity is Severity.ERROR for one in findings)
        names = FindingOut.model_fields
        listed = [FindingOut(**{name: getattr(one, name) for name in names}) for one in findings[:MOST_FINDINGS]]
        return cls(errors=errors, warnings=len(findings) - errors, findings=listed)


class HitOut(BaseModel):
    rule: RuleOut
    spans: list[tuple[int, int]] = Field(description="Half-open, in characters of the text.")


class OutcomeOut(BaseModel):
    group: str
    label: str | None
    scores: dict[str, int]
    tied: list[str]


class Explained(BaseModel):
    hits: list[HitOut]
    outcomes: list[OutcomeOut]

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """Return an explanation as it is shown."""
        hits = [HitOut(rule=RuleOut.of(hit.rule), spans=list(hit.spans)) for hit in explanation.hits]
        outcomes = [OutcomeOut(**vars(one) | {"tied": list(one.tied)}) for one in explanation.outcomes]
        return cls(hits=hits, outcomes=outcomes)


class ShownText(Explained):
    row: int = Field(description="From 1.")
    text: str


class Sampled(BaseModel):
    rows: int
    empty: int
    covered: int = Field(description="Rows that a rule hits.")
    overlapping: int = Field(description="Rows that two rules or more hit.")
    conflicting: int = Field(description="Rows that two labels of one group claim.")
    unknown_gold: int
    labels: list[dict[str, Any]]
    rules: list[dict[str, Any]] = Field(description="Those with a hit, most hits first; at most a thousand.")
    texts: list[ShownText] = Field(description="The first rows that a rule hits.")

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """Return a sample as it is shown."""
        counted = sample.stats
        hit = counted.rules.filter(counted.rules["hits"] > 0).sort("hits", descending=True, maintain_order=True)
        names = ("rows", "empty", "covered", "overlapping", "conflicting", "unknown_gold")
        texts = [
            ShownText(row=row, text=explanation.text, **Explained.of(explanation).model_dump())
            for row, explanation in sample.shown
        ]
        totals = {name: getattr(counted, name) for name in names}
        return cls(**totals, labels=counted.labels.to_dicts(), rules=hit.head(1_000).to_dicts(), texts=texts)


class DiffOut(BaseModel):
    added: list[RuleOut]
    removed: list[RuleOut]
    changed: list[tuple[RuleOut, RuleOut]] = Field(description="Before and after.")
    labels_added: list[str]
    labels_removed: list[str]
    labels_changed: list[tuple[str, str, str]] = Field(description="Label, its group before and after.")
    options: list[tuple[str, str, str]] = Field(description="Name, before and after.")
    reordered: bool

    @classmethod
    def of(cls, changes: Diff) -> Self:
        """Return a difference as it is shown."""
        return cls(
            added=[RuleOut.of(one) for one in changes.added],
            removed=[RuleOut.of(one) for one in changes.removed],
            changed=[(RuleOut.of(before), RuleOut.of(after)) for before, after in changes.changed],
            labels_added=[one.name for one in changes.labels_added],
            labels_removed=[one.name for one in changes.labels_removed],
            labels_changed=[(before.name, before.group, after.group) for before, after in changes.labels_changed],
            options=list(changes.options),
            reordered=changes.reordered,
        )
