"""Guidelines are Markdown: formatted, and harmless whatever was typed."""

from __future__ import annotations

import pytest

from labelmill.http.markdown import markdown


def test_headings_lists_and_tables_are_formatted_below_the_headings_of_the_page() -> None:
    html = markdown("# Rules\n\n- *one*\n\n|a|b|\n|:-|-:|\n|1|2|\n")
    assert "<h3>Rules</h3>" in html
    assert "<em>one</em>" in html
    assert "<td>1</td>" in html


@pytest.mark.parametrize(
    ("typed", "never"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("[x](javascript:alert(1))", "href"),
        ("[x](data:text/html;base64,AAAA)", "href"),
        ("![x](https://elsewhere.example/pixel.png)", "<img"),
        ('<img src=x onerror="alert(1)">', "<img"),
        ("|a|\n|:-|\n|1|\n", "style"),
    ],
)
def test_what_could_do_harm_is_shown_as_text(typed: str, never: str) -> None:
    assert never not in markdown(typed)


def test_a_link_to_the_web_stays() -> None:
    assert '<a href="https://example.org">x</a>' in markdown("[x](https://example.org)")
