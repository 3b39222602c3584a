"""Which handler runs which step of which kind of job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from labelmill.errors import NotFound
from labelmill.jobs.model import StepResult

if TYPE_CHECKING:
    from labelmill.jobs.model import Step


class StepContext(Protocol):
    """What a handler is given beside the step: how to report progress and how to make sure that its result is still wanted."""

    @property
    def step(self) -> Step: ...

    @property
    def payload(self) -> dict[str, Any]: ...

    @property
    def params(self) -> dict[str, Any]: ...

    def report(self, done: int) -> None:
        """Say how many units of this step are done; raises JobStopped when the step should end here."""
        ...

    def fence(self) -> None:
        """Ask the database now whether this attempt still counts, just before an effect; raises StepLost or JobCancelled."""
        ...


Handler = Callable[[StepContext], StepResult]


class Follower(Protocol):
    """Mirrors jobs of one kind elsewhere, from what the database says: whoever is late or runs twice does no harm."""

    def due(self) -> Sequence[str]:
        """Return the ids of the jobs with changes that are not mirrored yet."""
        ...

    def follow(self, job_id: str) -> None:
        """Mirror one job as it is now; raises Unavailable where that cannot be done at the moment."""
        ...


def _holds_nothing(_seconds: float) -> None:
    """The handlers keep nothing open between steps."""


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """A kind of job: its name, a handler for each name of its steps, and who mirrors it, if anybody."""

    name: str
    handlers: Mapping[str, Handler]
    follower: Follower | None = None
    #: Closes what the handlers keep open between steps and have not used for so many seconds; any thread may call it.
    close_idle: Callable[[float], None] = _holds_nothing


@dataclass(frozen=True)
class Later:
    """Kinds of jobs that are made when one of them is first needed: a command that runs one kind need not load what others take."""

    names: tuple[str, ...]
    make: Callable[[], Sequence[JobKind]]


class Registry:
    """Every kind of job that this process knows."""

    def __init__(self, *kinds: JobKind | Later) -> None:
        names = [name for kind in kinds for name in (kind.names if isinstance(kind, Later) else (kind.name,))]
        if len(set(names)) != len(names):
            raise ValueError("two kinds of job have one name")
        self._kinds = {kind.name: kind for kind in kinds if isinstance(kind, JobKind)}
        self._later = [kind for kind in kinds if isinstance(kind, Later)]

    def __iter__(self) -> Iterator[JobKind]:
        for later in tuple(self._later):
            self._load(later)
        return iter(self._kinds.values())

    def follower(self, kind: str) -> Follower | None:
        """Return who mirrors jobs of this kind."""
        known = self._find(kind)
        return known.follower if known else None

    def close_idle(self, seconds: float = 0.0) -> None:
        """Close what handlers keep open between steps and have not used for so long."""
        for kind in tuple(self._kinds.values()):
            kind.close_idle(seconds)

    def handler(self, step: Step) -> Handler:
        """Return the handler of a step; raises NotFound for a kind that another version of labelmill made."""
        kind = self._find(step.kind)
        if kind is None or step.name not in kind.handlers:
            raise NotFound(
                f"This worker does not know how to run {step.name!r} of {step.kind!r}.", way_out="Run workers of one version."
            )
        return kind.handlers[step.name]

    def _find(self, name: str) -> JobKind | None:
        later = next((each for each in self._later if name in each.names), None)
        if later is not None:
            self._load(later)
        return self._kinds.get(name)

    def _load(self, later: Later) -> None:
        made = {kind.name: kind for kind in later.make()}
        if set(made) != set(later.names):
            raise ValueError(f"made {sorted(made)} where {sorted(later.names)} were named")
        # Another thread may have made them meanwhile: the first ones stay.
        self._kinds = made | self._kinds
        self._later = [each for each in self._later if each is not later]
