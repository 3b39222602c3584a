"""The environment of LabelForward's services, as its compose files have it, is understood (L3)."""

from __future__ import annotations

import pytest

from labelmill.datasets.load import loop_settings
from labelmill.datasets.model import Order
from labelmill.errors import BadSettings
from labelmill.settings import load_settings

COMPOSE = {
    "PGHOST": "postgres", "PGUSER": "postgres", "PGDATABASE": "postgres", "PGPASSWORD": "postgres_password", "PGPORT": "5432",
    "REDIS_HOST": "redis", "REDIS_PORT": "6379", "BATCH_SIZE": "10", "MIN_LABEL_COUNT": "1", "NODE_PORT": "5000",
    "ACTIVE_LEARNING": "true", "NO_VOTE": "false", "UNCERTAINTY_THRESHOLD": "0.2", "DATA_PATH": "exampledata/data.json",
    "LABEL_PATH": "exampledata/labels.json", "ACCESSOR_PATH": "exampledata/accessors.json",
    "INIT_DATA_PATH": "exampledata/init_data.json", "PYTHONUNBUFFERED": "1", "POSTGRES_PASSWORD": "postgres_password",
}  # fmt: skip
GOOD_SECRET = "0f7c1d9a4e6b8532c7d1a9e4f0b36285"


def test_l3_the_environment_of_its_compose_file_is_understood() -> None:
    settings = load_settings(environ=COMPOSE | {"JWT_SECRET": GOOD_SECRET})
    assert settings.database_url == "postgresql://postgres:postgres_password@postgres:5432/postgres"
    assert settings.broker_url == settings.redis_url == "redis://redis:6379/0"
    assert settings.port == 5000
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == GOOD_SECRET
    paths = (settings.data_path, settings.label_path, settings.accessor_path, settings.init_data_path)
    assert [str(path) for path in paths] == [
        COMPOSE[name] for name in ("DATA_PATH", "LABEL_PATH", "ACCESSOR_PATH", "INIT_DATA_PATH")
    ]
    assert settings.warnings == ()
    made = loop_settings(settings)
    assert (made.order, made.labels_per_record, made.min_label_count, made.batch_size) == (Order.UNCERTAINTY, 0, 1, 10)
    assert made.ignored_threshold == 0.2


def test_l3_its_committed_secret_is_refused_by_its_name() -> None:
    with pytest.raises(BadSettings, match="JWT_SECRET"):
        load_settings(environ={"JWT_SECRET": "need_a_better_secret"})


def test_l3_no_vote_and_ranking_mean_what_they_meant() -> None:
    made = loop_settings(load_settings(environ=COMPOSE | {"NO_VOTE": "true", "ACTIVE_LEARNING": "false", "BATCH_SIZE": "30"}))
    assert (made.order, made.labels_per_record, made.batch_size) == (Order.RANKING, 1, 30)


def test_l3_a_dlmanager_without_a_database_takes_the_users() -> None:
    without = {name: value for name, value in COMPOSE.items() if name != "PGDATABASE"} | {"PGUSER": "ann"}
    assert load_settings(environ=without).database_url == "postgresql://ann:postgres_password@postgres:5432/ann"


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"LABELMILL_BROKER_URL": "amqp://rabbit"}, None),
        ({"LABELMILL_BROKER_URL": "amqp://rabbit", "LABELMILL_REDIS_URL": "redis://r:1/2"}, "redis://r:1/2"),
        ({"REDIS_HOST": "redis", "LABELMILL_REDIS_URL": "rediss://other"}, "rediss://other"),
        ({"REDIS_HOST": "redis"}, "redis://redis:6379/0"),
    ],
)
def test_l3_the_channels_are_those_of_the_redis_that_is_named(environ: dict[str, str], url: str | None) -> None:
    assert load_settings(environ=environ).redis_url == url


def test_l3_a_redis_url_of_another_kind_is_refused() -> None:
    with pytest.raises(BadSettings, match="redis://"):
        load_settings(environ={"LABELMILL_REDIS_URL": "amqp://rabbit"})
