"""``/api/users/`` and ``/api/login/``: sign up, in and out, change one's address and password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import APIRouter, Request, Response

from labelmill.accounts import Action, Actor, require, service
from labelmill.compat.labelforward.callers import ACCESS, Caller, require_own_page, set_access
from labelmill.compat.labelforward.schemas import Credentials, NewEmail, NewPassword, Success
from labelmill.errors import BadInput, Forbidden
from labelmill.http import Client, TheApp, documented
from labelmill.http.routing import StrictRoute

router = APIRouter(prefix="/api", tags=["LabelForward API"], route_class=StrictRoute)
#: One account is tried this many times as often as one address may try, whoever tries.
GUESSES_AT_ONE: Final = 2


@router.post("/users/signup/", include_in_schema=False, status_code=201)
@router.post("/users/signup", status_code=201, response_class=Response)
def sign_up(request: Request, app: TheApp, address: Client, new: Credentials) -> Response:
    """Make an account for an address that is invited, and let it into the datasets of its invitations."""
    attempts = request.app.state.attempts
    attempts.count(address)
    try:
        service.sign_up(app.database, email=new.email, password=new.password.get_secret_value())
    except Forbidden as error:
        raise Forbidden("No access with this email.", where="body.email", way_out=error.way_out) from error
    attempts.take_back(address)
    return Response(status_code=201)


@router.post("/login", include_in_schema=False)
@router.post("/login/")
def sign_in(request: Request, response: Response, app: TheApp, address: Client, given: Credentials) -> Success:
    """Begin a session with a password; the answer sets the cookie `access_token`."""
    attempts, account = request.app.state.attempts, service.counted_as(given.email)
    attempts.count(address)
    attempts.count(account, GUESSES_AT_ONE)
    agent = request.headers.get("user-agent", "")
    secret = service.sign_in(app.database, given.email, given.password.get_secret_value(), app.settings, agent)
    attempts.take_back(address)
    attempts.take_back(account)
    set_access(request, response, secret)
    return Success()


@router.get("/login", include_in_schema=False)
@router.get("/login/")
def check_session(actor: Caller) -> Success:
    """Tell that the session is alive: 401 when it is not."""
    require(actor, Action.VIEW_ACCOUNT)
    return Success()


@router.get("/login/logout/", include_in_schema=False)
@router.get("/login/logout")
def sign_out(request: Request, response: Response, app: TheApp, actor: Caller) -> Success:
    """End the session, also for whoever has copied its cookie."""
    require_own_page(request)
    if actor.session_id is not None:
        app.database.transact(service.close_session, actor.session_id)
    response.delete_cookie(ACCESS, path="/", httponly=True, samesite="strict")
    return Success()


@router.post("/users/email/", include_in_schema=False)
@router.post("/users/email", responses=documented(409))
def change_email(request: Request, app: TheApp, actor: Caller, new: NewEmail) -> Success:
    """Change one's address, with the password. Everything that one did stays one's own."""
    with _guessing(request, actor, "password"):
        service.change_email(app.database, actor, new.newEmail, new.password.get_secret_value())
    return Success()


@router.post("/users/password/", include_in_schema=False)
@router.post("/users/password", responses=documented(409))
def change_password(request: Request, app: TheApp, actor: Caller, new: NewPassword) -> Success:
    """Change one's password, with the old one. Every other session ends."""
    with _guessing(request, actor, "old"):
        service.change_password(app.database, actor, new.oldPassword.get_secret_value(), new.newPassword.get_secret_value())
    return Success()


@contextmanager
def _guessing(request: Request, actor: Actor, where: str) -> Iterator[None]:
    """Count a guess at one's own password until it was right; a wrong one, told at ``where``, is 403 in this contract."""
    require(actor, Action.CHANGE_ACCOUNT)
    attempts, counted = request.app.state.attempts, f"account {actor.annotator_id}"
    attempts.count(counted)
    try:
        yield
    except BadInput as error:
        if error.where != where:
            raise
        raise Forbidden(error.message, where=error.where, way_out=error.way_out) from error
    attempts.take_back(counted)
