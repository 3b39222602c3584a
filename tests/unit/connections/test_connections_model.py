"""Names and schemas of connections."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from labelmill.connections.model import NamedConnection, checked_name, checked_schemas
from labelmill.errors import BadInput, BadSource, Forbidden


def _named(readable: tuple[str, ...] = (), writable: tuple[str, ...] = (), url: str = "postgresql://x/y") -> NamedConnection:
    return NamedConnection(
        id="1", name="shop", url=url, readable=readable, writable=writable, confined=True,
        created_at=datetime(2026, 1, 1, tzinfo=UTC), created_by=None,
    )  # fmt: skip


def test_a_schema_that_may_be_written_may_be_read_and_not_the_other_way() -> None:
    shop = _named(readable=("public",), writable=("labels",))
    assert shop.schema("labels", write=False) == "labels"
    with pytest.raises(Forbidden, match="These may be written to: labels"):
        shop.schema("public", write=True)


def test_a_schema_that_nobody_named_is_refused() -> None:
    with pytest.raises(Forbidden):
        _named(readable=("public",)).schema("secret", write=False)


def test_the_only_allowed_schema_need_not_be_said() -> None:
    assert _named(readable=("public",)).schema(None, write=False) == "public"
    with pytest.raises(BadSource, match="name one"):
        _named(readable=("a", "b")).schema(None, write=False)
    with pytest.raises(BadSource):
        _named(readable=("a",)).schema(None, write=True)


@pytest.mark.parametrize(
    ("url", "kind"),
    [("mariadb://x/y", "mysql"), ("postgres://x/y", "postgresql"), ("mysql+pymysql://x/y", "mysql"), ("sqlite:///a", "sqlite")],
)
def test_one_kind_of_database_has_one_name(url: str, kind: str) -> None:
    assert _named(url=url).kind == kind


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 65, "a\n", ".x"])
def test_names_that_could_not_be_typed_everywhere_are_refused(name: str) -> None:
    with pytest.raises(BadInput):
        checked_name(name)


def test_schemas_are_kept_once_each_and_at_least_one_is_needed() -> None:
    assert checked_schemas([" a ", "b", "a", ""], ["c"], "postgresql") == (("a", "b"), ("c",))
    with pytest.raises(BadInput, match="No schema"):
        checked_schemas([" "], [], "postgresql")
    with pytest.raises(BadInput, match="main"):
        checked_schemas(["public"], [], "sqlite")
