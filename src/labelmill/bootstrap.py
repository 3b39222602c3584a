"""The one place that builds everything from the settings; everything else receives what it needs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from labelmill.blobs import Blobs, LocalBlobs
from labelmill.connections import service as connections
from labelmill.connections.files import below_data_dir, files_folder
from labelmill.db import migrate
from labelmill.db.bulk.location import Location, parse_location
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.errors import BadSettings
from labelmill.jobs.registry import Later, Registry
from labelmill.jobs.runtime import Runtime
from labelmill.jobs.waker import PollingWaker, Waker
from labelmill.labeltasks import announcing
from labelmill.labeltasks.jobs import LabelTaskSteps
from labelmill.labeltasks.places import Box, Places, in_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labelmill.accounts.secret import Keys
    from labelmill.jobs.registry import JobKind
    from labelmill.settings import Settings


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that a process of labelmill works with."""

    settings: Settings
    database: Database
    waker: Waker

    @cached_property
    def keys(self) -> Keys:
        """The keys that are derived from the secret; raises BadSettings where there is none and none may be made."""
        from labelmill.accounts.secret import load_keys

        return load_keys(self.settings)

    @property
    def runtime(self) -> Runtime:
        """What running jobs needs."""
        return Runtime(database=self.database, registry=self.registry, waker=self.waker, settings=self.settings)

    @cached_property
    def places(self) -> Places:
        """What turns a reference to a file, table or named connection into where it is."""

        def resolve(name: str, schema: str | None, table: str | None, write: bool) -> Location:
            return connections.resolve(self, name, schema=schema, table=table, write=write)

        return Places(
            resolve=resolve,
            below=self._below,
            box=Box(lambda: self.keys.fernet("label-task-url")),
            configured=self._configured,
        )

    def _configured(self, side: str, schema: str | None, table: str | None) -> Location:
        url = self.settings.input_database if side == "input" else self.settings.output_database
        if url is None:
            raise BadSettings(
                f"The settings name no database to {'read from' if side == 'input' else 'write to'}.",
                where=f"LABELMILL_{side.upper()}_HOST", way_out=f"Set LABELMILL_{side.upper()}_URL, or the host, user and schema.",
            )  # fmt: skip
        return in_schema(url, schema, table)

    def _below(self, path: str) -> Location:
        # The file is checked without the table behind it: a link must not hide in front of "::".
        file, separator, table = path.partition("::")
        location = parse_location(f"{below_data_dir(self.settings, file)}{separator}{table}")
        return replace(location, within=files_folder(self.settings).resolve())

    @cached_property
    def registry(self) -> Registry:
        """Every kind of job, with the handlers of its steps."""
        tasks = LabelTaskSteps(self.database, self.places, self.work_root)
        return Registry(
            tasks.kind(),
            Later((announcing.KIND,), lambda: [announcing.kind(self.database, self.places)]),
            Later(("import", "recount", "remove-dataset", "sweep-blobs"), self._dataset_kinds),
            Later(("train", "predict"), self._learning_kinds),
            Later(("samples",), self._sample_kinds),
            Later(("archive", "expire-archive"), self._archive_kinds),
            Later(("export-table",), self._export_kinds),
            Later(("catalogue", "image-task"), self._image_kinds),
        )

    def _dataset_kinds(self) -> list[JobKind]:
        from labelmill.datasets.aftermath import DatasetSteps
        from labelmill.datasets.import_jobs import ImportSteps

        imports = ImportSteps(self.database, self.places, self.blobs, self.settings)
        return [imports.kind(), *DatasetSteps(self.database, self.blobs).kinds()]

    def _learning_kinds(self) -> list[JobKind]:
        from labelmill.learning.jobs import kinds

        return list(kinds(self.database, self.blobs, self.waker, self.settings.data_dir))

    def _sample_kinds(self) -> list[JobKind]:
        from labelmill.samples.jobs import SampleSteps

        return [SampleSteps(self.database, self.blobs).kind()]

    def _export_kinds(self) -> list[JobKind]:
        from labelmill.exports.table_jobs import TableSteps

        return [TableSteps(self.database, self.blobs, self.places).kind()]

    def _image_kinds(self) -> list[JobKind]:
        from labelmill.images.jobs import CatalogueSteps, ImageTaskSteps

        return [
            CatalogueSteps(self.database, self.blobs, self.places, self.settings).kind(),
            ImageTaskSteps(self.database, self.blobs, self.settings).kind(),
        ]

    def _archive_kinds(self) -> list[JobKind]:
        from labelmill.archives.jobs import ArchiveSteps

        return list(ArchiveSteps(self.database, self.blobs, self.settings.archive_days).kinds())

    @cached_property
    def blobs(self) -> Blobs:
        """The store of images, features, classifiers, predictions and archives."""
        if self.settings.blobs_url is None:
            return LocalBlobs(self.settings.blob_dir / "kept")
        from labelmill.blobs.cache import FileCache
        from labelmill.blobs.opening import open_blobs
        from labelmill.blobs.places import parse_place

        cache = FileCache(self.settings.blob_dir / "copies", self.settings.blob_cache_mb << 20)
        access, secret = self.settings.s3_access_key, self.settings.s3_secret_key
        keys = (access.get_secret_value() if access else None, secret.get_secret_value() if secret else None)
        return open_blobs(parse_place(self.settings.blobs_url), cache, self.database, keys)

    @property
    def work_root(self) -> Path:
        """The folder that jobs keep their files in; workers on several machines share it."""
        return self.settings.blob_dir

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the predecessor's messages while this lasts, where the settings name a Redis. One that is away harms nothing."""
        if self.settings.redis_url is None:
            yield
            return
        from labelmill.archives.wakeups import CHANNEL, Messages, Requests
        from labelmill.events.channels import ChannelWaker, Listener
        from labelmill.learning.wakeups import UNDERSTOOD, WakeUps

        silent = self.waker.inner if isinstance(self.waker, ChannelWaker) else self.waker
        learning, archives = WakeUps(self.runtime, silent), Requests(self.runtime, silent)

        def hear(channel: str, message: str) -> None:
            (archives if channel == CHANNEL else learning).hear(channel, message)

        listener = Listener(self.settings.redis_url, {**UNDERSTOOD, CHANNEL: Messages()}, hear)
        listener.start()
        try:
            yield
        finally:
            listener.stop()

    def tell_loaded(self) -> None:
        """Publish that data was loaded, as the predecessor's loader did; nothing without a Redis."""
        from labelmill.events.channels import ChannelWaker
        from labelmill.learning.model import LEARNER_QUEUE
        from labelmill.learning.wakeups import INIT

        if isinstance(self.waker, ChannelWaker):
            self.waker.announce(LEARNER_QUEUE, INIT)

    def close(self) -> None:
        for part in (self.waker, self.__dict__.get("blobs")):
            closing = getattr(part, "close", None)
            if closing is not None:
                closing()
        if "registry" in self.__dict__:  # else no job was run, and none need be made known now
            self.registry.close_idle()
        self.database.close()


def build(settings: Settings) -> App:
    """Return the app for these settings; on the embedded default the database is made and brought up to date.

    Raises Conflict when another database has not the schema of this version.
    """
    database = open_database(settings)
    return App(settings=settings, database=database, waker=make_waker(settings))


@contextmanager
def opened(settings: Settings) -> Iterator[App]:
    """Give the app for these settings and close it at the end."""
    app = build(settings)
    try:
        yield app
    finally:
        app.close()


@contextmanager
def opened_as_is(settings: Settings) -> Iterator[App]:
    """Give the app on a database with whatever schema it has, for whoever brings that into order himself."""
    if settings.database_url.startswith("sqlite"):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    application = App(settings=settings, database=Database(make_engine(settings.database_url)), waker=PollingWaker())
    try:
        yield application
    finally:
        application.close()


def make_waker(settings: Settings) -> Waker:
    """Return what wakes workers: messages where a broker is set, else nothing, since local workers poll; and the predecessor's channels."""
    waker = _broker_waker(settings)
    if settings.redis_url is None:
        return waker
    from labelmill.events.channels import ChannelWaker, Publisher
    from labelmill.learning.model import LEARNER_QUEUE, PREDICTOR_QUEUE

    return ChannelWaker(waker, Publisher(settings.redis_url), (LEARNER_QUEUE, PREDICTOR_QUEUE))


def _broker_waker(settings: Settings) -> Waker:
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
