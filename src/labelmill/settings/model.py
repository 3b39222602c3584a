"""The table of settings: name, kind, default, unit, meaning and the names that the predecessors used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, ValidationInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from labelmill.settings import kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import URL

PREFIX = "LABELMILL_"
LOOP = "For datasets that `labelmill load` and `labelmill adopt labelforward` make."
BEATS_IN_A_LEASE = 3
#: Host, port, user, password and database, as libpq and as data_pipeline call them; then those of its RabbitMQ.
POSTGRES = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
DATA_PIPELINES = ("DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME")
RABBITS = ("RBMPQ_HOST", "RBMPQ_PORT", "RBMPQ_USER", "RBMPQ_PASS")


@dataclass(frozen=True)
class About:
    """What people are told about a setting. ``also`` are the predecessors' names, ``shown`` a default that is made of others."""

    meaning: str
    unit: str = ""
    also: tuple[str, ...] = ()
    shown: str | None = None


@dataclass(frozen=True)
class Row:
    """One setting for people: ``value`` is text with secrets masked, empty where nothing is set."""

    name: str
    value: str
    origin: str
    unit: str
    meaning: str
    secret: bool = field(default=False, kw_only=True)


def _check_lease(seconds: float, info: ValidationInfo) -> float:
    heartbeat = info.data.get("heartbeat_seconds", 0)
    if seconds < BEATS_IN_A_LEASE * heartbeat:
        raise ValueError(f"it must be at least {BEATS_IN_A_LEASE} times {PREFIX}HEARTBEAT_SECONDS ({heartbeat:g})")
    return seconds


def _redis_of(broker_url: str | None) -> str | None:
    return broker_url if broker_url is not None and broker_url.startswith(("redis://", "rediss://")) else None


def _embedded_database(values: dict[str, Any]) -> str:
    return f"sqlite:///{(values['data_dir'] / 'labelmill.db').as_posix()}"


class Settings(BaseSettings):
    """Every setting of labelmill, checked. Made by hand it is a pure value; ``load_settings`` reads the world.

    The predecessors' names never reach this class: ``sources.py`` translates them.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    data_dir: Annotated[
        kinds.DataDir, About("The folder for everything that labelmill keeps: database, files, secrets.", shown="~/.labelmill")
    ] = Path("~/.labelmill")
    database_url: Annotated[
        kinds.DatabaseUrl,
        About(
            "The database for labelmill's own tables: SQLite, PostgreSQL or MariaDB. PGHOST makes one of all PG names.",
            also=(*POSTGRES, *DATA_PIPELINES),
            shown="sqlite:///<data_dir>/labelmill.db",
        ),
    ] = Field(default_factory=_embedded_database)
    broker_url: Annotated[
        kinds.BrokerUrl | None,
        About(
            "The broker that wakes Celery workers: RabbitMQ or Redis. Without it local worker processes poll the database.",
            also=("REDIS_HOST", "REDIS_PORT", *RABBITS),
        ),
    ] = None
    blob_dir: Annotated[kinds.AnyPath, About("The folder for files.", shown="<data_dir>/blobs")] = Field(
        default_factory=lambda values: values["data_dir"] / "blobs"
    )
    blobs_url: Annotated[
        kinds.BlobsUrl | None,
        About(
            "Where images, features, classifiers, predictions and archives are kept: a folder, a bucket of an S3 store, or the database. "
            "Not set: in the folder for files."
        ),
    ] = None
    blob_cache_mb: Annotated[
        kinds.Count,
        About("How much of what is kept in S3 or the database is copied to this machine, in the folder for files.", "MB"),
    ] = 4096
    s3_access_key: Annotated[
        kinds.Password | None,
        About("The access key for S3; where it is not set, the AWS variables, ~/.aws or the machine's role."),
    ] = None
    s3_secret_key: Annotated[kinds.Password | None, About("The secret key that belongs to it.")] = None
    secret: Annotated[
        kinds.Secret | None,
        About(
            "The secret that signs and encrypts. The embedded default makes one and keeps it in the data folder.",
            also=("JWT_SECRET",),
        ),
    ] = None

    host: Annotated[kinds.Text, About("The address that the web process listens on; 0.0.0.0 for all.")] = "127.0.0.1"
    port: Annotated[kinds.Port, About("The TCP port that the web process listens on.", also=("NODE_PORT",))] = 8700
    web_processes: Annotated[
        kinds.Processes,
        About(
            "How many web processes share the port under `labelmill up`; more than one is for PostgreSQL and MariaDB.",
            "processes",
        ),
    ] = 1
    public_url: Annotated[
        kinds.WebUrl | None, About("The address that people type, where a proxy stands in front; https makes cookies secure.")
    ] = None
    body_limit_mb: Annotated[kinds.Count, About("The largest body of a request that is not an upload.", "MB")] = 16
    upload_limit_mb: Annotated[kinds.Count, About("The largest uploaded file.", "MB")] = 2048
    session_idle_minutes: Annotated[kinds.Count, About("A session ends after this time without a request.", "minutes")] = 720
    session_days: Annotated[kinds.Count, About("A session ends after this time in any case.", "days")] = 14
    login_attempts_per_minute: Annotated[
        kinds.Count,
        About(
            "How often one address may try to sign in or up; one account may be tried twice as often.", "attempts per minute"
        ),
    ] = 10
    audit_days: Annotated[
        kinds.Count | None,
        About("Forget entries of the audit log that are older, about once a day; unset keeps them for ever.", "days"),
    ] = None
    archive_days: Annotated[
        kinds.Count | None, About("An archive's file goes after this time; unset keeps it for ever.", "days")
    ] = 30
    imports_per_minute: Annotated[
        kinds.Count, About("How many files one person may send and imports they may begin.", "per minute")
    ] = 60

    log_level: Annotated[kinds.LogLevel, About("The least important messages that are logged.")] = "info"
    log_format: Annotated[kinds.LogFormat, About("Log lines for people (console) or for programs (json).")] = "console"

    workers: Annotated[kinds.Workers, About("How many worker processes `labelmill up` starts.", "processes")] = 1
    queues: Annotated[kinds.Queues, About("The queues that a worker takes jobs from, with commas between them.")] = (
        "default",
        "learner",
        "predictor",
        "archiver",
    )
    poll_seconds: Annotated[kinds.Seconds, About("How often an idle worker looks for work that is due.", "s")] = 1.0
    heartbeat_seconds: Annotated[kinds.Seconds, About("How often a worker raises its heartbeat counter.", "s")] = 1.0
    lease_seconds: Annotated[
        kinds.Seconds,
        AfterValidator(_check_lease),
        About("A worker counts as dead when its heartbeat counter has stood still for this time.", "s"),
    ] = 15.0
    step_seconds: Annotated[kinds.Seconds, About("The time limit of one step of a job.", "s")] = 600.0
    memory_mb: Annotated[kinds.Memory, About("The memory limit of one worker process.", "MB")] = 2048
    max_tries: Annotated[kinds.Count, About("How often a step is tried before it is parked with its reason.", "tries")] = 3
    stop_seconds: Annotated[kinds.Seconds, About("How long a step may go on after SIGTERM.", "s")] = 25.0

    rules_dir: Annotated[
        kinds.Folder | None, About("A folder of rule sets in the form <model>/<label>/<predict_type>.txt.")
    ] = None
    source_map: Annotated[kinds.File | None, About("A JSON file that gives each source the table that its rows go to.")] = None

    state_table: Annotated[kinds.Text, About("The table in a sink's schema that shows the state of every label task.")] = (
        "state"
    )

    input_url: Annotated[
        kinds.DatabaseUrl | None,
        About("The database with the tables to label, where it is not the MariaDB server that LABELMILL_INPUT_HOST names."),
    ] = None
    input_host: Annotated[kinds.Text | None, About("The MariaDB server with the tables to label.", also=("INPUT_HOST",))] = None
    input_port: Annotated[kinds.Port, About("Its port.", also=("INPUT_PORT",))] = 3306
    input_user: Annotated[kinds.Text | None, About("The user to read as.", also=("INPUT_USER",))] = None
    input_password: Annotated[kinds.Password | None, About("That user's password.", also=("INPUT_PASSWORD",))] = None
    input_schema: Annotated[kinds.Text | None, About("The schema to read.", also=("INPUT_SCHEMA",))] = None
    output_url: Annotated[
        kinds.DatabaseUrl | None,
        About("The database that label tasks write to, where it is not the MariaDB server that LABELMILL_OUTPUT_HOST names."),
    ] = None
    output_host: Annotated[kinds.Text | None, About("The MariaDB server that label tasks write to.", also=("OUTPUT_HOST",))] = (
        None
    )
    output_port: Annotated[kinds.Port, About("Its port.", also=("OUTPUT_PORT",))] = 3306
    output_user: Annotated[kinds.Text | None, About("The user to write as.", also=("OUTPUT_USER",))] = None
    output_password: Annotated[kinds.Password | None, About("That user's password.", also=("OUTPUT_PASSWORD",))] = None
    output_schema: Annotated[kinds.Text | None, About("The schema to write to.", also=("OUTPUT_SCHEMA",))] = None
    compat_status: Annotated[
        kinds.CompatStatus,
        About("The HTTP status of the predecessors' endpoints: as it is meant (honest), or as they answered (200)."),
    ] = "honest"
    compat_dataset: Annotated[
        kinds.DatasetName | None,
        About("The dataset, by name or id, that LabelForward's endpoints serve. Without it the oldest one of texts."),
    ] = None
    redis_url: Annotated[
        kinds.RedisUrl | None,
        About(
            "The Redis whose channels learner and predictor wake those who listen, as LabelForward's did. "
            "Without it the broker, where that is a Redis.",
            shown="",
        ),
    ] = Field(default_factory=lambda values: _redis_of(values.get("broker_url")))
    compat_trusted_networks: Annotated[
        kinds.Networks,
        About(
            "Who may call the endpoints of the Audience API and of data_pipeline without a token: networks with commas between them. "
            "Nobody where it is not set; `labelmill up` takes this machine."
        ),
    ] = ()

    batch_size: Annotated[
        kinds.Count, About(f"How many new annotations start a training. {LOOP}", "annotations", ("BATCH_SIZE",))
    ] = 10
    min_label_count: Annotated[
        kinds.Count,
        About(f"How many annotations a record needs for a majority label. {LOOP}", "annotations", ("MIN_LABEL_COUNT",)),
    ] = 1
    active_learning: Annotated[
        kinds.Flag,
        About(f"Whether the least certain record comes first, else the most certain. {LOOP}", also=("ACTIVE_LEARNING",)),
    ] = True
    no_vote: Annotated[
        kinds.Flag, About(f"Whether a record gets one annotation, else one of every annotator. {LOOP}", also=("NO_VOTE",))
    ] = False
    uncertainty_threshold: Annotated[
        kinds.Share,
        About(
            f"Records predicted `ignored` with this confidence come after all others; 1 turns that off. {LOOP}",
            also=("UNCERTAINTY_THRESHOLD",),
        ),
    ] = 0.2
    data_path: Annotated[
        kinds.AnyPath | None, About("A file of texts, which `labelmill load` imports.", also=("DATA_PATH",))
    ] = None
    label_path: Annotated[
        kinds.AnyPath | None, About("A file of labels, which `labelmill load` imports.", also=("LABEL_PATH",))
    ] = None
    accessor_path: Annotated[
        kinds.AnyPath | None,
        About("A file of e-mail addresses, which `labelmill load` invites.", also=("ACCESSOR_PATH",)),
    ] = None
    init_data_path: Annotated[
        kinds.AnyPath | None,
        About("A file of labelled texts, which `labelmill load` imports to learn from.", also=("INIT_DATA_PATH",)),
    ] = None

    catalogue_folder: Annotated[
        kinds.AnyPath,
        About(
            "The folder that data_pipeline's endpoints load a catalogue from and deliver images to.",
            shown="<data_dir>/catalogue",
        ),
    ] = Field(default_factory=lambda values: values["data_dir"] / "catalogue")
    catalogue_metadata: Annotated[kinds.AnyPath, About("The catalogue's table, in that folder.")] = Path("styles.csv")
    catalogue_images: Annotated[kinds.AnyPath, About("The folder (or ZIP) of its images, in that folder.")] = Path("images")
    catalogue_output: Annotated[kinds.AnyPath, About("The folder that images are delivered to, in that folder.")] = Path(
        "output"
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The library's own sources tell neither where a value came from nor which names nobody knows: sources.py reads instead.
        return (init_settings,)

    @classmethod
    def from_sources(cls, values: Mapping[str, str], origins: Mapping[str, str], warnings: Iterable[str]) -> Self:
        """Return checked settings that remember where each value came from; raises pydantic's ValidationError."""
        settings = cls.model_validate(dict(values))
        settings._origins = dict(origins)  # noqa: SLF001 - its own class
        settings._warnings = tuple(warnings)  # noqa: SLF001 - its own class
        return settings

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each thing that was found and is not used."""
        return self._warnings

    @property
    def input_database(self) -> URL | None:
        """The database with the tables to label, where one is set."""
        return _url(self.input_url) or _mariadb(
            self.input_host, self.input_port, self.input_user, self.input_password, self.input_schema
        )

    @property
    def output_database(self) -> URL | None:
        """The database that label tasks write to, where one is set."""
        return _url(self.output_url) or _mariadb(
            self.output_host, self.output_port, self.output_user, self.output_password, self.output_schema
        )

    def origin(self, name: str) -> str:
        """Return where the value of field ``name`` came from: "command line", "environment", ".env", "given" or "default"."""
        return self._origins.get(name) or ("given" if name in self.model_fields_set else "default")

    def table(self) -> list[Row]:
        """Return every setting in the order of its definition, secrets masked."""
        return [self._row(name) for name in type(self).model_fields]

    def environment(self) -> dict[str, str]:
        """Return what is not a default as environment variables, secrets open: for a child process that must see the same."""
        return {env_name(name): _text(getattr(self, name), open_secrets=True) for name in sorted(self.model_fields_set)}

    def _row(self, name: str) -> Row:
        about = about_field(name)
        value = _text(getattr(self, name), open_secrets=False)
        return Row(env_name(name), value, self.origin(name), about.unit, about.meaning, secret=is_secret(name))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, _text(getattr(self, name), open_secrets=False)) for name in type(self).model_fields]


def env_name(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def about_field(name: str) -> About:
    """Return what is told about a field."""
    return next(part for part in Settings.model_fields[name].metadata if isinstance(part, About))


def accepted_words(name: str) -> str:
    """Return what a field accepts, said so that it completes "it must be"."""
    info = Settings.model_fields[name]
    return next((part.words for part in info.metadata if isinstance(part, kinds.Accepts)), "") or kinds.accepted(
        info.annotation
    )


def default_text(name: str) -> str:
    """Return a field's default as text, the same on every machine; empty where nothing is set."""
    shown = about_field(name).shown
    return _text(Settings.model_fields[name].default, open_secrets=False) if shown is None else shown


def is_secret(name: str) -> bool:
    """Tell whether a field's value must never be shown."""
    return "SecretStr" in str(Settings.model_fields[name].annotation)


def _text(value: object, *, open_secrets: bool) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value() if open_secrets else kinds.MASK
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(value)
        case _:
            return str(value) if open_secrets else kinds.mask_url(str(value))


def _url(text: str | None) -> URL | None:
    if text is None:
        return None
    from sqlalchemy.engine import make_url

    return make_url(text)


def _mariadb(host: str | None, port: int, user: str | None, password: SecretStr | None, schema: str | None) -> URL | None:
    if host is None:
        return None
    from sqlalchemy.engine import URL

    opened = password.get_secret_value() if password else None
    return URL.create("mariadb", username=user, password=opened, host=host, port=port, database=schema)
