"""The map from the seventeen names to their 702 source ids, and maps of one's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from labelmill.compat.audience.sources import EXAMPLE, production_names, source_map
from labelmill.errors import BadFile
from labelmill.settings import Settings

DOCS = Path(__file__).resolve().parents[3] / "docs/examples/audience-sources.json"
COUNTS = {
    "Comment": 5, "Dcard": 1, "Instagram": 1, "Ptt": 1, "Tiktok": 1, "Twitter": 1, "Youtube": 1, "blog": 43, "fbfans": 1, "fbgroup": 1,
    "fbkol": 1, "fbpm": 1, "fbprivategroup": 1, "forum": 171, "news": 470, "plurk": 1, "video": 1,
}  # fmt: skip


def test_the_example_has_each_names_ids() -> None:
    found = json.loads(DOCS.read_text(encoding="utf-8"))
    assert {name: len(ids) for name, ids in found.items()} == COUNTS
    assert sum(COUNTS.values()) == 702
    ids = [each for name in found for each in found[name]]
    assert [each for each in set(ids) if ids.count(each) > 1] == ["WH_F0116"]
    assert (found["fbfans"], found["Ptt"], found["video"], found["plurk"]) == (
        ["WH_F0045"],
        ["WH_F0001"],
        ["wh_v001"],
        ["WH_F0038"],
    )
    assert {"WH_F0002", "WH_F0209", "WH_F0116"} <= set(found["forum"])
    assert "WH_F0004" not in found["forum"]
    assert {"WH_CTN0026", "WH_N0001", "WH_N0763", "WH_NI001", "WH_NI016"} <= set(found["news"])
    assert found["Comment"] == ["WH_F0183", "WH_F0198", "WH_F0199", "WH_F0200", "WH_F0500"]


def test_the_example_of_the_docs_is_the_map_that_is_used() -> None:
    assert DOCS.read_bytes() == EXAMPLE.read_bytes()
    assert source_map(Settings()) == json.loads(DOCS.read_text(encoding="utf-8"))


def test_the_production_tables_are_seventeen() -> None:
    assert production_names(Settings()) == [f"wh_panel_mapping_{name}" for name in COUNTS]


def test_a_map_of_ones_own_goes_before_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text('\ufeff{"論壇": ["F1", "F2"]}', encoding="utf-8")
    settings = Settings(source_map=path)
    assert source_map(settings) == {"論壇": ["F1", "F2"]}
    path.write_text('{"b": []}', encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert source_map(settings) == {"b": []}


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", "{", '{"a": "F1"}', '{"a": [1]}', '{"a": null}', "[" * 100_000])
def test_what_is_no_map_is_refused_by_its_path(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "map.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadFile) as raised:
        source_map(Settings(source_map=path))
    assert raised.value.where == str(path)
    assert raised.value.way_out


def test_a_map_that_is_gone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text("{}")
    settings = Settings(source_map=path)
    path.unlink()
    with pytest.raises(BadFile, match="cannot be read"):
        source_map(settings)
