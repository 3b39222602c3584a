"""Datasets: named collections of records with one label set."""

from __future__ import annotations

from labelmill.datasets.model import (
    NO_OWN_ID,
    Consensus,
    Dataset,
    DatasetSettings,
    Label,
    NewLabel,
    Order,
    Record,
    RecordFilter,
    RecordKind,
    Tie,
    normal_label,
    record_key,
)
from labelmill.datasets.tables import datasets as dataset_rows
from labelmill.datasets.tables import init_records as init_record_rows
from labelmill.datasets.tables import labels as label_rows
from labelmill.datasets.tables import records as record_rows

__all__ = [
    "NO_OWN_ID",
    "Consensus",
    "Dataset",
    "DatasetSettings",
    "Label",
    "NewLabel",
    "Order",
    "Record",
    "RecordFilter",
    "RecordKind",
    "Tie",
    "dataset_rows",
    "init_record_rows",
    "label_rows",
    "normal_label",
    "record_key",
    "record_rows",
]
