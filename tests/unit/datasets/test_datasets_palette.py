"""Colours and keys of labels: kept where given, chosen where not, never twice."""

from __future__ import annotations

import pytest

from labelmill.datasets.model import COLOURS, SHORTCUTS, Label, NewLabel
from labelmill.datasets.palette import checked_colour, checked_shortcut, choose
from labelmill.errors import BadInput, Conflict


def names(*given: str) -> list[NewLabel]:
    return [NewLabel(name=name) for name in given]


def test_what_is_not_given_is_chosen_in_turn():
    found = choose([], names("a", "b", "c"))
    assert [each["colour"] for each in found] == list(COLOURS[:3])
    assert [each["shortcut"] for each in found] == ["1", "2", "3"]


def test_ignored_stands_apart():
    assert choose([], names("a", "ignored"))[1] == {"colour": "#757575", "shortcut": "i"}


def test_what_is_chosen_keeps_out_of_the_way_of_what_is_given_later():
    given = NewLabel(name="b", colour=COLOURS[0].upper(), shortcut="1")
    found = choose([], [NewLabel(name="a"), given])
    assert found == [{"colour": COLOURS[1], "shortcut": "2"}, {"colour": COLOURS[0], "shortcut": "1"}]


def test_what_is_there_is_not_chosen_again():
    there = Label(id=1, name="x", place=0, colour=COLOURS[0], shortcut="1")
    assert choose([there], names("a")) == [{"colour": COLOURS[1], "shortcut": "2"}]


def test_a_thousand_labels_have_a_thousand_colours_and_as_many_keys_as_there_are():
    found = choose([], names(*(f"label {number}" for number in range(1000)), "ignored"))
    assert len({each["colour"] for each in found}) == 1001
    keys = [each["shortcut"] for each in found if each["shortcut"]]
    assert len(keys) == len(set(keys)) == len(SHORTCUTS) + 1


@pytest.mark.parametrize(
    "text", ["red", "#12345", "#1234567", "#12345g", "url(#123456)", "", "#\uff11\uff12\uff13\uff14\uff15\uff16"]
)
def test_no_other_text_is_a_colour(text: str):
    with pytest.raises(BadInput, match="no colour"):
        checked_colour(text, [])


@pytest.mark.parametrize("text", ["ab", " ", "\t", "\u200b", "\u202e", ""])
def test_no_other_text_is_a_key(text: str):
    with pytest.raises(BadInput, match="no key"):
        checked_shortcut(text, [])


def test_the_same_twice_is_refused_with_a_way_out():
    with pytest.raises(Conflict, match=r"has the colour #0072b2.*leave it out"):
        choose([], [NewLabel(name="a", colour="#0072b2"), NewLabel(name="b", colour="#0072B2")])
    with pytest.raises(Conflict, match="has the key 'x'"):
        checked_shortcut("X", ["x"])


def test_a_label_that_is_a_digit_gets_its_key():
    new = [NewLabel(name=str(number)) for number in range(10)] + [NewLabel(name="none")]
    keys = [chosen["shortcut"] for chosen in choose([], new)]
    assert keys[:10] == [str(number) for number in range(10)]
    assert keys[10] not in keys[:10]


def test_a_key_that_is_given_or_taken_goes_before_a_name():
    assert [each["shortcut"] for each in choose([], [NewLabel(name="1"), NewLabel(name="x", shortcut="1")])] == ["2", "1"]
