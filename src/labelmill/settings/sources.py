"""Where settings come from: command line, environment, `.env`, default; in that order, each under our and the predecessors' names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import ValidationError

from labelmill.errors import BadSettings
from labelmill.settings.model import (
    DATA_PIPELINES,
    POSTGRES,
    PREFIX,
    RABBITS,
    Settings,
    about_field,
    accepted_words,
    env_name,
    is_secret,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
ENV_FILE = ".env"
#: Names below this prefix belong to the test suite.
TEST_PREFIX = "LABELMILL_TEST_"


@dataclass(frozen=True)
class Found:
    """One value as somebody wrote it: ``name`` is the name they used, ``origin`` the place."""

    field: str
    name: str
    text: str
    origin: str


def load_settings(
    overrides: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Return the settings that hold here.

    ``overrides`` come from the command line (``port`` or ``LABELMILL_PORT``); ``environ`` is the process's own unless given;
    ``env_file`` is ``.env`` in the working directory, where there is one, unless given. Empty variables count as not set.
    Raises BadSettings with one sentence for every mistake.
    """
    mistakes: list[str] = []
    environment = os.environ if environ is None else environ
    lines = _read_env_file(env_file, mistakes)
    found = _from_layer(lines, ENV_FILE) | _from_layer(environment, ENVIRONMENT) | _from_command_line(overrides or {}, mistakes)
    settings = _check(found, [*_unknown(environment, ENVIRONMENT), *_unknown(lines, ENV_FILE)], mistakes)
    if settings is None or mistakes:
        raise BadSettings(" ".join(mistakes), way_out="Correct it, or take it out to use the default.", mistakes=mistakes)
    return settings


def _check(found: Mapping[str, Found], warnings: list[str], mistakes: list[str]) -> Settings | None:
    values = {name: one.text for name, one in found.items()}
    origins = {name: _origin(one) for name, one in found.items()}
    try:
        return Settings.from_sources(values, origins, warnings)
    except ValidationError as error:
        mistakes.extend(_sentences(error, found))
        return None


def _sentences(error: ValidationError, found: Mapping[str, Found]) -> list[str]:
    """Return one sentence for each setting that was refused."""
    reasons: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0])
        # A default that is made of a refused value is not a mistake of its own.
        if detail["type"] != "default_factory_not_called":
            own_words = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
            reasons.setdefault(name, own_words or f"it must be {accepted_words(name)}")
    return [_sentence(name, reason, found.get(name)) for name, reason in reasons.items()]


def _sentence(name: str, reason: str, found: Found | None) -> str:
    if found is None:
        return f"{env_name(name)} (default): {reason}."
    # The text of a secret or of a URL, which may hold a password, is not repeated.
    hidden = is_secret(name) or name.endswith("_url")
    shown = "" if hidden else f" is {found.text[:100]!r}"
    return f"{found.name} ({found.origin}){shown}: {reason}."


def _origin(found: Found) -> str:
    own = found.origin == COMMAND_LINE or found.name == env_name(found.field)
    return found.origin if own else f"{found.origin} ({found.name})"


def _from_command_line(overrides: Mapping[str, str], mistakes: list[str]) -> dict[str, Found]:
    found = {}
    for written, text in overrides.items():
        name = written.strip().replace("-", "_").lower().removeprefix(PREFIX.lower())
        if name not in Settings.model_fields:
            mistakes.append(f"{written} (command line) is no setting{_meant(env_name(name))}.")
        elif text == "":
            mistakes.append(f"{written} (command line) has no value.")
        else:
            found[name] = Found(name, written, text, COMMAND_LINE)
    return found


def _from_layer(layer: Mapping[str, str], origin: str) -> dict[str, Found]:
    """Return what one place says, our names before the predecessors'."""
    found = {}
    for name in Settings.model_fields:
        names = (env_name(name),) if name in _JOINED else (env_name(name), *about_field(name).also)
        written = next((one for one in names if layer.get(one)), None)
        if written:
            found[name] = Found(name, written, layer[written], origin)
        elif name in _JOINED:
            used, text = _JOINED[name](layer)
            if text:
                found[name] = Found(name, ", ".join(used), text, origin)
    return found


def _postgres(layer: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the names used and the PostgreSQL URL that the PG names describe together, as libpq understands them; else the DB names.

    Other programs have DB names too: they count beside ``RBMPQ_HOST`` only, which data_pipeline's ``.env`` always has.
    """
    names = DATA_PIPELINES if not layer.get("PGHOST") and layer.get("RBMPQ_HOST") else POSTGRES
    host, port, user, password, database = (layer.get(name, "") for name in names)
    if not host:
        return [], ""
    database = _quoted(database or user or "postgres")
    login, port = _login(user, password), f":{port}" if port else ""
    used = [name for name in names if layer.get(name)]
    if host.startswith("/"):  # the folder of a Unix socket
        return used, f"postgresql://{login}{port}/{database}?host={_quoted(host)}"
    return used, f"postgresql://{login}{_bracketed(host)}{port}/{database}"


def _broker(layer: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the names used and the URL of LabelForward's Redis, else of data_pipeline's RabbitMQ."""
    if not layer.get("REDIS_HOST") and layer.get("RBMPQ_HOST"):
        host, port, user, password = (layer.get(name, "") for name in RABBITS)
        used = [name for name in RABBITS if layer.get(name)]
        return used, f"amqp://{_login(user, password)}{_bracketed(host)}:{port or 5672}//"
    host = layer.get("REDIS_HOST", "")
    used = [name for name in ("REDIS_HOST", "REDIS_PORT") if layer.get(name)]
    return used, f"redis://{_bracketed(host)}:{layer.get('REDIS_PORT') or 6379}/0" if host else ""


def _login(user: str, password: str) -> str:
    user, password = _quoted(user), _quoted(password)
    return f"{user}:{password}@" if password else f"{user}@" if user else ""


def _quoted(text: str) -> str:
    # An environment may hold bytes that are not UTF-8; Python shows them as lone surrogates.
    return quote(text, safe="", errors="surrogateescape")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_JOINED: dict[str, Callable[[Mapping[str, str]], tuple[list[str], str]]] = {"database_url": _postgres, "broker_url": _broker}


def _unknown(layer: Mapping[str, str], origin: str) -> list[str]:
    known = {env_name(name) for name in Settings.model_fields}
    strangers = [
        name
        for name in sorted(layer)
        if name.upper().startswith(PREFIX) and name not in known and not name.startswith(TEST_PREFIX)
    ]
    return [f"{name} ({origin}) is no setting and is not used{_meant(name.upper())}." for name in strangers]


def _meant(name: str) -> str:
    close = get_close_matches(name.removeprefix(PREFIX).lower(), Settings.model_fields, n=1)
    return f"; {env_name(close[0])} is meant, perhaps" if close else "; `labelmill settings` lists them all"


def _read_env_file(path: Path | None, mistakes: list[str]) -> dict[str, str]:
    """Return the variables of an env file, exactly as written: nothing is put in for ``${NAME}``."""
    if path is None and not Path(ENV_FILE).exists():
        return {}
    from dotenv.parser import parse_stream

    place = path or Path(ENV_FILE)
    try:
        with place.open(encoding="utf-8-sig") as stream:
            lines = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        mistakes.append(f"{place} cannot be read: {reason}.")
        return {}
    mistakes.extend(f"Line {line.original.line} of {place} is not of the form NAME=VALUE." for line in lines if line.error)
    return {line.key: line.value for line in lines if line.key and line.value is not None}
