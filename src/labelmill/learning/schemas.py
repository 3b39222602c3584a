"""What goes over HTTP about classifiers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from labelmill.datasets import Consensus
from labelmill.jobs.model import Job
from labelmill.learning.model import Classifier


class ClassifierOut(BaseModel):
    """A classifier in a list."""

    id: int
    version: int
    created_at: datetime
    learner: str
    trained_to: int = Field(description="The number of the newest annotation that it was trained on.")
    records: int = Field(description="Labelled records that it was trained on.")
    init_records: int
    labels: int = Field(description="Different labels among them.")
    precision: float | None = Field(
        description="The micro precision on a held-out tenth, as the predecessor had it; null for too few."
    )
    share_records: int = Field(description="Labelled records of the random share, on which the next figures were taken.")
    share_precision: float | None
    share_precision_low: float | None
    share_precision_high: float | None
    share_macro_f1: float | None
    kept: bool = Field(description="Its predictions stay.")

    @classmethod
    def of(cls, one: Classifier) -> Self:
        return cls(**_fields(one))


class ClassifierDetail(ClassifierOut):
    """A classifier with everything that is known of it."""

    parameters: dict[str, Any]
    data: dict[str, Any]
    metrics: dict[str, Any] | None = Field(description="Null until it is scored.")

    @classmethod
    def of(cls, one: Classifier) -> Self:
        parameters = {name: value for name, value in one.parameters.items() if name != "features"}
        return cls(**_fields(one), parameters=parameters, data=one.data, metrics=one.metrics)


class ClassifierPage(BaseModel):
    items: list[ClassifierOut]
    next: str | None


class ToKeep(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kept: bool


class TrainingOut(BaseModel):
    """The job of a training; `GET /v1/jobs/{id}` tells how far it is."""

    job_id: str
    state: str

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(job_id=job.id, state=job.state)


class MonitorOut(BaseModel):
    """The figures of learning; labels are named by their ids."""

    curve: list[dict[str, Any]] = Field(
        description="For each version its labels and its scores on the random share, oldest first."
    )
    scored_version: int | None
    share: dict[str, Any] | None = Field(
        description="The newest scores on the random share, by label, with the confusion matrix."
    )
    held_out: dict[str, Any] | None
    active_against_random: dict[str, Any] = Field(description="`verdict`: too-early, no-difference, active or random.")
    advice: dict[str, Any] = Field(description="`advice`: too-early, go-on or stop; the expected gain of the next batch.")
    predicted: dict[str, int] = Field(description="How many records the classifier would give each label.")
    generation: dict[str, Any] | None
    training: list[dict[str, Any]] = Field(description="Trainings and predictions that are queued or running.")


class LabelCountsOut(BaseModel):
    label_id: int
    majority: int
    dawid_skene: int


class ConsensusOut(BaseModel):
    """The majority of answers beside the likeliest labels by Dawid and Skene."""

    option: Consensus = Field(description="What the dataset goes by: what its classifiers learn from.")
    majority: int = Field(description="Records with a majority.")
    dawid_skene: int = Field(description="Records with a label by Dawid-Skene; tied ones have one.")
    differ: int = Field(description="Records with another label by each.")
    labels: list[LabelCountsOut] = Field(description="Of how many records each label is the answer.")


def _fields(one: Classifier) -> dict[str, Any]:
    metrics = one.metrics or {}
    share, held_out = metrics.get("share") or {}, metrics.get("held_out") or {}
    return {
        "id": one.id, "version": one.version, "created_at": one.created_at, "learner": one.parameters["learner"],
        "trained_to": one.trained_to, "records": one.data["records"], "init_records": one.data["init_records"],
        "labels": len(one.data["classes"]), "precision": held_out.get("precision"), "share_records": share.get("records", 0),
        "share_precision": share.get("precision"), "share_precision_low": share.get("precision_low"),
        "share_precision_high": share.get("precision_high"), "share_macro_f1": share.get("macro_f1"), "kept": one.is_kept,
    }  # fmt: skip
