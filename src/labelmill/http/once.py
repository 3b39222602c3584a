"""Requests that are answered once: a repetition with the same Idempotency-Key gets the first answer."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Header, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import Response
from sqlalchemy.exc import IntegrityError

from labelmill import clock
from labelmill.accounts import Actor
from labelmill.bootstrap import App
from labelmill.errors import BadInput, Conflict
from labelmill.http.current import SignedIn, TheApp
from labelmill.http.tables import idempotency_keys
from labelmill.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, RowMapping

LONGEST_KEY = 200
#: Longer than any clock's jump that is believed, so that no jump makes a key unknown too early.
KEEP = timedelta(days=3)
_PURPOSE = "answers kept for repeated requests"


@dataclass(frozen=True, kw_only=True)
class Once:
    """Does what a request asks for in one transaction, together with the record that it was done."""

    app: App
    actor: Actor
    key: str | None
    call: str
    request_hash: str

    def run(self, verb: Callable[[Connection], Any], *, status: int = 201) -> Response:
        """Return the answer that holds what ``verb(connection)`` returns; a repetition returns the first answer instead.

        Raises Conflict when the key came before with another request. A verb that raises leaves no record: it may be tried again.
        """
        if self.key is None:
            return _answer(status, _json(self.app.database.transact(verb)))
        try:
            return self.app.database.transact(self._keyed, verb, status)
        except _Known:
            return self.app.database.transact(self._keyed, verb, status)

    def repeated(self) -> Response | None:
        """Return the answer that this request got before, None where it is new; raises Conflict as ``run`` does.

        For what looks before its transaction: what the first request did may be in the way of a second look.
        """
        if self.key is None:
            return None
        with self.app.database.read() as connection:
            known = self._known(connection)
        return None if known is None else self._again(known)

    def _keyed(self, connection: Connection, verb: Callable[[Connection], Any], status: int) -> Response:
        known = self._known(connection)
        if known is not None:
            return self._again(known)
        record = {
            "id": new_id(), "actor": self.actor.annotator_id, "key": self.key, "call": self.call, "request_hash": self.request_hash,
            "status": status, "body": "", "created_at": clock.now(),
        }  # fmt: skip
        try:
            with connection.begin_nested():
                connection.execute(sa.insert(idempotency_keys).values(record))
        except IntegrityError as error:
            raise _Known from error
        body = _json(verb(connection))
        kept = self.app.keys.fernet(_PURPOSE).encrypt(body).decode()
        connection.execute(sa.update(idempotency_keys).where(idempotency_keys.c.id == record["id"]).values(body=kept))
        connection.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.created_at < clock.now() - KEEP))
        return _answer(status, body)

    def _known(self, connection: Connection) -> RowMapping | None:
        mine = sa.and_(idempotency_keys.c.actor == self.actor.annotator_id, idempotency_keys.c.key == self.key)
        return connection.execute(sa.select(idempotency_keys).where(mine)).mappings().one_or_none()

    def _again(self, known: RowMapping) -> Response:
        if (known["call"], known["request_hash"]) != (self.call, self.request_hash):
            way_out = "Take a new key for a new request; repeat the same request to get its answer again."
            raise Conflict("This Idempotency-Key came before with another request.", where="Idempotency-Key", way_out=way_out)
        body = self.app.keys.fernet(_PURPOSE).decrypt(known["body"].encode())
        response = _answer(known["status"], body)
        response.headers["Idempotency-Replayed"] = "true"
        return response


class _Known(Exception):
    """Another request wrote the same key between the look and the insert."""


async def once(
    request: Request,
    app: TheApp,
    actor: SignedIn,
    idempotency_key: Annotated[
        str | None,
        Header(description="A text of your own; the same request with the same key is done once and answered twice."),
    ] = None,
) -> Once:
    """Return the door through which a request that creates something goes."""
    key = idempotency_key
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise BadInput(f"A key has 1 to {LONGEST_KEY} printable ASCII characters.", where="Idempotency-Key")
    body = await request.body() if key is not None else b""
    call = f"{request.method} {request.url.path}"[:255]
    # Keyed: a plain hash of a short body with a password in it could be guessed.
    digest = hmac.digest(app.keys.derive(_PURPOSE), body, "sha256").hex() if key is not None else ""
    return Once(app=app, actor=actor, key=key, call=call, request_hash=digest)


TheOnce = Annotated[Once, Depends(once)]


def _json(value: Any) -> bytes:
    import orjson

    return orjson.dumps(jsonable_encoder(value))


def _answer(status: int, body: bytes) -> Response:
    return Response(body if status != 204 else b"", status_code=status, media_type="application/json")  # noqa: PLR2004 - No Content
