"""A document in its four forms: text is escaped, nothing is fetched, nothing is lost."""

import re

import numpy as np
import pytest

from pellucid.core.formula import Formula
from pellucid.report import html, latex, markdown, terminal
from pellucid.report.chart import LineChart, Series
from pellucid.report.document import (
    Bullets,
    Code,
    Columns,
    Details,
    Document,
    Figure,
    Formulas,
    Image,
    Link,
    Listing,
    Meter,
    Note,
    Numbers,
    Paragraph,
    Picture,
    Section,
    Strong,
    Table,
    facts,
    number,
)

NASTY = "<script>alert('&')</script>"
SEEN = ["title", "verdict", "0.967", "rate", "first", "held out", "−1,234", "a note", "folded", "12%", "caption"]


def document():
    chart = LineChart("loss", [Series("training", np.arange(5), np.arange(5.0))], "epoch")
    return Document(
        "title",
        Note("good", "verdict"),
        Section(
            "Result",
            Paragraph("with ", Code("rate"), " and ", Strong(0.967), Link("more", "page.html"), Meter(0.12)),
            Bullets(["first", "second"]),
            Formulas(Formula("z = x @ W")),
            Table(("part", "number"), [("held out", -1234), ("other", 0.5)], "caption"),
            Note("problem", "text", title="a note"),
            Columns(Figure(chart, "of a chart"), Picture(np.eye(4), "a picture")),
            Details("folded", "inside", Numbers("all", np.eye(3)), Listing("x = 1")),
            Image("picture.svg", "an image"),
        ),
        Section("empty", None),
    )


FORMS = {
    "page": html.page,
    "fragment": html.fragment,
    "terminal": terminal.text,
    "markdown": markdown.text,
    "latex": latex.text,
}
FORMULA = {"page": "<math", "fragment": "<math", "terminal": "z = x·W", "markdown": "$$ z", "latex": r"\begin{align*}"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_everything(form):
    text = FORMS[form](document())
    assert FORMULA[form] in text
    for words in SEEN:
        assert words in text.replace("$-$", "−").replace(r"\%", "%"), words
    assert "empty" not in text


def test_text_is_escaped_wherever_it_enters():
    blocks = [NASTY, Paragraph(NASTY, Code(NASTY), Link(NASTY, f'"{NASTY}')), Table((NASTY,), [(NASTY,)], NASTY)]
    blocks += [
        Section(NASTY, Details(NASTY, Listing(NASTY))),
        Note("note", NASTY, title=NASTY),
        facts([(NASTY, NASTY)]),
    ]
    text = html.page(Document(NASTY, *blocks))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 17
    assert latex.escape("5 % of a_b & {c}") == r"5 \% of a\_b \& \{c\}"
    assert r"a \| b" in markdown.text(Document("", Table(("x",), [("a | b",)])))


def test_a_page_links_to_its_sections_and_fetches_nothing():
    titles = ["Weights, layer by layer", "Data", "Curves", "Network"]
    text = html.page(Document("run", *(Section(title, "text") for title in titles)))
    for title in titles:
        assert f'href="#{html.anchor(title)}"' in text
        assert f'id="{html.anchor(title)}"' in text
    assert not re.search(r"(src|href)=\"http|<script", text)


@pytest.mark.parametrize("width", [30, 60, 200])
def test_a_terminal_never_breaks_a_number(width):
    values = [1 / (3 + i) for i in range(12)]
    table = Table(["layer", *(f"column {i}" for i in range(12))], [("a layer of a long name", *values)])
    text = terminal.text(Document("", table), width)
    assert all(number(value) in text for value in values)
    assert max(map(len, text.splitlines())) <= width


def test_sections_of_which_a_form_shows_nothing_are_left_out():
    only_html = Document("run", Section("Pictures", Picture(np.eye(4), "eye"), Numbers("x", np.eye(2))))
    assert "Pictures" in html.page(only_html)
    for form in (markdown.text, latex.text, terminal.text):
        assert "Pictures" not in form(only_html)


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([0.04476, 0.98333], ["0.0448", "0.9833"]),
        ([6969.8562, 0.1118], ["6,970", "0.1118"]),
        ([0.0002, 0.5], ["0.0002", "0.5000"]),
    ],
)
def test_numbers_of_a_column_are_written_alike(numbers, written):
    table = Table(("", "number"), [("row", number) for number in numbers])
    assert [row[1] for row in table.written] == written
