"""Tables whose true values are known, written in the many ways that people write them."""

import csv
import io
import math
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

WORDS = [
    "Rome",
    "São Paulo",
    "Zürich",
    "a,b",
    "x;y;z",
    'say "hi"',
    "it's",
    "two\nlines",
    "p|q",
    "tab\there",
    "No. 5",
    "x",
]
UNICODE = ["Gro\u0308ße", "Größe", "日本", "🙂 ok", "naïve\u2028text", "Ω", "next\x85line", "x"]
NAMES = [
    "age",
    "price",
    "Größe",
    "Gro\u0308ße 2",
    "post code",
    "a,b",
    "x;y",
    'the "b"',
    "rate (%)",
    "Year",
    "two\nlines",
]
CODES = ["007", "7", "010", "0123", "00"]
DATES = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d %b %Y"]
MARKERS = ["", "NA", "n/a", "NaN", "null", "?"]
MARKERS_OF_NUMBERS = [*MARKERS, "-", "None", "—", " "]
KINDS = ["whole", "decimal", "thousands", "money", "percent", "exponent", "words", "codes", "booleans", "dates"]


def laws(examples):
    """Settings of a property: so many examples, the same ones each time."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


@dataclass
class Written:
    """A column: its true values, None where missing, and its cells."""

    name: str
    kind: str
    values: list
    cells: list[str]


@dataclass
class File:
    """A file of separated values and what it holds."""

    columns: list[Written]
    text: str
    lines: list[int]
    encoding: str
    options: dict = field(default_factory=dict)
    style: dict = field(default_factory=dict)
    preamble: int = 0

    @property
    def content(self):
        return self.text.encode(self.encoding)


def number_of(kind, first, chance):
    """A true value; the first of a column shows how its numbers are written."""
    if kind == "whole":
        return chance.randint(-999, 999_999)
    if kind == "decimal":
        return round(chance.uniform(-50, 5000), chance.choice([1, 2, 4])) + 0.5 * first
    if kind == "exponent":
        return float(f"{chance.uniform(1, 9) * 10.0 ** chance.randint(-20, 20):.6e}")
    if kind == "percent":
        return round(chance.uniform(0, 100), 1)
    large = first or chance.random() < 0.5
    return round(chance.uniform(1000, 9_999_999) if large else chance.uniform(0, 900), 2)


def number_as_text(kind, value, decimal, group):
    """A number as people write it."""
    if kind in ("thousands", "money"):
        whole, hundredths = f"{value:,.2f}".split(".")
        text = whole.replace(",", group) + decimal + hundredths
    else:
        text = (f"{value:.6e}" if kind == "exponent" else str(value)).replace(".", decimal)
    if kind == "money":
        return f"${text}" if decimal == "." else f"{text} €"
    return text + "%" if kind == "percent" else text


def numbers_of(kind, rows, decimal, group, chance):
    """True values and cells of a column of numbers."""
    values = [number_of(kind, row == 0, chance) for row in range(rows)]
    return values, [number_as_text(kind, value, decimal, group) for value in values]


def texts_of(kind, rows, chance, pool):
    choice = {"codes": CODES, "booleans": chance.choice([["true", "false"], ["True", "False"], ["yes", "no"]])}
    options = choice.get(kind, pool)
    texts = [chance.choice(options) for _ in range(rows)]
    texts[0] = options[0]
    return texts, list(texts)


def dates_of(rows, form, chance):
    days = [
        datetime(2019, 1, 31) + timedelta(days=chance.randint(0, 2000), minutes=60 * chance.randint(0, 23))
        for _ in range(rows)
    ]
    days[0] = datetime(2021, 3, 28, 13, 0)
    cells = [day.strftime(form) for day in days]
    return [np.datetime64(datetime.strptime(cell, form), "s") for cell in cells], cells


def column_of(name, kind, rows, style, chance):
    if kind == "dates":
        values, cells = dates_of(rows, style["date"], chance)
    elif kind in ("words", "codes", "booleans"):
        values, cells = texts_of(kind, rows, chance, style["pool"])
    else:
        values, cells = numbers_of(kind, rows, style["decimal"], style["group"], chance)
    return Written(name, kind, values, cells)


def with_gaps(column, chance, markers):
    for row in range(1, len(column.values)):
        if chance.random() < 0.2:
            column.values[row], column.cells[row] = None, chance.choice(markers)


@st.composite
def files(draw, kinds=KINDS, rows=(2, 40), gaps=True):
    """A file of separated values in any layout, with so many rows."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = draw(st.sampled_from([".", ","]))
    groups = ["'", " ", "." if decimal == "," else ","]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=6))
    single = encoding in ("latin-1", "cp1252")
    pool = WORDS if single else chance.sample(WORDS + UNICODE, 8)
    style = {
        "decimal": decimal,
        "group": draw(st.sampled_from(groups)),
        "date": draw(st.sampled_from(DATES)),
        "pool": pool,
        "delimiter": delimiter,
    }
    names = chance.sample([name for name in NAMES if not single or name.isascii()], len(chosen))
    count = draw(st.integers(*rows))
    columns = [column_of(name, kind, count, style, chance) for name, kind in zip(names, chosen, strict=True)]
    options = {}
    if gaps:
        own = draw(st.sampled_from([None, None, ["-999", "missing"]]))
        for column in columns[1:]:
            usual = MARKERS if column.kind in ("words", "codes", "booleans") else MARKERS_OF_NUMBERS
            with_gaps(column, chance, ["", *own] if own else [m for m in usual if not single or m != "—"])
        if own:
            options["na"] = own
    header = draw(st.booleans()) or draw(st.booleans())
    if not header:
        options |= draw(st.sampled_from([{"header": False}, {"names": names}]))
    preamble = draw(st.sampled_from([[], [], ["# exported"], ["Sales of the year", ""]]))
    text, lines = written(columns, style, header, preamble, draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])), chance)
    if single and text.isascii():
        encoding = "utf-8"
    if encoding == "cp1252" and "€" not in text:
        encoding = "latin-1"
    if encoding == "latin-1" and "€" in text:
        encoding = "cp1252"
    return File(columns, text, lines, encoding, options, style, len(preamble))


def written(columns, style, header, preamble, end, chance):
    """The text of a file, and the line that each row begins in."""
    blanks = "  " if chance.random() < 0.2 else ""
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]) if end != "\r" else csv.QUOTE_ALL
    pieces, lines, line = [], [], 1

    def add(cells):
        nonlocal line
        if cells is None:
            text = end
        else:
            buffer = io.StringIO(newline="")
            csv.writer(buffer, delimiter=style["delimiter"], quoting=quoting, lineterminator=end).writerow(
                [cell + blanks for cell in cells]
            )
            text = buffer.getvalue()
        pieces.append(text)
        start, line = line, line + len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
        return start

    for text in preamble:
        pieces.append(text + end)
        line += 1
    if header:
        add([column.name for column in columns])
    for cells in zip(*(column.cells for column in columns), strict=True):
        if chance.random() < 0.05:
            add(None)
        lines.append(add(cells))
    text = "".join(pieces)
    return (text if chance.random() < 0.7 else text.removesuffix(end)), lines


def same(value, truth):
    """True where a value that was read is the true one."""
    if truth is None:
        return value is None or value != value
    if isinstance(truth, float | int):
        return math.isclose(value, truth, rel_tol=1e-12)
    return value == (truth.strip() if isinstance(truth, str) else truth)
