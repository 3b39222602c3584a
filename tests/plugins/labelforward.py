"""LabelForward's clients, as their programs behave: a cookie jar and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from labelmill.accounts import Role, service
from labelmill.datasets import DatasetSettings, NewLabel, Order, RecordKind, record_key
from labelmill.datasets import service as datasets

if TYPE_CHECKING:
    import httpx

    from labelmill.datasets import Dataset
    from webapp import Site

PASSWORD = "seven green lamps"


class Client:
    """One client: it keeps the cookie that it is given, and sends it back."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.cookie = ""

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if self.cookie:
            headers["Cookie"] = f"access_token={self.cookie}"
        answer = self._site.ask(method, f"/api/{path}", headers=headers, **options)
        self.cookie = answer.cookies.get("access_token", self.cookie)
        return answer

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return self.ask("POST", "login/", json={"email": email, "password": password})

    def label(self, text_id: Any, label: Any, **options: Any) -> httpx.Response:
        return self.ask("POST", "texts/text", json={"label": label, "text_id": text_id}, **options)


def make_dataset(site: Site, texts: int = 3, name: str = "news", **settings: Any) -> Dataset:
    """Return a dataset of texts, asked in their order, with the labels good and bad."""
    chosen = DatasetSettings(**{"order": Order.SEQUENTIAL, **settings})
    labels = [NewLabel(name="good"), NewLabel(name="bad")]
    made = site.app.database.transact(datasets.create, name=name, kind=RecordKind.TEXT, labels=labels, settings=chosen)
    contents = [f"{name} {number}" for number in range(texts)]
    frame = pl.DataFrame(
        {"record_key": [record_key(None, each) for each in contents], "given_id": [None] * texts, "content": contents},
        schema={"record_key": pl.String, "given_id": pl.String, "content": pl.String},
    )
    if texts:
        site.app.database.transact(datasets.add_records, made.id, frame)
    return made


def invite(site: Site, dataset: Dataset, *emails: str) -> None:
    more = {"dataset_id": dataset.id, "dataset_role": Role.ANNOTATOR}
    site.app.database.transact(service.invite, emails=list(emails), **more)


def join(site: Site, dataset: Dataset, email: str) -> Client:
    """Return a client of somebody who was invited, signed up and signed in."""
    invite(site, dataset, email)
    client = Client(site)
    answer = client.ask("POST", "users/signup", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    assert client.sign_in(email).status_code == 200
    return client
