"""People: who they are, how they get in, and what they may do."""

from __future__ import annotations

from labelmill.accounts.model import LOCAL, Actor, Role, Scope
from labelmill.accounts.permissions import Action, may, require

__all__ = ["LOCAL", "Action", "Actor", "Role", "Scope", "may", "require"]
