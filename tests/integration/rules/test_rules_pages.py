"""The pages on rules as a browser without scripts meets them: forms, and whole pages as answers."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from labelmill.accounts import Role
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, pack, service

BASE = RuleSet(
    "base",
    (Label("/male", "gender"), Label("/female", "gender")),
    (
        Rule("/male", Kind.KEYWORD, Match.PARTIALLY, "tom"),
        Rule("/female", Kind.KEYWORD, Match.PARTIALLY, 'amy "🌸" <b>'),
        Rule("/female", Kind.REGEX, None, "^(mrs|ms)\\b"),
    ),
)


@pytest.fixture
def stored(shared_site, name):
    shared_site.app.database.transact(service.save, name, pack(BASE), note="begun")
    return name


def fields_of(page: str) -> dict[str, Any]:
    """Return what a browser would send with the rules' form as the page has it."""
    form = page[page.index('<form method="post" action="/rules') :]
    form = form[form.index("data-rules") : form.index("</form>")]
    sent: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>|<select.*?</select>|<textarea.*?</textarea>", form, re.DOTALL):
        found = re.search(r'name="([^"]*)"', tag)
        ticked = "checkbox" not in tag or " checked" in tag
        if found and ticked:
            value = re.search(r'<option value="([^"]*)" selected' if tag.startswith("<select") else r'value="([^"]*)"', tag)
            text = re.search(r">\n?(.*)</textarea>", tag, re.DOTALL)
            sent.setdefault(found[1], []).append(html.unescape((text or value)[1] if (text or value) else ""))
    return sent


def part(page: str, name: str) -> str:
    """Return the text of a part that a script would put in, without its tags."""
    inside = page.partition(f'id="{name}" data-live')[2]
    inside = (
        re.split(r"</section>|</td>|</ul>|<div class=\"fields\">", inside)[0]
        if name.startswith(("found", "hits"))
        else inside.partition("</section>")[0]
    )
    return plain(inside.partition(">")[2])


def plain(page: str) -> str:
    """Return the words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def latest(site, name):
    with site.app.database.read() as connection:
        return service.get_rule_set(connection, name)


def test_an_untouched_form_saves_nothing(shared_site, stored):
    """What the page shows is what is stored: quotes, tags, emoji and all."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text) | {"action": "save"}
    answer = shared_site.form(f"/rules/{stored}", sent)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/rules/{stored}")
    assert latest(shared_site, stored).version == 1


def test_a_change_is_shown_before_it_is_saved(shared_site, stored):
    """The button Check shows findings, changes and what the rules do, and keeps every letter that was typed."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text)
    sent["content"][0] = "tom "
    sent["remove"] = ["b2"]
    sent |= {
        "text": "Tom amy",
        "source": "posts.csv",
        "text_column": "author",
        "gold_column": "label",
        "lines": "bob\tend\t/x\namy\tend\t/female",
        "action": "preview",
    }
    page = shared_site.form(f"/rules/{stored}", sent).text
    assert "Blank at an end" in part(page, "found-b0")
    assert part(page, "hits-b0") == "1 1 overlap 1 in conflict"
    assert "added · rule /x end:bob" in part(page, "live-changes")
    assert "added · label /x" in part(page, "live-changes")
    assert "removed · rule /female regex:^(mrs|ms)\\b" in part(page, "live-changes")
    assert "gender tie: no label /male 1 , /female 1" in part(page, "live-try")
    assert "Mister Tom" not in part(page, "live-sample")
    assert "<mark>Tom </mark><mark>Amy</mark>" in page
    again = fields_of(page)
    assert (again["content"][0], again["remove"], again["lines"], again["text"]) == (
        "tom ",
        ["b2"],
        ["bob\tend\t/x\namy\tend\t/female"],
        ["Tom amy"],
    )
    assert latest(shared_site, stored).version == 1


def test_what_was_changed_is_saved_as_the_next_version(shared_site, stored):
    """With its note; the page says so."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text)
    sent["content"][0], sent["type"][0] = "thomas", "start"
    answer = shared_site.form(f"/rules/{stored}", sent | {"note": "whole name", "action": "save"})
    assert answer.headers["location"] == f"/rules/{stored}?saved=2"
    assert "Saved as version 2." in shared_site.page(f"/rules/{stored}?saved=2").text
    saved = latest(shared_site, stored)
    assert saved.rule_set.rules == (Rule("/male", Kind.KEYWORD, Match.START, "thomas"), *BASE.rules[1:])
    assert saved.note == "whole name"
    assert saved.created_by == shared_site.person(Role.ADMIN)


def test_rules_that_cannot_be_used_are_not_saved(shared_site, stored):
    """The reason stands beside the rule, and what was typed is still there."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text)
    sent["content"][2] = "(?=x)"
    page = shared_site.form(f"/rules/{stored}", sent | {"action": "save"}).text
    assert "Not saved: there are rules that cannot be used." in page
    assert "The engine does not take this pattern" in part(page, "found-b2")
    assert fields_of(page)["content"][2] == "(?=x)"
    assert latest(shared_site, stored).version == 1


def test_a_mistake_in_a_line_is_told_with_what_was_typed(shared_site, stored):
    """A rule without label: nothing is lost, nothing is saved."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text)
    sent["content"][3] = "new one"
    answer = shared_site.form(f"/rules/{stored}", sent | {"action": "save"})
    assert answer.status_code == 422
    assert "new rule 1: The rule has no label." in html.unescape(answer.text)
    assert fields_of(answer.text)["content"][3] == "new one"


def test_somebody_elses_save_is_not_overwritten_unasked(shared_site, stored):
    """The page says which version is there; a tick saves upon it."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text) | {"action": "save"}
    sent["content"][0] = "thomas"
    shared_site.app.database.transact(service.save, stored, pack(RuleSet("x", BASE.labels, BASE.rules[:1])))
    answer = shared_site.form(f"/rules/{stored}", sent)
    assert answer.status_code == 409
    assert "is at version 2, not 1" in answer.text
    assert f'href="/rules/{stored}/versions/2"' in answer.text
    assert fields_of(answer.text)["content"][0] == "thomas"
    assert shared_site.form(f"/rules/{stored}", sent | {"over": "2"}).headers["location"] == f"/rules/{stored}?saved=3"
    assert len(latest(shared_site, stored).rule_set.rules) == 3


def test_a_new_rule_set_is_made_without_a_script(shared_site, name):
    """Three blank lines are enough to begin; a taken name is told."""
    sent = fields_of(shared_site.page("/rules/new").text) | {"name": name, "action": "save"}
    sent["label"][0], sent["type"][0], sent["content"][0] = "/a", "end", "x"
    assert shared_site.form("/rules/new", sent).headers["location"] == f"/rules/{name}?saved=1"
    assert latest(shared_site, name).rule_set.rules == (Rule("/a", Kind.KEYWORD, Match.END, "x"),)
    answer = shared_site.form("/rules/new", sent)
    assert answer.status_code == 409
    assert "already" in answer.text
    assert shared_site.form("/rules/new", sent | {"name": "a/b"}).status_code == 422


def test_a_large_rule_set_is_shown_in_pages_and_searched(shared_site, name):
    """A page's edits leave the other pages' rules alone."""
    rules = tuple(Rule("/male", Kind.KEYWORD, Match.END, f"word {number}") for number in range(450))
    shared_site.app.database.transact(service.save, name, pack(RuleSet("x", BASE.labels, rules)))
    page = shared_site.page(f"/rules/{name}?page=3").text
    assert "Page 3 of 3" in page
    sent = fields_of(page)
    assert sent["content"] == [*(f"word {number}" for number in range(400, 450)), "", "", ""]
    sent["content"][0] = "changed"
    shared_site.form(f"/rules/{name}", sent | {"action": "save"})
    contents = [rule.content for rule in latest(shared_site, name).rule_set.rules]
    assert contents == [
        *(f"word {number}" for number in range(400)),
        "changed",
        *(f"word {number}" for number in range(401, 450)),
    ]
    assert fields_of(shared_site.page(f"/rules/{name}?q=WORD 44").text)["content"][:11] == [
        "word 44",
        *(f"word {number}" for number in range(440, 450)),
    ]
    assert "No rule holds this text." in shared_site.page(f"/rules/{name}?q=nothing").text


def test_versions_are_listed_compared_and_brought_back(shared_site, stored):
    """Going back is a new version; downloads stand beside it."""
    shared_site.app.database.transact(service.save, stored, pack(RuleSet("x", BASE.labels, BASE.rules[:1])), note="fewer")
    page = shared_site.page(f"/rules/{stored}/versions").text
    assert "fewer" in page
    assert f'href="/v1/rule-sets/{stored}/versions/2/file?form=zip"' in page
    assert "removed · rule /female regex" in plain(shared_site.page(f"/rules/{stored}/versions/2").text)
    answer = shared_site.form(f"/rules/{stored}/versions/1/restore", {})
    assert answer.headers["location"] == f"/rules/{stored}?saved=3"
    assert latest(shared_site, stored).rule_set.rules == BASE.rules


def test_a_removed_rule_set_can_be_restored(shared_site, stored):
    """It leaves the list and its page, and comes back whole."""
    assert f'href="/rules/{stored}"' in shared_site.page("/rules").text
    shared_site.form(f"/rules/{stored}/archive", {})
    assert f'href="/rules/{stored}"' not in shared_site.page("/rules").text
    assert shared_site.page(f"/rules/{stored}").status_code == 404
    assert stored in shared_site.page("/rules?archived=true").text
    assert "This rule set was removed." in shared_site.page(f"/rules/{stored}/versions").text
    shared_site.form(f"/rules/{stored}/restore", {})
    assert shared_site.page(f"/rules/{stored}").status_code == 200


def upload(site, name: str, content: bytes, file_name: str = "rules.csv"):
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **site.session(Role.MANAGER)}
    return site.ask("POST", "/rules/import", headers=headers, data={"name": name}, files={"file": (file_name, content)})


def test_a_file_is_imported_on_the_page(shared_site, name):
    """It leads to the rules, or tells notes, or the line at fault."""
    head = b"content,label,rule_type,match_type\n"
    assert upload(shared_site, name, head + b"tom,/male,keyword,end\n").headers["location"] == f"/rules/{name}"
    noted = upload(shared_site, name, head + b"tom,/male,keyword,nearly\n").text
    assert "stored as version 2" in noted
    assert "rules.csv:2" in noted
    refused = upload(shared_site, name, head + b"tom,/male,word,end\n")
    assert (refused.status_code, "rules.csv:2" in refused.text) == (422, True)
    assert latest(shared_site, name).version == 2


def test_the_sample_explains_itself_when_it_cannot_be_read(shared_site, stored):
    """A wrong source or column says what there is; the rest of the page lives on."""
    sent = fields_of(shared_site.page(f"/rules/{stored}").text) | {"action": "preview", "text": "tom"}
    page = shared_site.form(f"/rules/{stored}", sent | {"source": "posts.csv"}).text
    assert part(page, "live-sample") == "Its columns: id author label"
    page = shared_site.form(f"/rules/{stored}", sent | {"source": "posts.csv", "text_column": "nome"}).text
    assert "There is no column 'nome'. The columns are: id, author, label." in part(page, "live-sample")
    for source in ("../labelmill.db", "/etc/passwd", "sqlite:///x.db", "@nothing::t", "missing.csv"):
        page = shared_site.form(f"/rules/{stored}", sent | {"source": source, "text_column": "x"}).text
        assert "Error id" in part(page, "live-sample")
        assert str(shared_site.app.settings.data_dir) not in page
        assert "/male 1" in part(page, "live-try")


def test_who_may_not_see_rows_has_no_sample(shared_site, stored):
    """A viewer tries texts of their own."""
    sent = {"action": "preview", "base": "1", "text": "tom", "source": "posts.csv", "text_column": "author"}
    page = shared_site.form(f"/rules/{stored}", sent, Role.VIEWER).text
    assert "陳志明" not in page
    assert "/male 1" in part(page, "live-try")


@pytest.mark.parametrize(
    "path", ["/rules", "/rules/new", "/rules/{name}", "/rules/{name}/versions", "/rules/{name}/versions/1"]
)
def test_pages_speak_chinese_throughout(shared_site, stored, path):
    """Every text of the templates has its translation, with the same fields."""
    page = shared_site.page(path.format(name=stored), **{"Accept-Language": "zh-Hant"}).text
    assert "規則" in page
    words = re.findall(r">\s*([A-Z][a-z]+ [a-z ]+[.a-z])\s*<", page)
    assert words == []


def test_every_text_of_the_templates_is_translated():
    """Also those that few people meet; values keep their names."""
    from labelmill.web.rendering import TEMPLATES
    from labelmill.web.translation import catalogue

    known = catalogue("zh-Hant")
    texts = {
        text
        for path in (TEMPLATES / "rules").glob("*.html")
        for text in re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', path.read_text())
    }
    assert len(texts) > 100
    for text in texts:
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", known[text])), text


def test_hostile_text_stays_text(shared_site, name):
    """A rule, a label, a note and a tried text with tags in them run nothing."""
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    rule_set = RuleSet("x", (Label("/<b>"),), (Rule("/<b>", Kind.KEYWORD, Match.PARTIALLY, evil),))
    shared_site.app.database.transact(service.save, name, pack(rule_set), note=evil)
    sent = fields_of(shared_site.page(f"/rules/{name}").text) | {"action": "preview", "text": f"x {evil} y"}
    pages = [shared_site.form(f"/rules/{name}", sent).text]
    pages += [
        shared_site.page(path).text
        for path in ("/rules", f"/rules/{name}", f"/rules/{name}/versions", f"/rules/{name}/versions/1")
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "<b>" not in page
