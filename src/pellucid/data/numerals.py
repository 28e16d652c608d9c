"""Numbers as people write them: thousands, decimal commas, currencies, per cent."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from pellucid.data.table import arrow_functions

MARKERS = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "?", "-", "--", "—", "–", "."})
"""Cells that count as missing among numbers and dates, in lower case."""
MARKERS_OF_TEXT = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "?"})
"""Cells that count as missing among other texts, where "none" or "-" may be a category."""

CODE = r"^[+-]?(0[0-9]+|[0-9]{16,})$"
"""Digits that name something, or are more than a number keeps."""
WITH_CURRENCY = "with a currency"
_CURRENCY = r"[$€£¥₹₽₩₺₫฿]|USD|EUR|GBP|CHF|JPY|Fr\.|kr\.?|zł|R\$"
_AROUND = re.compile(
    rf"^(?P<minus>\(|[+-])?\s*(?:{_CURRENCY})?\s*(?P<sign>[+-])?(?P<body>[^%)]*?)\s*(?:{_CURRENCY})?(?P<percent>\s*%)?(?P<close>\))?$"
)
_BLANKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "−": "-"})
_PLAIN = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_GROUPED = {
    ".": re.compile(r"[1-9]\d{0,2}((,\d{3})+|( \d{3})+|('\d{3})+)(\.\d+)?"),
    ",": re.compile(r"[1-9]\d{0,2}((\.\d{3})+|( \d{3})+|('\d{3})+)(,\d+)?"),
}
_COMMA = re.compile(r"(\d+,?\d*|,\d+)([eE][+-]?\d+)?")
_EITHER = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
"""One separator before three digits: thousands to some, decimals to others."""
SEEN, LONGEST = 1000, 100
"""Most distinct texts that are looked at for the decimal separator, and most characters of a number."""


class Numerals(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: the decimal separator.
        words: what is particular about them; empty where they are plain.
    """

    decimal: str = "."
    words: str = ""


def number_of(text: str) -> float | None:
    """Parse a plain number; None if it is none.

    Example:
        >>> number_of("1e3"), number_of("12 cm"), number_of("1_000")
        (1000.0, None, None)
    """
    try:
        return None if "_" in text else float(text)  # float allows 1_000, no other program does
    except ValueError:
        return None


def is_written_number(text: str) -> bool:
    """True for a number in any way of writing.

    Example:
        >>> is_written_number("1.163,74 €"), is_written_number("12;5")
        (True, False)
    """
    return _body(text.strip()) is not None


def is_code(text: str) -> bool:
    """True for digits that name something: 007, or more digits than a number keeps.

    Example:
        >>> is_code("007"), is_code("0.5"), is_code("12345678901234567")
        (True, False, True)
    """
    return re.match(CODE, text) is not None


def decimal_of(columns: Iterable[Sequence[str]], delimiter: str = ",") -> str | None:
    """The decimal separator that the columns of a table use, as far as they show it.

    Args:
        columns: their texts.
        delimiter: between the cells, which decides where all else leaves it open: a file separated by semicolons
            was likely written where the decimal separator is a comma.

    Example:
        >>> decimal_of([["1.234,5", "7"]]), decimal_of([["1,234.5"]]), decimal_of([["12", "x"]])
        (',', '.', None)
    """
    votes = {".": 0, ",": 0}
    either = False
    for column in columns:
        present = (text for text in dict.fromkeys(column) if text.lower() not in MARKERS)
        bodies = [_body(text) for text in islice(present, SEEN)]
        written = [body for body in bodies if body is not None]
        if not bodies or len(written) < 0.9 * len(bodies):
            continue
        clear = [body for body in written if not _EITHER.fullmatch(body)]
        either |= any("," in body for body in written if _EITHER.fullmatch(body))
        commas = sum("," in body and not _GROUPED["."].fullmatch(body) for body in clear)
        points = sum("." in body and not _GROUPED[","].fullmatch(body) for body in clear)
        commas += sum(body.count(".") > 1 for body in clear)
        points += sum(body.count(",") > 1 for body in clear)
        if bool(commas) != bool(points):
            votes["," if commas else "."] += 1
    if votes[","] != votes["."]:
        return max(votes, key=lambda separator: votes[separator])
    return "," if either and delimiter == ";" and not votes["."] else None


def parse_numbers(values: Sequence[str], decimal: str | None = None) -> tuple[np.ndarray, Numerals]:
    """Parse the distinct texts of a column as numbers.

    Args:
        values: the texts; markers of missing values are NaN.
        decimal: the decimal separator of the table, where it is known.

    Returns:
        The numbers, NaN for what is none, and how they are written.

    Example:
        >>> parse_numbers(["$1,163.74", "4,300"])
        (array([1163.74, 4300.  ]), Numerals(decimal='.', words='with a currency, thousands separated by ","'))
        >>> parse_numbers(["12%", "3,5%"])
        (array([12. ,  3.5]), Numerals(decimal=',', words='in per cent, with decimal commas'))
    """
    decimal = decimal_of([values]) or decimal or "."
    numbers, words = _plain_numbers(values, decimal)
    percents = 0
    for i in np.flatnonzero(np.isnan(numbers)).tolist():
        text = values[i]
        around = None if is_code(text) or text.lower() in MARKERS else _around(text)
        value = None if around is None else _value(around["body"], decimal, words)
        if around is None or value is None:
            continue
        bare = re.sub(r"[()%\s\d.,'+-]|[eE]", "", text.translate(_BLANKS))
        if bare:
            words[WITH_CURRENCY] = None
        percents += around["percent"] is not None
        numbers[i] = -value if "-" in (around["minus"], around["sign"]) or around["minus"] == "(" else value
    written = int(np.isfinite(numbers).sum())
    if percents not in (0, written):  # 12% beside 0.12: which of them is meant is not said
        numbers[[i for i, text in enumerate(values) if "%" not in text]] = np.nan
    if percents:
        words = {"in per cent": None, **words}
    if decimal == "," and any("," in text for text in values):
        words["with decimal commas"] = None
    return numbers, Numerals(decimal, ", ".join(words))


def _plain_numbers(values: Sequence[str], decimal: str) -> tuple[np.ndarray, dict[str, None]]:
    """The numbers written in the usual ways, all at once; NaN for other texts."""
    import pyarrow as pa

    compute = arrow_functions()
    written = pa.array(values, pa.string())
    texts = compute.replace_substring_regex(written, rf"^({_CURRENCY})\s*|\s*({_CURRENCY})$", "")
    other = "," if decimal == "." else "."
    grouped = compute.match_substring_regex(texts, rf"^[+-]?[1-9]\d{{0,2}}([{other}]\d{{3}})+([{decimal}]\d+)?$")
    plain = compute.match_substring_regex(texts, rf"^[+-]?(\d+[{decimal}]?\d*|[{decimal}]\d+)([eE][+-]?\d+)?$")
    usual = compute.and_not(compute.or_(plain, grouped), compute.match_substring_regex(written, CODE))
    digits = compute.if_else(grouped, compute.replace_substring(texts, other, ""), texts)
    digits = compute.if_else(usual, compute.replace_substring(digits, ",", "."), None)
    numbers = np.array(compute.cast(digits, pa.float64()).to_numpy(zero_copy_only=False))
    marks = {
        WITH_CURRENCY: compute.and_(usual, compute.not_equal(texts, written)),
        f'thousands separated by "{other}"': grouped,
    }
    return numbers, {words: None for words, where in marks.items() if compute.any(where).as_py()}


def _around(text: str) -> re.Match[str] | None:
    match = _AROUND.match(text.translate(_BLANKS)) if len(text) <= LONGEST else None
    return match if match and (match["minus"] == "(") == (match["close"] is not None) else None


def _body(text: str) -> str | None:
    """The digits and separators of what may be a number; None for other texts."""
    around = _around(text)
    if around is None or not re.fullmatch(r"[\d.,' ]*\d[\d.,' ]*([eE][+-]?\d+)?", around["body"]):
        return None
    return around["body"]


def _value(body: str, decimal: str, words: dict[str, None]) -> float | None:
    plain = _PLAIN if decimal == "." else _COMMA
    if plain.fullmatch(body):
        return float(body.replace(",", "."))
    grouped = _GROUPED[decimal].fullmatch(body)
    if grouped is None:
        return None
    separator = next(mark for mark in ",. '" if mark in body and mark != decimal)
    words[f'thousands separated by "{separator}"'] = None
    return float(body.replace(separator, "").replace(",", "."))
