"""The store that the settings name is the one that the app works with, and `/readyz` tells how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import webapp

if TYPE_CHECKING:
    from pathlib import Path


def _parts(site: webapp.Site) -> dict[str, tuple[str, str]]:
    return {part["name"]: (part["status"], part["reason"]) for part in site.ask("GET", "/readyz").json()["parts"]}


def _keys(s3: Any) -> dict[str, str]:
    return {"s3_access_key": s3.access_key, "s3_secret_key": s3.secret_key}


@pytest.mark.parametrize("store", ["s3", "database"])
def test_machines_that_share_no_folder_share_what_is_kept(
    store: str, s3: Any, tmp_path: Path, postgresql_migrated: str
) -> None:
    """One puts, the other one reads it, as bytes and as a file of its own."""
    more = {"blobs_url": "database:"} if store == "database" else {"blobs_url": s3.url(s3.bucket(), "kept"), **_keys(s3)}
    with (
        webapp.site(tmp_path / "one", database_url=postgresql_migrated, **more) as one,
        webapp.site(tmp_path / "two", database_url=postgresql_migrated, **more) as two,
    ):
        one.app.blobs.put("images/0a/picture.png", b"picture")
        assert two.app.blobs.get("images/0a/picture.png") == b"picture"
        file = two.app.blobs.path("images/0a/picture.png")
        assert file.read_bytes() == b"picture"
        assert file.is_relative_to(tmp_path / "two")
        assert _parts(two)["store"] == ("ok", "")
    assert not list((tmp_path / "one").rglob("*.png"))


def test_files_go_to_a_folder_that_is_named(tmp_path: Path) -> None:
    with webapp.site(tmp_path / "site", blobs_url=f"file://{tmp_path}/elsewhere") as made:
        made.app.blobs.put("models/1", b"model")
    assert (tmp_path / "elsewhere/models/1").read_bytes() == b"model"


def test_p26_a_store_that_refuses_is_named_without_its_address_or_key(s3: Any, tmp_path: Path) -> None:
    with webapp.site(tmp_path, blobs_url=s3.url("no-such-bucket"), **_keys(s3)) as made:
        answer = made.ask("GET", "/readyz")
        assert answer.status_code == 503
        assert _parts(made)["store"] == ("failed", "There is no such bucket.")
        for hidden in (s3.endpoint.partition("://")[2], s3.access_key, s3.secret_key):
            assert hidden not in answer.text
