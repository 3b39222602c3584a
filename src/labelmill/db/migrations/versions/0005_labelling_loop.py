"""Datasets with their records and labels, annotations, classifiers and their predictions; passwords, invitations, members, the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labelmill.db.tables import TABLE_OPTIONS
from labelmill.db.types import Flag, Id, Json, LongText, Real, UtcTime, Whole, name

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("annotators", sa.Column("password_hash", LongText))
    _datasets()
    _annotations()
    _learning()
    _people()


def _datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", Whole, primary_key=True),
        sa.Column("name", name(200), nullable=False),
        sa.Column("kind", name(16), nullable=False),
        sa.Column("guidelines", LongText, nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("records", Whole, nullable=False, server_default="0"),
        sa.Column("revision", Whole, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.Column("archived_at", UtcTime),
        sa.Column("removed_at", UtcTime),
        sa.UniqueConstraint("name", name="uq_datasets_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "labels",
        sa.Column("id", Whole, primary_key=True),
        sa.Column(
            "dataset_id", Whole, sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_labels_dataset_id"), nullable=False
        ),
        sa.Column("name", LongText, nullable=False),
        sa.Column("name_key", name(64), nullable=False),
        sa.Column("place", Whole, nullable=False),
        sa.Column("colour", name(16), nullable=False),
        sa.Column("shortcut", name(16), nullable=False),
        sa.Column("description", LongText, nullable=False),
        sa.Column("is_ignored", Flag, nullable=False),
        sa.Column("merged_into", Whole),
        sa.Column("removed_at", UtcTime),
        sa.UniqueConstraint("dataset_id", "name_key", name="uq_labels_dataset_id_name_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_labels_dataset_id_place", "labels", ["dataset_id", "place"])
    op.create_table(
        "records",
        sa.Column("id", Whole, primary_key=True),
        sa.Column(
            "dataset_id", Whole, sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_records_dataset_id"), nullable=False
        ),
        sa.Column("record_key", name(32), nullable=False),
        sa.Column("given_id", LongText),
        sa.Column("content", LongText, nullable=False),
        sa.Column("shuffle", Whole, nullable=False),
        sa.Column("in_share", Flag, nullable=False),
        sa.Column("added_at", UtcTime, nullable=False),
        sa.Column("answers", Whole, nullable=False),
        sa.Column("is_open", Flag, nullable=False),
        sa.Column("majority_id", Whole),
        sa.Column("is_tied", Flag, nullable=False),
        sa.UniqueConstraint("dataset_id", "record_key", name="uq_records_dataset_id_record_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_records_dataset_id_is_open_shuffle_id", "records", ["dataset_id", "is_open", "shuffle", "id"])
    _index_some("ix_records_dataset_id_majority", ["dataset_id", "majority_id", "id"], "majority_id IS NOT NULL")
    op.create_index("ix_records_dataset_id_open", "records", ["dataset_id", "is_open", "id"])
    _index_some("ix_records_dataset_id_share", ["dataset_id", "in_share", "is_open", "shuffle", "id"], "in_share = 1")
    _index_some("ix_records_dataset_id_tied", ["dataset_id", "is_tied", "id"], "is_tied = 1")
    op.create_table(
        "init_records",
        sa.Column("id", Whole, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_init_records_dataset_id"),
            nullable=False,
        ),
        sa.Column("record_key", name(32), nullable=False),
        sa.Column("content", LongText, nullable=False),
        sa.Column(
            "label_id", Whole, sa.ForeignKey("labels.id", ondelete="CASCADE", name="fk_init_records_label_id"), nullable=False
        ),
        sa.UniqueConstraint("dataset_id", "record_key", "label_id", name="uq_init_records_dataset_id_record_key_label_id"),
        **TABLE_OPTIONS,
    )


def _index_some(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "records", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _annotations() -> None:
    op.create_table(
        "annotations",
        sa.Column("id", Whole, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_annotations_dataset_id"),
            nullable=False,
        ),
        sa.Column(
            "record_id", Whole, sa.ForeignKey("records.id", ondelete="CASCADE", name="fk_annotations_record_id"), nullable=False
        ),
        sa.Column("annotator_id", Id, nullable=False),
        sa.Column("key", name(64), nullable=False),
        sa.Column("is_withdrawal", Flag, nullable=False),
        sa.Column("is_settling", Flag, nullable=False),
        sa.Column("shown_at", UtcTime),
        sa.Column("answered_at", UtcTime, nullable=False),
        sa.UniqueConstraint("annotator_id", "key", name="uq_annotations_annotator_id_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_annotations_annotator_id_dataset", "annotations", ["annotator_id", "dataset_id", "id"])
    op.create_index("ix_annotations_dataset_id_id", "annotations", ["dataset_id", "id"])
    op.create_index("ix_annotations_record_id_annotator_id_id", "annotations", ["record_id", "annotator_id", "id"])
    op.create_table(
        "annotation_labels",
        sa.Column(
            "annotation_id",
            Whole,
            sa.ForeignKey("annotations.id", ondelete="CASCADE", name="fk_annotation_labels_annotation_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "label_id",
            Whole,
            sa.ForeignKey("labels.id", name="fk_annotation_labels_label_id"),
            primary_key=True,
            autoincrement=False,
        ),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_annotation_labels_label_id", "annotation_labels", ["label_id"])
    op.create_table(
        "current_annotations",
        sa.Column(
            "record_id",
            Whole,
            sa.ForeignKey("records.id", ondelete="CASCADE", name="fk_current_annotations_record_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("annotator_id", Id, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_current_annotations_dataset_id"),
            nullable=False,
        ),
        sa.Column(
            "annotation_id",
            Whole,
            sa.ForeignKey("annotations.id", ondelete="CASCADE", name="fk_current_annotations_annotation_id"),
            nullable=False,
        ),
        **TABLE_OPTIONS,
    )
    op.create_index(
        "ix_current_annotations_annotator_id_dataset_id_annotation_id",
        "current_annotations",
        ["annotator_id", "dataset_id", "annotation_id"],
    )
    op.create_index("ix_current_annotations_dataset_id_annotation_id", "current_annotations", ["dataset_id", "annotation_id"])
    op.create_table(
        "record_leases",
        sa.Column(
            "record_id",
            Whole,
            sa.ForeignKey("records.id", ondelete="CASCADE", name="fk_record_leases_record_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("annotator_id", Id, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_record_leases_dataset_id"),
            nullable=False,
        ),
        sa.Column("shown_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_record_leases_annotator_id_dataset_id", "record_leases", ["annotator_id", "dataset_id"])
    op.create_index("ix_record_leases_dataset_id_expires_at", "record_leases", ["dataset_id", "expires_at"])
    op.create_table(
        "skips",
        sa.Column(
            "record_id",
            Whole,
            sa.ForeignKey("records.id", ondelete="CASCADE", name="fk_skips_record_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("annotator_id", Id, primary_key=True),
        sa.Column(
            "dataset_id", Whole, sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_skips_dataset_id"), nullable=False
        ),
        sa.Column("skipped_at", UtcTime, nullable=False),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_skips_annotator_id_dataset_id_skipped_at", "skips", ["annotator_id", "dataset_id", "skipped_at"])
    op.create_table(
        "cursors",
        sa.Column("annotator_id", Id, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_cursors_dataset_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("order_name", name(16), primary_key=True),
        sa.Column("shuffle", Whole, nullable=False),
        sa.Column("record_id", Whole, nullable=False),
        **TABLE_OPTIONS,
    )


def _learning() -> None:
    op.create_table(
        "classifiers",
        sa.Column("id", Whole, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_classifiers_dataset_id"),
            nullable=False,
        ),
        sa.Column("version", Whole, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("trained_to", Whole, nullable=False),
        sa.Column("parameters", Json, nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("metrics", Json),
        sa.Column("blob", name(255), nullable=False),
        sa.Column("job_id", Id, nullable=False),
        sa.Column("is_kept", Flag, nullable=False),
        sa.UniqueConstraint("job_id", name="uq_classifiers_job_id"),
        sa.UniqueConstraint("dataset_id", "version", name="uq_classifiers_dataset_id_version"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "generations",
        sa.Column("id", Whole, primary_key=True),
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_generations_dataset_id"),
            nullable=False,
        ),
        sa.Column(
            "classifier_id",
            Whole,
            sa.ForeignKey("classifiers.id", ondelete="CASCADE", name="fk_generations_classifier_id"),
        ),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("records_to", Whole, nullable=False),
        sa.Column("records", Whole, nullable=False),
        sa.Column("blob", name(255)),
        sa.Column("job_id", Id),
        sa.UniqueConstraint("job_id", name="uq_generations_job_id"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_generations_dataset_id_id", "generations", ["dataset_id", "id"])
    op.create_table(
        "current_generations",
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_current_generations_dataset_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "generation_id",
            Whole,
            sa.ForeignKey("generations.id", ondelete="CASCADE", name="fk_current_generations_generation_id"),
            nullable=False,
        ),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "queue_records",
        sa.Column(
            "generation_id",
            Whole,
            sa.ForeignKey("generations.id", ondelete="CASCADE", name="fk_queue_records_generation_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("place", Whole, primary_key=True, autoincrement=False),
        sa.Column(
            "record_id",
            Whole,
            sa.ForeignKey("records.id", ondelete="CASCADE", name="fk_queue_records_record_id"),
            nullable=False,
        ),
        sa.Column("label_id", Whole),
        sa.Column("confidence", Real),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_queue_records_record_id", "queue_records", ["record_id"])


def _people() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", name(254)),
        sa.Column("role", name(16), nullable=False),
        sa.Column("dataset_id", Whole, sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_invitations_dataset_id")),
        sa.Column("dataset_role", name(16)),
        sa.Column("token_hash", name(64), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("created_by", Id),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("uses_left", Whole, nullable=False),
        sa.Column("revoked_at", UtcTime),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_invitations_email", "invitations", ["email"])
    op.create_table(
        "members",
        sa.Column(
            "dataset_id",
            Whole,
            sa.ForeignKey("datasets.id", ondelete="CASCADE", name="fk_members_dataset_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "annotator_id",
            Id,
            sa.ForeignKey("annotators.id", ondelete="CASCADE", name="fk_members_annotator_id"),
            primary_key=True,
        ),
        sa.Column("role", name(16), nullable=False),
        sa.Column("joined_at", UtcTime, nullable=False),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_members_annotator_id", "members", ["annotator_id"])
    op.create_table(
        "audit_entries",
        sa.Column("id", Whole, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor_id", Id),
        sa.Column("action", name(64), nullable=False),
        sa.Column("object", name(255), nullable=False),
        sa.Column("dataset_id", Whole),
        sa.Column("details", Json, nullable=False),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_audit_entries_actor_id_id", "audit_entries", ["actor_id", "id"])
    op.create_index("ix_audit_entries_dataset_id_id", "audit_entries", ["dataset_id", "id"])


def downgrade() -> None:
    for table in (
        "audit_entries",
        "members",
        "invitations",
        "queue_records",
        "current_generations",
        "generations",
        "classifiers",
        "cursors",
        "skips",
        "record_leases",
        "current_annotations",
        "annotation_labels",
        "annotations",
        "init_records",
        "records",
        "labels",
        "datasets",
    ):
        op.drop_table(table)
    op.drop_column("annotators", "password_hash")
