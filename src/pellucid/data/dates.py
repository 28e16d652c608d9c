"""Dates and times as people write them, and their calendar features."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from pellucid.data.numerals import LONGEST, MARKERS

_TIME = r"([ T]\d{1,2}:\d{2}(:\d{2})?)?"
_PATTERNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("year-month-day", r"\d{4}-\d{1,2}-\d{1,2}" + _TIME, ("%Y-%m-%d",)),
    ("year/month/day", r"\d{4}/\d{1,2}/\d{1,2}" + _TIME, ("%Y/%m/%d",)),
    ("day.month.year", r"\d{1,2}\.\d{1,2}\.\d{4}" + _TIME, ("%d.%m.%Y",)),
    ("day/month/year", r"\d{1,2}/\d{1,2}/\d{4}" + _TIME, ("%d/%m/%Y", "%m/%d/%Y")),
    ("day-month-year", r"\d{1,2}-\d{1,2}-\d{4}" + _TIME, ("%d-%m-%Y", "%m-%d-%Y")),
    ("year-month", r"\d{4}-(0[1-9]|1[0-2])", ("%Y-%m",)),
    ("day month year", r"\d{1,2} [A-Za-z]{3,9} \d{4}" + _TIME, ("%d %b %Y", "%d %B %Y")),
    ("month day, year", r"[A-Za-z]{3,9} \d{1,2}, \d{4}" + _TIME, ("%b %d, %Y", "%B %d, %Y")),
    ("month year", r"[A-Za-z]{3,9} \d{4}", ("%b %Y", "%B %Y")),
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_PLAIN = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")

PARTS = ("days", "day of year", "weekday", "hour")
"""Calendar features: the number of days, and the place in the year, the week and the day as an angle."""


def parse_dates(values: Sequence[str], written: str = "") -> tuple[np.ndarray, str]:
    """Parse the distinct texts of a column as dates or times.

    Args:
        values: the texts; markers of missing values are NaT.
        written: how the dates of the column are known to be written: whether the day or the month comes first in
            ``03/04/2024`` is taken from there, else from the texts.

    Returns:
        The times, datetime64[s], NaT for what is none; and how they are written, "" where they are no dates.

    Example:
        >>> times, words = parse_dates(["31.01.2024", "01.02.2024 12:30"])
        >>> times.astype(str).tolist(), words
        (['2024-01-31T00:00:00', '2024-02-01T12:30:00'], 'day.month.year')
        >>> parse_dates(["01/31/2024", "02/01/2024"])[1]
        'month/day/year'
        >>> parse_dates(["03/04/2024"], "day/month/year")[0].astype(str).tolist()
        ['2024-04-03T00:00:00']
    """
    times = np.full(len(values), "NaT", "datetime64[s]")
    present = [i for i, text in enumerate(values) if text.lower() not in MARKERS]
    if not present or not any(character.isdigit() for character in values[present[0]][:LONGEST]):
        return times, ""
    if all(_PLAIN.fullmatch(values[i]) for i in present):
        try:
            times[present] = np.array([values[i] for i in present], "datetime64[s]")
            return times, "year-month-day"
        except ValueError:  # such as a 30th of February
            times[:] = "NaT"
    best, words = times, ""
    for name, pattern, formats in (("year-month-day", _ISO.pattern, ()), *_PATTERNS):
        fitting = [i for i in present if re.fullmatch(pattern, values[i])]
        if len(fitting) < 0.5 * len(present):
            continue
        for form in _in_order([values[i] for i in fitting], formats, written) or (None,):
            read = times.copy()
            for i in fitting:
                read[i] = _time_of(values[i], form)
            if np.count_nonzero(~np.isnat(read)) > np.count_nonzero(~np.isnat(best)):
                best, words = read, name
                if form is not None and form.startswith("%m") and "day" in name and name[:3] == "day":
                    words = "month" + name[3] + "day" + name[3] + "year"
    return best, words


def _in_order(texts: Sequence[str], formats: Sequence[str], written: str) -> Sequence[str]:
    """Whether the day or the month comes first, where both are possible: the one that never changes is the day."""
    if len(formats) < 2 or not formats[0].startswith("%d") or "%b" in formats[0]:
        return formats
    if re.fullmatch(r"(day|month)\W(day|month)\Wyear", written) and " " not in written:
        return formats[:1] if written.startswith("day") else formats[1:]
    firsts, seconds = ({re.split(r"\D", text)[i] for text in texts} for i in (0, 1))
    return formats if len(firsts) == 1 < len(seconds) else formats[::-1]


def _time_of(text: str, form: str | None) -> np.datetime64:
    try:
        if form is None:
            time = datetime.fromisoformat(text)
            time = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
        else:
            day, _, clock = text.replace("T", " ").partition(" ") if " " not in form else _with_clock(text)
            time = datetime.strptime(day, form)
            if clock:
                hour, minute, *second = map(int, clock.split(":"))
                time = time.replace(hour=hour, minute=minute, second=second[0] if second else 0)
    except ValueError:
        return np.datetime64("NaT")
    return np.datetime64(time, "s")


def _with_clock(text: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(.*?)(?:[ T](\d{1,2}:\d{2}(?::\d{2})?))?", text)
    assert match is not None
    return match[1], " ", match[2] or ""


def parts_of(times: np.ndarray) -> tuple[str, ...]:
    """The calendar features that tell the times of a column apart.

    Example:
        >>> parts_of(np.array(["2024-01-01", "2024-01-02"], "datetime64[s]"))
        ('days', 'weekday')
    """
    known = times[~np.isnat(times)]
    days = known.astype("datetime64[D]")
    varied = {
        "days": len(np.unique(known)) > 1,
        "day of year": len(known) > 0 and (days.max() - days.min()).astype(int) >= 60,
        "weekday": len(np.unique(days.astype(int) % 7)) > 1,
        "hour": len(np.unique(known - days)) > 1,
    }
    return tuple(part for part in PARTS if varied[part])


def features_of(name: str, parts: Sequence[str]) -> list[str]:
    """Names of the inputs that a column of times becomes.

    Example:
        >>> features_of("sold", ("days", "weekday"))
        ['sold (days)', 'sold (weekday, sin)', 'sold (weekday, cos)']
    """
    names = []
    for part in parts:
        names += [f"{name} (days)"] if part == "days" else [f"{name} ({part}, {wave})" for wave in ("sin", "cos")]
    return names


def calendar(times: np.ndarray, parts: Sequence[str]) -> np.ndarray:
    """The calendar features of times, float64 ``(rows, features)``, NaN where missing.

    Days are counted from 2000-01-01; the place in a year, week or day is the sine and cosine of its angle, so that
    December is as near to January as to November.
    """
    missing = np.isnat(times)
    known = np.where(missing, np.datetime64("2000-01-01", "s"), times)
    days = known.astype("datetime64[D]")
    hours = (known - days).astype(float) / 3600
    turns = {
        "day of year": (days - days.astype("datetime64[Y]")).astype(float) / 365.25,
        "weekday": ((days.astype(int) + 3) % 7) / 7,  # 1970-01-01 was a Thursday
        "hour": hours / 24,
    }
    columns = []
    for part in parts:
        if part == "days":
            columns.append((days - np.datetime64("2000-01-01", "D")).astype(float) + hours / 24)
        else:
            columns += [np.sin(2 * np.pi * turns[part]), np.cos(2 * np.pi * turns[part])]
    features = np.stack(columns, axis=1) if columns else np.zeros((len(times), 0))
    features[missing] = np.nan
    return features
