"""The one catalogue of labelmill's own tables; each feature adds its tables in its ``tables.py``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, Table

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: How the migrations make a table of ours on each database: SQLite checks types, MariaDB tells "Tom" from "Tom ".
TABLE_OPTIONS: dict[str, Any] = {
    "sqlite_strict": True,
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}


def table(name: str, *parts: Any) -> Table:
    """Return a new table in the catalogue.

    Without its options, which only the migrations use: SQLAlchemy loads all of MariaDB's dialect to know them.
    """
    return Table(name, METADATA, *parts)


__all__ = ["METADATA", "TABLE_OPTIONS", "Column", "table"]
