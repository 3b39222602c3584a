"""The verbs on datasets, their labels and their records, under one name: what the rest of labelmill may use."""

from __future__ import annotations

from labelmill.datasets.labels import (
    add_label,
    change_label,
    ensure_labels,
    merge_labels,
    merged_labels,
    order_labels,
    remove_label,
)
from labelmill.datasets.model import Added, Counts, Dataset, DatasetSettings, Label, NewLabel, Record, RecordFilter, RecordKind
from labelmill.datasets.record_search import MOST_SORTED, Found, extent, list_records, search_records, sorted_records
from labelmill.datasets.record_slices import record_slice
from labelmill.datasets.records import add_init_records, add_records, get_record
from labelmill.datasets.removal import remove
from labelmill.datasets.seen import seen
from labelmill.datasets.store import archive, change, counts, create, find, get, list_datasets, restore

__all__ = [
    "MOST_SORTED",
    "Added",
    "Counts",
    "Dataset",
    "DatasetSettings",
    "Found",
    "Label",
    "NewLabel",
    "Record",
    "RecordFilter",
    "RecordKind",
    "add_init_records",
    "add_label",
    "add_records",
    "archive",
    "change",
    "change_label",
    "counts",
    "create",
    "ensure_labels",
    "extent",
    "find",
    "get",
    "get_record",
    "list_datasets",
    "list_records",
    "merge_labels",
    "merged_labels",
    "order_labels",
    "record_slice",
    "remove",
    "remove_label",
    "restore",
    "search_records",
    "seen",
    "sorted_records",
]
