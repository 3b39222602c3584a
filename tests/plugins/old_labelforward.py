"""A LabelForward's PostgreSQL as its loader makes it, with whatever its programs and people left there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bcrypt
import sqlalchemy as sa

from labelmill.db.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = """
CREATE TABLE text_data (text_id SERIAL PRIMARY KEY, text_data TEXT NOT NULL, labeled BOOL NOT NULL, selected BOOL NOT NULL,
    taught BOOL NOT NULL, labels TEXT[], users TEXT[], major_label VARCHAR(50), uncertainty FLOAT, predicted_label TEXT);
CREATE TABLE users (user_id SERIAL PRIMARY KEY, email VARCHAR(255) UNIQUE NOT NULL, password VARCHAR(255) NOT NULL);
CREATE TABLE accessors (acc_id SERIAL PRIMARY KEY, email VARCHAR(255) UNIQUE NOT NULL);
CREATE TABLE labels (label_id SERIAL PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE classifiers (clf_id SERIAL PRIMARY KEY, clf BYTEA NOT NULL, precision_score FLOAT, created_at TIMESTAMPTZ DEFAULT now(),
    download INTEGER NOT NULL);
CREATE TABLE countvecs (countvec_id SERIAL PRIMARY KEY, countvec BYTEA NOT NULL);
CREATE TABLE sample_timestamps (stamp_id SERIAL PRIMARY KEY, user_id INTEGER NOT NULL, text_id INTEGER NOT NULL,
    start_time TIMESTAMP, end_time TIMESTAMP);
CREATE TABLE downloads (download_id SERIAL PRIMARY KEY, clf_id INTEGER NOT NULL, file BYTEA NOT NULL);
CREATE TABLE init_data (init_id SERIAL PRIMARY KEY, text_data TEXT NOT NULL, label TEXT NOT NULL);
"""
PASSWORD = "a"  # what it took


class OldLabelForward:
    """The database, and what is put into it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = make_engine(url)
        self.run(SCHEMA)

    def run(self, statement: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            return connection.execute(sa.text(statement), values)

    def text(self, content: str, labels: Sequence[str | None] | None = (), users: Sequence[str | None] | None = ()) -> int:
        """Put in a text and return its id."""
        statement = (
            "INSERT INTO text_data (text_data, labeled, selected, taught, labels, users) "
            "VALUES (:content, false, false, false, :labels, :users) RETURNING text_id"
        )
        values = {"content": content, "labels": _array(labels), "users": _array(users)}
        return int(self.run(statement, **values).scalar_one())

    def vote(self, text_id: int, user: str, label: str) -> None:
        """Label a text as its API does."""
        self.run(
            "UPDATE text_data SET labels = array_append(labels, :label), users = array_append(users, :user) WHERE text_id = :id",
            label=label, user=user, id=text_id,
        )  # fmt: skip

    def user(self, email: str, password: str | None = None) -> int:
        """Put in an account and return its id; ``password`` is a hash."""
        hashed = password if password is not None else bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        statement = "INSERT INTO users (email, password) VALUES (:email, :hashed) RETURNING user_id"
        return int(self.run(statement, email=email, hashed=hashed).scalar_one())

    def label(self, *names: str) -> None:
        for name in names:
            self.run("INSERT INTO labels (label) VALUES (:name)", name=name)

    def accessor(self, *emails: str) -> None:
        for email in emails:
            self.run("INSERT INTO accessors (email) VALUES (:email)", email=email)

    def init(self, content: str, label: str) -> None:
        self.run("INSERT INTO init_data (text_data, label) VALUES (:content, :label)", content=content, label=label)

    def stamp(self, user_id: int, text_id: int, start: str | None, end: str | None) -> None:
        self.run(
            "INSERT INTO sample_timestamps (user_id, text_id, start_time, end_time) "
            "VALUES (:user_id, :text_id, CAST(:start AS timestamp), CAST(:end AS timestamp))",
            user_id=user_id, text_id=text_id, start=start, end=end,
        )  # fmt: skip

    def dump(self) -> dict[str, list[Any]]:
        """Return all that it holds."""
        names = ("text_data", "users", "accessors", "labels", "init_data", "sample_timestamps", "classifiers")
        return {name: sorted(map(str, self.run(f"SELECT * FROM {name}").all())) for name in names}


def _array(values: Sequence[str | None] | None) -> list[str | None] | None:
    return None if values is None else list(values)
