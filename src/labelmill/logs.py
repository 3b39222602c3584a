"""Log lines on stderr, one shape for all: time, level, logger, message, and the job, step, request and worker they belong to."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.stdlib import BoundLogger, LoggerFactory, PositionalArgumentsFormatter, ProcessorFormatter

from labelmill.errors import LabelmillError
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import EventDict, Processor

#: Libraries that bring handlers of their own; theirs are taken away so that every line has one shape.
LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "celery.task", "kombu", "sqlalchemy", "alembic")
#: SQLAlchemy logs statements with their values: rows of data must not reach the log, at no level.
QUIET = ("sqlalchemy.engine", "sqlalchemy.pool", "httpx", "httpcore")
_FIRST = ("time", "level", "logger", "message")
_RESERVED = frozenset({*_FIRST, "event", "exception"})
_CONSOLE_KEYS: dict[str, Any] = {"event_key": "message", "timestamp_key": "time", "pad_event_to": 0}
_FIELDS = "labelmill_fields"
_ID = "labelmill_id"
_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*):\S*@")
_CONTROL_IN_BLOCK = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def get_logger(name: str) -> BoundLogger:
    """Return a logger whose ``log.info("Read rows.", rows=12)`` reaches the standard library's logger ``name``."""
    wrapped: BoundLogger = structlog.wrap_logger(logging.getLogger(name), processors=_TO_RECORD, wrapper_class=BoundLogger)
    return wrapped


def configure(level: str = "info", log_format: str = "console") -> None:
    """Send every log line of this process to stderr, as text for people or (``log_format="json"``) as JSON lines.

    May be called again; the last call holds.
    """
    structlog.configure(processors=_TO_RECORD, wrapper_class=BoundLogger, logger_factory=LoggerFactory())
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, StderrHandler)]:
        root.removeHandler(old)
    handler = StderrHandler()
    handler.setFormatter(_formatter(log_format))
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.NOTSET)  # ours holds, also where the library has set its own
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def is_configured() -> bool:
    """Tell whether ``configure`` has been called in this process."""
    return any(isinstance(handler, StderrHandler) for handler in logging.getLogger().handlers)


def context(
    *, job: str | None = None, step: str | None = None, request: str | None = None, worker: str | None = None
) -> contextlib.AbstractContextManager[None]:
    """Return a context in which every log line of this thread or task names what it belongs to."""
    given = {"job": job, "step": step, "request": request, "worker": worker}
    return bound_contextvars(**{name: value for name, value in given.items() if value is not None})


def log_error(error: BaseException, *, level: str | None = None, **fields: Any) -> str:
    """Log an error with its id and return the id; an error that is not ours is given one, once.

    Ours are warnings without a traceback (with one at level debug), others are errors with their traceback; ``level`` overrules.
    """
    logger, identity = get_logger("labelmill.errors"), error_id(error)
    ours = isinstance(error, LabelmillError)
    code = error.code if isinstance(error, LabelmillError) else LabelmillError.code
    chosen = logging.getLevelNamesMapping()[(level or ("warning" if ours else "error")).upper()]
    traceback = error if not ours or logging.getLogger("labelmill.errors").isEnabledFor(logging.DEBUG) else None
    message = str(error) if ours else f"{type(error).__name__}: {error}"
    logger.log(chosen, message, error=identity, code=code, exc_info=traceback, **fields)
    return identity


def mask_passwords(text: str) -> str:
    """Return text in which the passwords of all URLs are masked."""
    return _PASSWORD.sub(r"\1:********@", text) if "://" in text else text


def error_id(error: BaseException) -> str:
    """Return an error's id; the same error always has the same one."""
    if isinstance(error, LabelmillError):
        return error.id
    identity = getattr(error, _ID, None) or new_id()
    with contextlib.suppress(AttributeError):  # an exception class with slots
        setattr(error, _ID, identity)
    return str(identity)


class StderrHandler(logging.Handler):
    """Writes to what ``sys.stderr`` is at the moment of writing, as tests and supervisors replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record in one call, so that lines of several processes do not mix."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a log line that fails must not stop the work; the library tells it on stderr
            with contextlib.suppress(Exception):  # stderr itself is closed
                self.handleError(record)


def _formatter(log_format: str) -> ProcessorFormatter:
    last: list[Processor] = [structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)]
    if log_format == "console":
        plain = structlog.dev.plain_traceback
        last = [
            _escape,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain, **_CONSOLE_KEYS),
        ]
    before: list[Processor] = [
        _add_fields,
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        _mask_passwords,
        _in_order,
    ]
    return ProcessorFormatter(foreign_pre_chain=before, processors=[ProcessorFormatter.remove_processors_meta, *last])


def _as_record(_logger: object, _method: str, event: EventDict) -> MutableMapping[str, Any]:
    # The fields travel as one attribute: as many they could overwrite the record's own (name, module, process ...), which raises.
    call = {name: event.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in event}
    return {"msg": event.pop("event"), "extra": {_FIELDS: dict(event)}, **call}


_TO_RECORD: list[Processor] = [PositionalArgumentsFormatter(), _as_record]


def _add_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    fields = getattr(event["_record"], _FIELDS, {})
    return {**{name: value for name, value in fields.items() if name not in _RESERVED}, **event} | {
        f"{name}_": value for name, value in fields.items() if name in _RESERVED
    }


def _mask_passwords(_logger: object, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask_passwords(value)
    return event


def _in_order(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {**{name: event[name] for name in _FIRST}, **event}


def _escape(_logger: object, _method: str, event: EventDict) -> EventDict:
    # A line end or terminal code from outside could forge a second log line; JSON escapes them by itself.
    return {name: _escaped(value, _CONTROL_IN_BLOCK if name == "exception" else _CONTROL) for name, value in event.items()}


def _escaped(value: Any, pattern: re.Pattern[str]) -> Any:
    return pattern.sub(lambda found: found[0].encode("unicode_escape").decode(), value) if isinstance(value, str) else value
