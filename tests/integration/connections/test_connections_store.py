"""Named connections, on every database."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import webapp
from labelmill.accounts import Role
from labelmill.connections import files_folder, service, trial
from labelmill.connections.tables import connections
from labelmill.errors import BadInput, BadSettings, BadSource, Conflict, Forbidden, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from webapp import Site

URL = "postgresql://ann:hunter2@db.example.org:5433/shop?sslmode=require"


def _add(site: Site, **values: object) -> object:
    defaults = {"name": "shop", "url": URL, "readable": ["public"]}
    return site.app.database.transact(service.add, site.app, **defaults | values)  # type: ignore[arg-type]


def test_a_connection_opens_with_its_password_and_shows_none(stored_site: Site) -> None:
    made = _add(stored_site, writable=["labels"])
    assert made.url == "postgresql://ann@db.example.org:5433/shop?sslmode=require"  # type: ignore[attr-defined]
    place = service.resolve(stored_site.app, "shop", table="posts", schema="public")
    assert place.url is not None
    assert (place.format, place.table, place.schema, place.url.password) == ("postgresql", "posts", "public", "hunter2")
    assert "hunter2" not in str(place)
    assert "hunter2" not in repr(place)


def test_the_password_is_encrypted_at_rest(stored_site: Site) -> None:
    _add(stored_site)
    _add(stored_site, name="other", url="mariadb://bob@h/x", password="hunter3")
    with stored_site.app.database.read() as connection:
        stored = str(connection.execute(sa.select(connections)).all())
    assert "hunter" not in stored


def test_a_password_with_every_character_comes_back_as_it_was(stored_site: Site) -> None:
    password = "p@ss:/?#[]%20 密碼\N{PILE OF POO}'\"\\"
    _add(stored_site, url="postgresql://ann@h/x", password=password)
    place = service.resolve(stored_site.app, "shop", table="t")
    assert place.url is not None
    assert place.url.password == password


def test_a_name_is_taken_once_and_free_after_removal(stored_site: Site) -> None:
    _add(stored_site)
    with pytest.raises(Conflict, match="already"):
        _add(stored_site)
    stored_site.app.database.transact(service.remove, "shop")
    with pytest.raises(NotFound):
        stored_site.app.database.transact(service.remove, "shop")
    _add(stored_site)


def test_only_the_named_schemas_are_reached(stored_site: Site) -> None:
    _add(stored_site, readable=["public"], writable=["labels"])
    assert service.resolve(stored_site.app, "shop", table="t", write=True).schema == "labels"
    with pytest.raises(Forbidden):
        service.resolve(stored_site.app, "shop", table="t", schema="public", write=True)
    with pytest.raises(Forbidden):
        service.resolve(stored_site.app, "shop", table="t", schema="secret")
    with pytest.raises(NotFound):
        service.resolve(stored_site.app, "nothing", table="t")


def test_another_secret_opens_no_password_and_says_so(tmp_path: Path) -> None:
    with webapp.site(tmp_path, secret=webapp.SECRET) as site:
        _add(site)
    with webapp.site(tmp_path, secret=webapp.SECRET[::-1]) as site, pytest.raises(BadSettings, match="another secret"):
        service.resolve(site.app, "shop", table="t")


@pytest.mark.parametrize(
    "url",
    [
        "", "nonsense", "http://example.org/x", "oracle://ann@h/x", "postgresql://", "postgresql://h", "mysql:///x", "sqlite://",
        "sqlite:///:memory:", "sqlite:///file:x?mode=memory", "postgresql://ann@h/x?sslkey=/etc/passwd", "postgresql://h/x?service=y",
        "mysql://ann@h/x?read_default_file=/etc/my.cnf", "mysql://ann@h/x?local_infile=1", "sqlite:////etc/passwd",
        "sqlite:///../labelmill.db", "sqlite:///a/../../x.db", "postgresql://h:port/x", "x" * 3000, "postgresql://h/x\n",
    ],
)  # fmt: skip
def test_a_url_that_cannot_or_must_not_be_used_is_refused_with_the_way_out(site: Site, url: str) -> None:
    with pytest.raises(BadInput) as caught:
        _add(site, url=url, readable=["main"])
    assert caught.value.status == 422


def test_labelmills_own_tables_are_no_source(site: Site) -> None:
    own = site.app.settings.data_dir / "labelmill.db"
    with pytest.raises(BadSource, match="its own tables"):
        _add(site, url=f"sqlite:///{own}", readable=["main"], confined=False)


def _posts(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE posts (id INTEGER)")
    connection.execute("CREATE VIEW recent AS SELECT * FROM posts")
    connection.commit()
    connection.close()


def test_a_file_is_named_below_the_folder_and_found_there(site: Site) -> None:
    _posts(files_folder(site.app.settings) / "a" / "posts.db")
    _add(site, url="sqlite:///a/posts.db", readable=["main"])
    place = service.resolve(site.app, "shop", table="posts")
    assert place.path == files_folder(site.app.settings) / "a" / "posts.db"
    assert trial.try_connection(site.app, "shop").tables == ("main.posts", "main.recent")


def test_a_file_that_became_a_link_out_is_refused_at_use(site: Site, tmp_path: Path) -> None:
    _add(site, url="sqlite:///posts.db", readable=["main"])
    _posts(tmp_path / "elsewhere.db")
    files_folder(site.app.settings).mkdir(parents=True)
    (files_folder(site.app.settings) / "posts.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(BadSource):
        service.resolve(site.app, "shop", table="posts")
    with pytest.raises(BadSource):
        trial.try_connection(site.app, "shop")


def test_a_trial_connects_for_real_and_lists_what_may_be_read(site: Site, database_url: str) -> None:
    engine = sa.create_engine(sa.engine.make_url(database_url).set(drivername=_driver(database_url)))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE posts (id INTEGER)"))
        schema = sa.inspect(connection).default_schema_name
    engine.dispose()
    _add(site, url=database_url, readable=[schema], confined=False)
    assert f"{schema}.posts" in trial.try_connection(site.app, "shop").tables


def _driver(url: str) -> str:
    backend = sa.engine.make_url(url).get_backend_name()
    return {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}.get(backend, "mysql+pymysql")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_trial_that_fails_says_why_and_not_the_password(site: Site, kind: str) -> None:
    _add(site, url=f"{kind}://ann:hunter2@127.0.0.1:1/x")
    answer = site.ask("POST", "/v1/connections/shop/test", role=Role.ADMIN)
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (422, "bad-source", "shop")
    assert "hunter2" not in answer.text


def test_a_wrong_password_is_told_as_such(site: Site, postgresql_database: str) -> None:
    url = sa.engine.make_url(postgresql_database).set(password="hunter2-wrong").render_as_string(hide_password=False)
    _add(site, url=url)
    answer = site.ask("POST", "/v1/connections/shop/test", role=Role.ADMIN)
    assert "hunter2-wrong" not in answer.text
    assert answer.status_code in (200, 422)  # a server may trust whoever comes from this machine


def test_over_http_a_connection_is_added_shown_and_removed(site: Site) -> None:
    body = {"name": "shop", "url": "postgresql://ann@h/x", "password": "hunter2", "readable": ["public"]}
    made = site.ask("POST", "/v1/connections", role=Role.ADMIN, json=body)
    assert (made.status_code, made.json()["url"]) == (201, "postgresql://ann@h/x")
    assert site.ask("POST", "/v1/connections", role=Role.ADMIN, json=body).status_code == 409
    assert site.ask("GET", "/v1/connections/shop", role=Role.ADMIN).json() == made.json()
    removed = site.ask("DELETE", "/v1/connections/shop", role=Role.ADMIN)
    assert (removed.status_code, removed.content) == (204, b"")
    assert site.ask("GET", "/v1/connections/shop", role=Role.ADMIN).status_code == 404


def test_over_http_no_file_outside_of_the_folder_can_be_named(site: Site, tmp_path: Path) -> None:
    _posts(tmp_path / "posts.db")
    for url in (f"sqlite:///{tmp_path}/posts.db", "sqlite:///../../posts.db", "sqlite:///~/x.db"):
        body = {"name": "shop", "url": url, "readable": ["main"]}
        assert site.ask("POST", "/v1/connections", role=Role.ADMIN, json=body).json()["code"] == "bad-source"
