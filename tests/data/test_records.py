"""Rows of plain values: encoded one by one as in a table; a row means the same in whatever company it comes."""

import numpy as np
import pytest

from pellucid.core.errors import DataError
from pellucid.data import load_table
from pellucid.data.records import MOST, PlainRows

ROWS = [
    {
        "age": 20 + i % 50,
        "dose": 0.25 * (i % 9),
        "code": ["DE", "FR", "NA"][i % 3],
        "city": [None, "Rome", "Paris"][i % 3],
        "ill": ["no", "yes"][i % 2],
    }
    for i in range(120)
]
DATA = load_table(ROWS, "ill")
ENCODER = DATA.encoder
ROW = {"age": 40, "dose": 0.5, "code": "DE", "city": "Rome"}


def in_a_table(rows, unknown=False):
    """The inputs of rows by columns, or the error."""
    try:
        return ENCODER.encode_flagged(ENCODER.read(rows), unknown)
    except DataError as error:
        return str(error)


def as_they_come(rows, unknown=False):
    try:
        return ENCODER.encode_flagged(rows, unknown)
    except DataError as error:
        return str(error)


VALUES = {
    "a float": ("dose", 1 / 3),
    "a whole number": ("age", 2**53),
    "a negative number": ("dose", -0.1),
    "the largest number of float32": ("dose", float(np.finfo(np.float32).max)),
    "a number beyond float32": ("dose", 1e39),
    "more digits than a number keeps": ("age", 2**53 + 1),
    "a number of 400 digits": ("age", 10**400),
    "infinity": ("dose", float("inf")),
    "NaN": ("dose", float("nan")),
    "nothing": ("dose", None),
    "a number as text": ("age", "41"),
    "a text": ("age", "forty"),
    "true": ("age", True),
    "a NumPy number": ("dose", np.float32(0.1)),
    "another category": ("city", "Paris"),
    "an unknown category": ("city", "Oslo"),
    "blanks around a category": ("city", " Rome "),
    "no category": ("city", None),
    "a marker of nothing": ("city", "n/a"),
    "a code like a marker": ("code", "NA"),
    "a number as category": ("city", 3),
    "a list": ("city", ["Rome"]),
    "a further column": ("ill", "yes"),
    "a column written with a blank": (" age", 41),
}


@pytest.mark.parametrize(("column", "value"), VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("unknown", [False, True])
def test_a_row_is_encoded_as_in_a_table(column, value, unknown):
    rows = [ROW | {column: value}]
    ours, table = as_they_come(rows, unknown), in_a_table(rows, unknown)
    if isinstance(table, str):
        assert ours == table
    else:
        for one, other in zip(ours, table, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


def test_plain_rows_do_without_a_table():
    plain = PlainRows.of(ENCODER.spans(), ENCODER.na)
    for count in (1, MOST):
        rows = [ROW | {"age": 20 + i} for i in range(count)]
        np.testing.assert_array_equal(plain.encode(rows), in_a_table(rows)[0], strict=True)
    np.testing.assert_array_equal(plain.encode(ROW), plain.encode([ROW]))
    short = {name: value for name, value in ROW.items() if name != "dose"}
    for other in ([ROW] * (MOST + 1), [], [ROW, short], (ROW,), np.zeros((1, 4)), "new.csv", [[1, 2, 3, 4]]):
        assert plain.encode(other) is None


@pytest.mark.parametrize("date", ["03/04/2024", "31/01/2024"])
def test_dates_are_read_as_in_the_training(date):
    """Day or month first: the days 13 to 31 of the training say so, whatever rows come together later."""
    rows = [{"day": f"{i % 28 + 1:02}/{i // 28 + 1:02}/2024", "y": float(i % 28)} for i in range(100)]
    encoder = load_table(rows, "y").encoder
    together = encoder.encode([{"day": date}, {"day": "25/12/2024"}])[0]
    np.testing.assert_array_equal(encoder.encode([{"day": date}])[0], together)
    with pytest.raises(DataError, match="'01/31/2024' at row 0, where a date is needed"):
        encoder.encode([{"day": "01/31/2024"}])


def test_a_code_like_a_marker_is_one_in_whatever_company():
    alone = ENCODER.encode([ROW | {"code": "NA"}])[0]
    together = ENCODER.encode([ROW | {"code": "NA"}, ROW])[0]
    np.testing.assert_array_equal(alone, together)
    assert alone[ENCODER.features.index("code=NA")] == 1
