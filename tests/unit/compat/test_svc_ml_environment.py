"""The `.env` of data_pipeline is understood (P10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labelmill.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

ENV = {
    "ENV": "local", "DB_NAME": "api_ml", "DB_USER": "guest", "DB_PASSWORD": "guest", "DB_PORT": "5432", "DB_HOST": "ml_postgres",
    "RBMPQ_USER": "guest", "RBMPQ_PASS": "guest", "RBMPQ_PORT": "5672", "RBMPQ_HOST": "ml_rabbitmq",
}  # fmt: skip
DATABASE = "postgresql://guest:guest@ml_postgres:5432/api_ml"
BROKER = "amqp://guest:guest@ml_rabbitmq:5672//"


def test_p10_its_variables_are_the_database_and_the_broker() -> None:
    settings = load_settings(environ=ENV)
    assert (settings.database_url, settings.broker_url, settings.warnings) == (DATABASE, BROKER, ())
    assert settings.origin("database_url") == "environment (DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME)"
    assert settings.origin("broker_url") == "environment (RBMPQ_HOST, RBMPQ_PORT, RBMPQ_USER, RBMPQ_PASS)"


def test_p10_its_env_file_is_read_and_the_environment_goes_before_it(tmp_path: Path) -> None:
    file = tmp_path / "old.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in ENV.items()))
    assert load_settings(environ={}, env_file=file).database_url == DATABASE
    own = {"LABELMILL_DATABASE_URL": f"sqlite:///{tmp_path}/own.db", "LABELMILL_BROKER_URL": "redis://mine"}
    settings = load_settings(environ=own, env_file=file)
    assert (settings.database_url, settings.broker_url) == (own["LABELMILL_DATABASE_URL"], "redis://mine")


@pytest.mark.parametrize(
    ("environ", "database", "broker"),
    [
        ({"PGHOST": "pg", "PGDATABASE": "labels", "REDIS_HOST": "redis"}, "postgresql://pg/labels", "redis://redis:6379/0"),
        ({"DB_PASSWORD": "p@ss/word", "RBMPQ_PASS": "a:b"}, "postgresql://guest:p%40ss%2Fword@ml_postgres:5432/api_ml", "amqp://guest:a%3Ab@ml_rabbitmq:5672//"),
        ({"DB_PORT": "", "RBMPQ_PORT": ""}, "postgresql://guest:guest@ml_postgres/api_ml", "amqp://guest:guest@ml_rabbitmq:5672//"),
    ],
)  # fmt: skip
def test_p10_labelforwards_names_go_before_and_signs_in_passwords_are_kept(
    environ: dict[str, str], database: str, broker: str
) -> None:
    settings = load_settings(environ=ENV | environ)
    assert (settings.database_url, settings.broker_url) == (database, broker)


def test_p10_the_database_names_of_another_program_are_left_alone() -> None:
    settings = load_settings(environ={name: value for name, value in ENV.items() if name.startswith("DB_")})
    assert settings.database_url.startswith("sqlite:")
    assert settings.broker_url is None


def test_p10_the_folder_has_its_settings(tmp_path: Path) -> None:
    settings = load_settings(environ={"LABELMILL_CATALOGUE_FOLDER": str(tmp_path), "LABELMILL_CATALOGUE_OUTPUT": "made"})
    names = (settings.catalogue_metadata, settings.catalogue_images, settings.catalogue_output)
    assert [str(settings.catalogue_folder), *map(str, names)] == [str(tmp_path), "styles.csv", "images", "made"]
