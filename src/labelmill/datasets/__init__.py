"""Datasets: named collections of records with one label set."""

from __future__ import annotations

from labelmill.datasets.import_places import hiding, open_reference, reference, without_folders
from labelmill.datasets.import_shelf import Shelf
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
from labelmill.datasets.readers import open_rows
from labelmill.datasets.readers.images import Images
from labelmill.datasets.tables import datasets as dataset_rows
from labelmill.datasets.tables import init_records as init_record_rows
from labelmill.datasets.tables import labels as label_rows
from labelmill.datasets.tables import records as record_rows

__all__ = [
    "NO_OWN_ID",
    "Consensus",
    "Dataset",
    "DatasetSettings",
    "Images",
    "Label",
    "NewLabel",
    "Order",
    "Record",
    "RecordFilter",
    "RecordKind",
    "Shelf",
    "Tie",
    "dataset_rows",
    "hiding",
    "init_record_rows",
    "label_rows",
    "normal_label",
    "open_reference",
    "open_rows",
    "record_key",
    "record_rows",
    "reference",
    "without_folders",
]
