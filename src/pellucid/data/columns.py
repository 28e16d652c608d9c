"""The kind of each column, and the inputs that it becomes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from pellucid.core.errors import DataError, did_you_mean
from pellucid.core.interface import kind_option, on_command_line, option, switch
from pellucid.data.dates import calendar, features_of, parse_dates, parts_of
from pellucid.data.numerals import MARKERS, MARKERS_OF_TEXT, is_code, parse_numbers
from pellucid.data.table import Table, Texts, Values, missing_of

Kind: TypeAlias = Literal["number", "category", "date", "text", "identifier", "ignored"]
KINDS: tuple[str, ...] = get_args(Kind)

DECLARED = "as declared"
"""The reason of a kind that was given."""
MOST_CATEGORIES = 100
"""Most distinct texts of a category, unless each of them is in `ROWS_OF_CATEGORY` rows."""
ROWS_OF_CATEGORY = 10
MOST_COMMON_CATEGORIES = 1000
MOSTLY = 0.9
"""Fraction of numbers (or dates) in a column from which any other text is an error, not a category."""
MOST_WORDS = 1000
"""Most words of a text that become inputs: the most frequent ones."""
_ID = re.compile(r"(^|[\W_])(id|index|idx|key|uuid|guid|rows?|row_?names?|nr|no|number)$|^unnamed", re.IGNORECASE)
_ID_CASED = re.compile(r"[a-z]I[dD]$")


@dataclass(frozen=True)
class Column:
    """A column of a table: its kind, why, and the inputs that it becomes.

    Args:
        name: its name.
        kind: ``"number"`` becomes one input; ``"category"`` one input of 0 or 1 for each category; ``"date"`` calendar
            features; ``"text"`` one input of 0 or 1 for each of its most frequent words, or none; ``"identifier"`` and
            ``"ignored"`` none.
        reason: why it is of this kind, in words.
        categories: of a category; the words of a text; the calendar features of a date.
        decimal: the decimal separator of its numbers, where they are texts.
        fill: replaces a missing value; None refuses it.
        written: the way its dates are written, where they are texts.
    """

    name: str
    kind: Kind
    reason: str = ""
    categories: tuple[str, ...] = ()
    decimal: str | None = None
    fill: float | str | tuple[float, ...] | None = None
    written: str = ""

    @property
    def features(self) -> list[str]:
        """Names of the inputs: ``age``, or ``city=Paris``, ``city=Rome``."""
        if self.kind == "number":
            return [self.name]
        if self.kind == "date":
            return features_of(self.name, self.categories)
        mark = "=" if self.kind == "category" else " has "
        return [f"{self.name}{mark}{value}" for value in self.categories]

    def without_days(self) -> "Column":
        """The column without its number of days: one that the training never reached says nothing of the future."""
        if self.kind != "date":
            return self
        return replace(self, categories=tuple(part for part in self.categories if part != "days"))

    def parse(self, table: Table) -> Values:
        """The values of its column in a table, by its kind.

        Raises:
            DataError: a value of another kind; names its row.
        """
        values = _without_markers(table, self.name)
        if self.kind in ("number", "date"):
            return self._parsed(table, values)
        if not isinstance(values, Texts):
            return table.texts(self.name)
        return _texts(values, table.na, self.categories if self.kind == "category" else ())

    def _parsed(self, table: Table, values: Values) -> np.ndarray:
        number = self.kind == "number"
        if not isinstance(values, Texts):
            if (values.dtype.kind == "M") == number:
                row = int(np.argmax(~missing_of(values)))
                table.refuse(self.name, row, f"{values[row]}", f", where a {self.kind} is needed.")
            parsed = values
        else:
            decimal = table.decimal or self.decimal
            texts = values.values
            distinct = parse_numbers(texts, decimal)[0] if number else parse_dates(texts, self.written)[0]
            nothing = np.array([np.nan if number else "NaT"], distinct.dtype)
            parsed = np.concatenate([distinct, nothing])[values.codes]
            wrong = missing_of(parsed) & ~_is_marker(values, table.na)
            if wrong.any():
                row = int(wrong.argmax())
                advice = f", where a {self.kind} is needed. Correct it, or leave the cell empty if it is missing."
                table.refuse(self.name, row, f"the text {values.values[values.codes[row]]!r:.80}", advice)
        if number:
            beyond = np.abs(parsed) > np.finfo(np.float32).max
            if beyond.any():
                row = int(beyond.argmax())
                advice = "Correct the value, or leave the cell empty if it is missing."
                if np.isfinite(parsed[row]):
                    advice = "That is beyond float32: correct the value, or rescale the column."
                table.refuse(self.name, row, parsed[row], f". {advice}")
        return parsed

    def encode(self, table: Table, into: np.ndarray, unknown: bool = False) -> np.ndarray:
        """Write its inputs for the rows of a table, NaN where a value is missing.

        Args:
            table: the rows.
            into: float32 ``(rows, features)``.
            unknown: take a category that is not known as none of them, all its inputs 0, instead of refusing it.

        Returns:
            Mask of the rows whose category is not known.
        """
        values, none = self.parse(table), np.zeros(table.rows, bool)
        if self.kind == "number":
            into[:, 0] = values
        elif self.kind == "date":
            assert isinstance(values, np.ndarray)
            into[:] = calendar(values, self.categories)
        elif self.kind == "text":
            assert isinstance(values, Texts)
            into[:] = _words_of(values, self.categories)
        else:
            assert isinstance(values, Texts)
            index = {category: i for i, category in enumerate(self.categories)}
            numbers = np.array([*(index.get(value, -2) for value in values.values), -1])[values.codes]
            none = numbers == -2
            if none.any() and not unknown:
                row = int(none.argmax())
                value = values.values[values.codes[row]]
                table.refuse(
                    self.name,
                    row,
                    f"{value!r:.80}",
                    f", a category that the training did not see. Known: {', '.join(map(repr, self.categories[:20]))}."
                    f"{did_you_mean(value, self.categories)} To predict such rows all the same, flagged, say "
                    f"{switch('unknown')}.",
                )
            into[:] = 0
            rows = np.flatnonzero(numbers >= 0)
            into[rows, numbers[rows]] = 1
            into[numbers == -1] = np.nan
        return none


def _without_markers(table: Table, name: str) -> Values:
    values = table.columns[name]
    if not isinstance(values, Texts) or table.na is None:
        return values
    return values.missing_where(value for value in values.values if value.lower() in table.na)


def _is_marker(values: Texts, na: frozenset[str] | None) -> np.ndarray:
    markers = MARKERS if na is None else na
    return np.array([*(value.lower() in markers for value in values.values), True])[values.codes]


def _texts(values: Texts, na: frozenset[str] | None, categories: Sequence[str] = ()) -> Texts:
    """Texts with the usual markers as missing, unless they may be codes: NA beside DE and FR."""
    if na is not None:
        return values
    markers = {value for value in values.values if value.lower() in MARKERS_OF_TEXT}
    # A row means the same in whatever company it comes: known categories decide, not the other rows.
    others = categories or [value for value in values.values if value not in markers]
    if others and all(re.fullmatch("[A-Z]{2}", value) for value in others):
        markers.discard("NA")
    return values.missing_where(markers)


def _words_of(values: Texts, words: Sequence[str]) -> np.ndarray:
    from pellucid.data.text import Vocabulary

    return Vocabulary(tuple(words)).encode([*values.values, ""])[values.codes]


def with_words(column: Column, values: Texts) -> Column:
    """The column of texts with its most frequent words as inputs, each of at least two rows.

    Raises:
        DataError: no word is in two rows.
    """
    from pellucid.data.text import bag_of_words

    texts = [text for text in values.to_list() if text is not None]
    try:
        words = bag_of_words(texts, maximum_words=MOST_WORDS).words
    except DataError as error:
        raise DataError(
            f"no word of the texts in {column.name!r} is in two rows: no inputs can be made of them. Leave the column "
            f"out with {kind_option(column.name, 'ignored')}."
        ) from error
    return replace(column, categories=words, reason=f"{column.reason}; its {len(words)} most frequent words are inputs")


# ---- The kind of a column ----


def verbatim(kinds: Mapping[str, str]) -> list[str]:
    """The columns that are read as they are written, by their declared kinds: all but numbers and dates."""
    return [name for name, kind in kinds.items() if kind not in ("number", "date")]


def decide(table: Table, name: str, declared: str | None = None) -> Column:
    """Decide the kind of a column by its values, unless it is declared.

    Raises:
        DataError: an unknown kind, or values of which all but a few are numbers (or dates); names the row.
    """
    if declared is not None:
        return _declared(table, name, declared)
    values = _without_markers(table, name)
    if missing_of(values).all():
        return Column(name, "ignored", "no value in any row")
    if not isinstance(values, Texts):
        if values.dtype.kind == "M":
            return Column(name, "date", "times", parts_of(values))
        commas = table.decimal == "," and bool((values % 1 != 0)[np.isfinite(values)].any())
        reason = f"numbers{', with decimal commas' * commas}"
        return _of_numbers(name, values, Column(name, "number", reason, decimal=table.decimal))
    if any(map(is_code, values.values)) and all(value.isdecimal() for value in values.values):
        return _of_texts(table, name, values, f"digits as they are written, such as {_code(values)!r}")
    for column in (_numbers(table, name, values), _dates(table, name, values)):
        if column is not None:
            return column
    return _of_texts(table, name, _texts(values, table.na))


def _declared(table: Table, name: str, kind: str) -> Column:
    if kind not in KINDS:
        raise DataError(f"the kind of {name!r} must be one of {', '.join(KINDS)}. Received: {kind!r}.")
    reason = DECLARED
    if kind == "number":
        return Column(name, "number", reason, decimal=_numerals(table, name))
    if kind == "date":
        values = Column(name, "date").parse(table)
        assert isinstance(values, np.ndarray)
        return Column(name, "date", reason, parts_of(values), written=_written(table, name))
    column = Column(name, kind, reason)  # pyright: ignore[reportArgumentType]
    if kind in ("identifier", "ignored"):
        return column
    values = column.parse(table)
    assert isinstance(values, Texts)
    return with_words(column, values) if kind == "text" else _category(name, values, reason)


def _numerals(table: Table, name: str) -> str | None:
    values = table.columns[name]
    return parse_numbers(values.values, table.decimal)[1].decimal if isinstance(values, Texts) else table.decimal


def _written(table: Table, name: str) -> str:
    values = table.columns[name]
    return parse_dates(values.values)[1] if isinstance(values, Texts) else ""


def _code(values: Texts) -> str:
    return next(value for value in values.values if is_code(value))


def _numbers(table: Table, name: str, values: Texts) -> Column | None:
    if not _likely(values, lambda some: np.isfinite(parse_numbers(some, table.decimal)[0])):
        return None
    parsed, numerals = parse_numbers(values.values, table.decimal)
    marker = _is_marker(values, table.na)
    good = np.concatenate([np.isfinite(parsed), [True]])[values.codes] | marker
    if not _agree(table, name, values, good, marker, "number"):
        return None
    reason = "numbers" + (f", {numerals.words}" if numerals.words else "")
    column = Column(name, "number", reason, decimal=numerals.decimal)
    return _of_numbers(name, np.concatenate([parsed, [np.nan]])[values.codes], column)


def _dates(table: Table, name: str, values: Texts) -> Column | None:
    if not _likely(values, lambda some: ~np.isnat(parse_dates(some)[0])):
        return None
    parsed, words = parse_dates(values.values)
    marker = _is_marker(values, table.na)
    good = np.concatenate([~np.isnat(parsed), [True]])[values.codes] | marker
    if not _agree(table, name, values, good, marker, "date"):
        return None
    return Column(name, "date", f"dates, {words}", parts_of(parsed), written=words)


def _likely(values: Texts, good: Any) -> bool:
    some = [value for value in values.values if value.lower() not in MARKERS][:200]
    return bool(some) and np.mean(good(some)) > 0.4


def _agree(table: Table, name: str, values: Texts, good: np.ndarray, marker: np.ndarray, kind: Kind) -> bool:
    """True where all texts are of a kind; an error where all but a few are."""
    if good.all():
        return True
    count, present = int((good & ~marker).sum()), int((~marker).sum())
    if count < MOSTLY * present:
        return False
    row = int(np.argmin(good))
    value = values.values[values.codes[row]]
    others = {values.values[code] for code in values.codes[~good]}
    shown = sorted(others)[:5]
    markers = option("na", ",".join(shown) if on_command_line() else shown)
    advice = (
        f", where {count:,} of {present:,} values are {kind}s. Correct it, or leave the cell empty if it is missing; "
        f"or say {markers} if {'it means' if len(others) == 1 else 'these mean'} a missing value; or declare the "
        f"column with {kind_option(name, 'category')}."
    )
    table.refuse(name, row, f"the text {value!r:.80}", advice)
    return False


def _of_numbers(name: str, values: np.ndarray, column: Column) -> Column:
    known = values[np.isfinite(values)]
    whole = len(known) == len(values) and (known == np.round(known)).all()
    if whole and len(np.unique(known)) == len(known) > 1:
        counted = known[0] in (0, 1) and (np.diff(known) == 1).all()
        named = _ID.search(name) is not None or _ID_CASED.search(name) is not None
        if named or (counted and re.fullmatch(r"column_\d+", name)):
            reason = "counts the rows" if counted else "a number of its own in each row"
            return Column(name, "identifier", reason)
    return column


def _of_texts(table: Table, name: str, values: Texts, why: str = "") -> Column:
    present, distinct = int((~values.missing).sum()), len(values.values)
    prefix = f"{why}: " if why else ""
    if not present:
        return Column(name, "ignored", "no value in any row")
    few = distinct <= MOST_CATEGORIES and (distinct <= 10 or distinct <= present / 2)
    common = distinct <= MOST_COMMON_CATEGORIES and present >= ROWS_OF_CATEGORY * distinct
    if few or common:
        return _category(name, values, f"{prefix}{distinct} distinct text{'s' * (distinct != 1)}")
    reason = f"{prefix}{distinct:,} distinct texts in {present:,} rows, such as {values.values[0][:40]!r}"
    numbers = np.isfinite(parse_numbers(values.values[:1000], table.decimal)[0])
    if numbers.any() and not why:
        reason += f", {numbers.mean():.0%} of the first of them numbers"
    words = np.mean([len(value.split()) for value in values.values[:1000]])
    if distinct > 0.95 * present and words < 2:
        return Column(name, "identifier", reason)
    return Column(name, "text", reason)


def _category(name: str, values: Texts, reason: str) -> Column:
    return Column(name, "category", reason, tuple(sorted(values.used().values)))
