"""Who somebody in a LabelForward is here: by account, an e-mail address being only an address."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from labelmill import clock
from labelmill.accounts import LOCAL, Role
from labelmill.accounts import service as accounts
from labelmill.datasets.adopt.model import LONGEST_SHOWN, bcrypt_hash
from labelmill.errors import BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from labelmill.datasets.adopt.model import Report, User

#: Addresses that are invited by one call, and the days that they have: the predecessor's list never ended.
AT_ONCE: Final = 100
DAYS: Final = 365
LONGEST_NAME: Final = 100


class People:
    """Finds, and with a dataset makes, the account behind each address."""

    def __init__(self, users: Sequence[User], same: Mapping[str, str], report: Report) -> None:
        self._report = report
        self._same = dict(same)
        self._users = {each.email: each for each in users}
        self._ids: dict[str, str | None] = {}

    def take_accounts(self, connection: Connection, dataset_id: int | None) -> None:
        """Take over all accounts; without a dataset only count them."""
        count = self._report.counts["accounts"]
        for user in self._users.values():
            count.found += 1
            if user.email in self._same:
                count.known += 1
                continue
            try:
                address = accounts.find_annotator(connection, user.email).email
                count.known += 1
                self._ids[user.email] = self._member(connection, dataset_id, address)
            except NotFound:
                count.taken += 1
                hashed = bcrypt_hash(user.password)
                if hashed is None:
                    self._report.note("accounts without a password that can be accepted: they need a link for a new one")
                self._ids[user.email] = self._made(connection, dataset_id, user.email, user.email, hashed)
            except BadInput:
                self._report.leave_out("accounts", f"user {user.id}", f"{user.email[:LONGEST_SHOWN]!r} is no e-mail address")

    def id_of(self, connection: Connection, dataset_id: int | None, address: str) -> str:
        """Return the id of the account behind an address; who has none gets one that is closed, so that their votes are somebody's.

        Without a dataset the id is made up.
        """
        text = self._same.get(address, address)
        known = self._ids.get(text)
        if known is None:
            known = self._ids[text] = self._closed(connection, dataset_id, text)
        return known

    def _closed(self, connection: Connection, dataset_id: int | None, text: str) -> str:
        for address in _addresses(text):
            try:
                return self._member(connection, dataset_id, accounts.find_annotator(connection, address).email)
            except NotFound:
                self._report.note("closed accounts for people who voted and have none")
                return self._made(connection, dataset_id, address, text, None, closed=True)
            except BadInput:
                continue
        raise AssertionError("unreachable")

    def _member(self, connection: Connection, dataset_id: int | None, address: str) -> str:
        found = accounts.find_annotator(connection, address)
        if dataset_id is not None and accounts.get_role(connection, dataset_id, found.id) is None:
            accounts.set_member(connection, dataset_id, found.id, Role.ANNOTATOR, by=LOCAL)
        return found.id

    def _made(
        self,
        connection: Connection,
        dataset_id: int | None,
        address: str,
        name: str,
        hashed: str | None,
        *,
        closed: bool = False,
    ) -> str:
        if dataset_id is None:
            return f"new:{address}"
        shown = "".join(char for char in name.partition("@")[0] if char.isprintable()).strip()[:LONGEST_NAME] or "nameless"
        made = accounts.add_annotator(connection, email=address, name=shown, role=Role.ANNOTATOR, password_hash=hashed)
        accounts.set_member(connection, dataset_id, made.id, Role.ANNOTATOR, by=LOCAL)
        if closed:
            accounts.disable_annotator(connection, made.id, by=LOCAL)
        return made.id


def stands_alone(connection: Connection, dataset_id: int, text: str) -> bool:
    """Tell whether who was called ``text`` is a member of the dataset by an account of their own."""
    for address in _addresses(text):
        try:
            found = accounts.find_annotator(connection, address)
        except (NotFound, BadInput):
            continue
        if accounts.get_role(connection, dataset_id, found.id) is not None:
            return True
    return False


def _addresses(text: str) -> tuple[str, str]:
    """Return the address of an account here, and the one that stands for what is no address at all."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return text, f"{digest}@labelforward.invalid"


def take_accessors(
    connection: Connection, addresses: Sequence[str], users: Sequence[User], dataset_id: int | None, report: Report
) -> None:
    """Invite who may sign up and has neither an account nor an invitation; without a dataset only count them."""
    signed_up = {each.email.strip().casefold() for each in users}
    count, new = report.counts["invitations"], []
    invited = _invited(connection, dataset_id) if dataset_id is not None else set()
    for address in dict.fromkeys(addresses):
        count.found += 1
        try:
            accounts.find_annotator(connection, address)
            count.known += 1
        except BadInput:
            report.leave_out("invitations", "accessors", f"{address[:LONGEST_SHOWN]!r} is no e-mail address")
        except NotFound:
            if address.strip().casefold() in invited | signed_up:
                count.known += 1
            else:
                count.taken += 1
                new.append(address)
    for start in range(0, len(new) if dataset_id is not None else 0, AT_ONCE):
        some = new[start : start + AT_ONCE]
        accounts.invite(connection, emails=some, dataset_id=dataset_id, dataset_role=Role.ANNOTATOR, days=DAYS)


def _invited(connection: Connection, dataset_id: int) -> set[str | None]:
    """Return the addresses with an invitation to the dataset, whatever became of it: one that was ended is not sent again."""
    found: set[str | None] = set()
    before, now = "", clock.now()
    while page := accounts.list_invitations(connection, dataset_id=dataset_id, before=before):
        found |= {each.email for each in page if each.state(now) != "expired"}
        before = page[-1].id
    return found
