"""Every error that labelmill raises on purpose, on one page.

::

    LabelmillError                 code                   HTTP  exit
    |-- BadInput                   bad-input               422     2
    |   |-- BadSettings            bad-settings            500     2
    |   |-- BadFile                bad-file                422     2
    |   |-- BadRules               bad-rules               422     2
    |   |-- BadSource              bad-source              422     2
    |   |-- TooLarge               too-large               413     2
    |   |-- TooSlow                too-slow                408     2
    |   `-- BadRange               bad-range               416     2
    |-- NotFound                   not-found               404     3
    |   `-- MethodNotAllowed       method-not-allowed      405     3
    |-- Conflict                   conflict                409     4
    |   `-- RecordFull             record-full             409     4
    |-- Unauthenticated            unauthenticated         401     5
    |-- Forbidden                  forbidden               403     5
    |-- TooManyRequests            too-many-requests       429     6
    |-- Unavailable                unavailable             503     7
    |-- NotOffered                 not-offered             501     1
    `-- JobStopped                 job-stopped             409     8
        |-- StepLost               step-lost               409     8
        |-- JobCancelled           job-cancelled           409     8
        `-- WorkerStopping         worker-stopping         409     8

An error says what happened (``message``), where (``where``: a row, field or file) and how to go on (``way_out``). Its ``id`` stands
in the log line that reports it. A class is added for each reason that a caller may want to tell apart, with a ``code`` that never
changes afterwards.
"""

from __future__ import annotations

from typing import Any, ClassVar

from labelmill.ids import new_id


class LabelmillError(Exception):
    """Something went wrong in labelmill."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    #: Whether trying the very same thing again, later, can succeed.
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, way_out: str = "", where: str = "", **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.way_out = way_out
        self.where = where
        self.details = details
        self.id = new_id()
        super().__init__(self.message)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        way_out = f" {self.way_out}" if self.way_out else ""
        return f"{place}{self.message}{way_out}"

    def as_problem(self) -> dict[str, Any]:
        """Return the error as a problem document (RFC 9457) without its instance path."""
        problem: dict[str, Any] = {
            "type": f"about:blank#{self.code}",
            "title": (type(self).__doc__ or "").strip().splitlines()[0],
            "status": self.status,
            "code": self.code,
            "detail": self.message,
            "id": self.id,
        }
        optional = {"way_out": self.way_out, "where": self.where, **self.details}
        return problem | {name: value for name, value in optional.items() if value not in ("", None)}


class BadInput(LabelmillError):
    """The input cannot be used as it is."""

    code = "bad-input"
    status = 422
    exit_code = 2


class BadSettings(BadInput):
    """A setting has a value that cannot work."""

    code = "bad-settings"
    status = 500


class BadFile(BadInput):
    """A file cannot be read as what it claims to be."""

    code = "bad-file"


class BadRules(BadInput):
    """A rule set has a rule that cannot be used."""

    code = "bad-rules"


class BadSource(BadInput):
    """A table, file or column to read or write does not exist or does not fit."""

    code = "bad-source"


class TooLarge(BadInput):
    """The input is larger than the limit that is set for it."""

    code = "too-large"
    status = 413


class TooSlow(BadInput):
    """The input did not arrive within the time that is set for it."""

    code = "too-slow"
    status = 408
    retryable = True


class BadRange(BadInput):
    """The file has not the part that is asked for."""

    code = "bad-range"
    status = 416


class NotFound(LabelmillError):
    """There is no such thing."""

    code = "not-found"
    status = 404
    exit_code = 3


class MethodNotAllowed(NotFound):
    """This address does not know this method."""

    code = "method-not-allowed"
    status = 405


class Conflict(LabelmillError):
    """The present state does not allow this."""

    code = "conflict"
    status = 409
    exit_code = 4


class RecordFull(Conflict):
    """The record has all the answers it wants: this one was not stored, and nothing else changed."""

    code = "record-full"


class Unauthenticated(LabelmillError):
    """Nobody is signed in, or the token is not valid."""

    code = "unauthenticated"
    status = 401
    exit_code = 5


class Forbidden(LabelmillError):
    """The signed-in annotator may not do this."""

    code = "forbidden"
    status = 403
    exit_code = 5


class TooManyRequests(LabelmillError):
    """Too many requests in a short time."""

    code = "too-many-requests"
    status = 429
    exit_code = 6
    retryable = True


class Unavailable(LabelmillError):
    """A part that labelmill needs does not answer."""

    code = "unavailable"
    status = 503
    exit_code = 7
    retryable = True


class NotOffered(LabelmillError):
    """This version of labelmill does not do that."""

    code = "not-offered"
    status = 501


class JobStopped(LabelmillError):
    """A job's step was stopped before its end."""

    code = "job-stopped"
    status = 409
    exit_code = 8


class StepLost(JobStopped):
    """Another worker holds this step now: this late result is refused."""

    code = "step-lost"


class JobCancelled(JobStopped):
    """The job was cancelled."""

    code = "job-cancelled"


class WorkerStopping(JobStopped):
    """The worker was told to stop; another one goes on with the step."""

    code = "worker-stopping"
