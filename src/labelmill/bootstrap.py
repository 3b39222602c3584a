"""The one place that builds everything from the settings; everything else receives what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labelmill.accounts.secret import Keys, load_keys
from labelmill.db import migrate
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.jobs.registry import Registry
from labelmill.jobs.runtime import Runtime
from labelmill.jobs.waker import PollingWaker, Waker

if TYPE_CHECKING:
    from labelmill.settings import Settings


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that a process of labelmill works with."""

    settings: Settings
    database: Database
    registry: Registry
    waker: Waker

    @cached_property
    def keys(self) -> Keys:
        """The keys that are derived from the secret; raises BadSettings where there is none and none may be made."""
        return load_keys(self.settings)

    @property
    def runtime(self) -> Runtime:
        """What running jobs needs."""
        return Runtime(database=self.database, registry=self.registry, waker=self.waker, settings=self.settings)

    def close(self) -> None:
        self.database.close()


def build(settings: Settings) -> App:
    """Return the app for these settings; on the embedded default the database is made and brought up to date.

    Raises Conflict when another database has not the schema of this version.
    """
    database = open_database(settings)
    return App(settings=settings, database=database, registry=Registry(), waker=make_waker(settings))


def make_waker(settings: Settings) -> Waker:
    """Return what wakes workers: messages where a broker is set, else nothing, since local workers poll."""
    if settings.broker_url is None:
        return PollingWaker()
    from labelmill.jobs.celery import CeleryWaker

    return CeleryWaker(settings.broker_url, queues=settings.queues)


def open_database(settings: Settings) -> Database:
    """Return labelmill's own database, ready for use."""
    url = settings.database_url
    if url.startswith("sqlite"):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        migrate.upgrade(engine)
    else:
        migrate.require_current(engine)
    return Database(engine)
