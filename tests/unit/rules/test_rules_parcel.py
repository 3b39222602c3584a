"""A rule set travels as one file and comes back equal, and a hostile file harms nobody."""

from __future__ import annotations

import io
import zipfile

import pytest

from labelmill.errors import BadFile, BadInput, BadRules, TooLarge
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie
from labelmill.rules.parcel import Wrapping, unwrap, wrap, wrapping_of

PLAIN = RuleSet(
    "people",
    (Label("/female"), Label("/male")),
    (
        Rule("/female", Kind.KEYWORD, Match.PARTIALLY, "淑芬🌸"),
        Rule("/male", Kind.KEYWORD, Match.END, "=tom, o'neil"),
        Rule("/female", Kind.REGEX, None, r"^(mrs|ms)\b"),
    ),
)
RICH = RuleSet(
    "rich",
    (Label("a b", "g"), Label("/bare")),
    (Rule("a b", Kind.KEYWORD, Match.START, "x\ty\n"),),
    Tie.FIRST,
    case_sensitive=True,
)


def packed(*entries: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("wrapping", Wrapping)
def test_every_form_brings_plain_rules_back(wrapping):
    """Contents to the letter; only a ZIP sorts them by model and label."""
    content, lost = wrap(PLAIN, wrapping)
    back = unwrap(content, f"rules.{wrapping}", name="people").rule_set
    assert lost == ()
    assert set(back.rules) == set(PLAIN.rules)
    assert len(back.rules) == len(PLAIN.rules)
    assert {label.name for label in back.labels} == {"/female", "/male"}


def test_json_brings_everything_back_and_other_forms_say_what_they_lose():
    """Ties, case, bare labels; groups have a column of a CSV file."""
    content, lost = wrap(RICH, Wrapping.JSON)
    assert (unwrap(content, "x.json", name="rich").rule_set, lost) == (RICH, ())
    _, lost = wrap(RICH, Wrapping.CSV)
    assert [word for word in ("groups", "tie", "case", "/bare") if any(word in sentence for sentence in lost)] == [
        "tie",
        "case",
        "/bare",
    ]


def test_the_same_rules_are_the_same_bytes():
    """Nothing of time or place is in the file."""
    for wrapping in Wrapping:
        assert wrap(PLAIN, wrapping) == wrap(PLAIN, wrapping)


def test_rules_that_cannot_be_a_folder_are_refused_without_our_paths():
    """The message speaks of labels, not of a temporary folder."""
    with pytest.raises(BadRules, match="cannot be a folder") as caught:
        wrap(RICH, Wrapping.ZIP)
    assert "/tmp" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "file_name", "place"),
    [
        (b"content,label,rule_type,match_type\na,/x,word,end\n", "my rules.csv", "my_rules.csv:2"),
        (b'{"labels": ["/x"],\n "rules": [}', "../../etc/passwd.json", "passwd.json:2"),
        (b"content,label,rule_type,match_type\n\xff,/x,keyword,end\n", "x" * 300 + ".csv", f"{'x' * 60}.csv:2"),
        (packed(("m/male/author_name.txt", b"tom\n")), "rules.zip", "rules/m/male/author_name.txt:1"),
    ],
)
def test_a_fault_is_told_with_the_senders_name_and_line(content, file_name, place):
    """Not with the place where it was kept for a moment."""
    with pytest.raises(BadInput) as caught:
        unwrap(content, file_name, name="x")
    assert caught.value.where == place


def test_places_of_rules_are_the_senders_too():
    """A finding on an imported rule leads to the line in the file."""
    content = b"content,label,rule_type,match_type\na,/x,keyword,end\nb,/x,keyword,nonsense\n"
    loaded = unwrap(content, "my.csv", name="x")
    assert [rule.place for rule in loaded.rule_set.rules] == ["my.csv:2", "my.csv:3"]
    assert [note.where for note in loaded.notes] == ["my.csv:3"]


@pytest.mark.parametrize("name", ["rules", "rules.txt", "rules.exe", "rules.json.gz", "", ".csv.", "a/b.xlsx"])
def test_an_unknown_ending_is_refused(name):
    with pytest.raises(BadFile, match="cannot be read from a file ending"):
        wrapping_of(name)


@pytest.mark.parametrize(
    "name", ["../male/author_name.txt", "/male/author_name.txt", "m/../../x/author_name.txt", "C:/m/x.txt", "m\\..\\..\\x.txt"]
)
def test_a_path_that_leads_out_of_a_zip_is_refused(tmp_path, monkeypatch, name):
    """Nothing is written anywhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BadFile, match="leads out of it"):
        unwrap(packed((name, b"tom\tend\n")), "rules.zip", name="x")
    assert list(tmp_path.iterdir()) == []


def test_a_zip_that_would_fill_the_disk_is_refused_before_it_is_unpacked():
    """A few kilobytes that become many megabytes, and very many files."""
    with pytest.raises(TooLarge):
        unwrap(packed(("m/x/a.txt", b"a" * (65 << 20))), "bomb.zip", name="x")
    with pytest.raises(TooLarge):
        unwrap(packed(*((f"m/{number}/a.txt", b"") for number in range(20_001))), "many.zip", name="x")


def test_a_zip_that_lies_about_sizes_is_refused():
    """The directory says ten bytes, the file holds more."""
    content = bytearray(packed(("m/x/a.txt", b"a\tend\n" * 10_000)))
    real = len(b"a\tend\n" * 10_000).to_bytes(4, "little")
    lie = content.replace(real, (10).to_bytes(4, "little"))
    assert lie != content
    with pytest.raises(BadFile):
        unwrap(bytes(lie), "lie.zip", name="x")


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04" + b"\0" * 50, b"not a zip", packed(), packed(("readme.md", b"x"))]
)
def test_what_is_no_zip_of_rules_is_refused(content):
    with pytest.raises(BadFile):
        unwrap(content, "rules.zip", name="x")
