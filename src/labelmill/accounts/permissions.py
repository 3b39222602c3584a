"""Who may do what: one function, asked for each action on an object. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from labelmill.accounts.model import Role, Scope
from labelmill.errors import Forbidden, Unauthenticated

if TYPE_CHECKING:
    from labelmill.accounts.model import Actor


class Action(StrEnum):
    VIEW_JOBS = "view jobs"
    STOP_JOB = "cancel a job"
    RETRY_JOB = "retry a job"
    VIEW_RULES = "view rule sets"
    EDIT_RULES = "change rule sets"
    VIEW_LABEL_TASKS = "view label tasks"
    #: The rows themselves: samples, previews, results.
    VIEW_ROWS = "view rows of a label task"
    START_LABEL_TASK = "start a label task"
    CHANGE_LABEL_TASK = "change a label task"
    START_IMAGE_TASK = "start an image task or load a catalogue"
    VIEW_FILES = "view files and tables"
    KEEP_FILES = "upload files"
    VIEW_CONNECTIONS = "view the names of connections"
    KEEP_CONNECTIONS = "add, test and remove connections"
    VIEW_SETTINGS = "view settings"
    VIEW_OWN_TOKENS = "view one's own API tokens"
    MAKE_TOKEN = "make an API token"  # noqa: S105 - the name of an action
    REVOKE_TOKEN = "revoke an API token"  # noqa: S105 - the name of an action
    VIEW_ANNOTATORS = "view annotators"
    KEEP_ANNOTATORS = "change people's roles and close their accounts"
    #: As one who looks or labels; for more it takes KEEP_ANNOTATORS, for one dataset KEEP_MEMBERS.
    INVITE = "invite people"
    VIEW_ACCOUNT = "view one's own account"
    CHANGE_ACCOUNT = "change one's own account"
    VIEW_AUDIT = "view the audit log"
    MAKE_DATASET = "make a dataset"
    #: In one dataset, with ``require_in``.
    VIEW_DATASET = "view a dataset"
    LABEL = "label records of a dataset"
    SETTLE = "settle ties of a dataset"
    CHANGE_DATASET = "change a dataset, its labels and its records"
    KEEP_MEMBERS = "decide who may do what in a dataset"


@dataclass(frozen=True)
class Need:
    """What an action needs: at least this role (or, with ``own``, to be the object's owner) and at least this scope."""

    role: Role
    scope: Scope
    own: bool = False


NEEDS = {
    Action.VIEW_JOBS: Need(Role.VIEWER, Scope.READ),
    Action.STOP_JOB: Need(Role.MANAGER, Scope.WRITE, own=True),
    Action.RETRY_JOB: Need(Role.MANAGER, Scope.WRITE, own=True),
    Action.VIEW_RULES: Need(Role.VIEWER, Scope.READ),
    Action.EDIT_RULES: Need(Role.MANAGER, Scope.WRITE),
    Action.VIEW_LABEL_TASKS: Need(Role.VIEWER, Scope.READ),
    Action.VIEW_ROWS: Need(Role.VIEWER, Scope.READ),
    Action.START_LABEL_TASK: Need(Role.MANAGER, Scope.WRITE),
    Action.CHANGE_LABEL_TASK: Need(Role.MANAGER, Scope.WRITE, own=True),
    Action.START_IMAGE_TASK: Need(Role.MANAGER, Scope.WRITE),
    # Whole files and tables, the inputs too: more than a sample of results.
    Action.VIEW_FILES: Need(Role.MANAGER, Scope.READ),
    Action.KEEP_FILES: Need(Role.MANAGER, Scope.WRITE),
    Action.VIEW_CONNECTIONS: Need(Role.MANAGER, Scope.READ),
    Action.KEEP_CONNECTIONS: Need(Role.ADMIN, Scope.ADMIN),
    Action.VIEW_SETTINGS: Need(Role.ADMIN, Scope.READ),
    Action.VIEW_OWN_TOKENS: Need(Role.VIEWER, Scope.READ),
    # A token that could make others would never end.
    Action.MAKE_TOKEN: Need(Role.VIEWER, Scope.ADMIN),
    Action.REVOKE_TOKEN: Need(Role.ADMIN, Scope.ADMIN, own=True),
    Action.VIEW_ANNOTATORS: Need(Role.MANAGER, Scope.READ),
    Action.KEEP_ANNOTATORS: Need(Role.ADMIN, Scope.ADMIN),
    Action.INVITE: Need(Role.MANAGER, Scope.WRITE),
    Action.VIEW_ACCOUNT: Need(Role.VIEWER, Scope.READ),
    # A token that could change the password would be the account.
    Action.CHANGE_ACCOUNT: Need(Role.VIEWER, Scope.ADMIN),
    Action.VIEW_AUDIT: Need(Role.MANAGER, Scope.READ),
    Action.MAKE_DATASET: Need(Role.MANAGER, Scope.WRITE),
    Action.VIEW_DATASET: Need(Role.VIEWER, Scope.READ),
    Action.LABEL: Need(Role.ANNOTATOR, Scope.WRITE),
    Action.SETTLE: Need(Role.MANAGER, Scope.WRITE),
    Action.CHANGE_DATASET: Need(Role.MANAGER, Scope.WRITE),
    Action.KEEP_MEMBERS: Need(Role.MANAGER, Scope.WRITE),
}
_ROLES = tuple(Role)
_SCOPES = tuple(Scope)


def may(actor: Actor, action: Action, obj: Any = None) -> bool:
    """Tell whether ``actor`` may do ``action`` on ``obj``, whose owner is its ``annotator_id`` or ``created_by``."""
    need = NEEDS[action]
    ranked = _ROLES.index(actor.role) >= _ROLES.index(need.role)
    return _reaches(actor, need.scope) and (ranked or (need.own and _owns(actor, obj)))


def require(actor: Actor | None, action: Action, obj: Any = None) -> Actor:
    """Return ``actor`` when it may do ``action`` on ``obj``; raises Unauthenticated for nobody and Forbidden for the rest."""
    if actor is None:
        raise Unauthenticated("Nobody is signed in.", way_out="Send `Authorization: Bearer <token>`, or sign in at /sign-in.")
    if may(actor, action, obj):
        return actor
    need = NEEDS[action]
    if not _reaches(actor, need.scope):
        raise Forbidden(
            f"This token's scope is {actor.scope}: it may not {action}.", way_out=f"Use one with the scope {need.scope}."
        )
    raise Forbidden(
        f"Your role is {actor.role}: you may not {action}.", way_out=f"Ask somebody with the role {need.role} to do it."
    )


def _reaches(actor: Actor, scope: Scope) -> bool:
    return _SCOPES.index(actor.scope) >= _SCOPES.index(scope)


def _owns(actor: Actor, obj: Any) -> bool:
    owner = getattr(obj, "annotator_id", None) or getattr(obj, "created_by", None)
    return bool(owner) and owner == actor.annotator_id
