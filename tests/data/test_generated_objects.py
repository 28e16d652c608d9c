"""Generated frames, arrays and rows of every type: what is read is what they hold, and new rows are matched by name."""

import datetime
import decimal
import fractions
import json
import math
import random

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pel
from data.generated_tables import laws, same
from pellucid.core.errors import DataError, ShapeError
from pellucid.data.reading import read_table
from pellucid.data.table import Texts
from pellucid.data.targets import infer_target

WHOLE = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]
NULLABLE = ["Int64", "Float64", "boolean", "string", "category", "datetime64[ns]", "object"]
PLAIN = [*WHOLE, *FLOATS, "bool", "text"]
TEXTS = ["Rome", "Oslo", "Größe", "007", "7", "NA", "a,b", "1,5", " x ", "", "True", "2024-01-31"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("objects")


def plain_values(kind, rows, chance):
    """A NumPy array of a dtype, with its extremes in it."""
    if kind in WHOLE:
        limits = np.iinfo(kind)
        low, high = (limits.min, limits.max) if chance.random() < 0.3 else (max(limits.min, -100), 100)
        return np.array([low, high, *(chance.randint(low, high) for _ in range(rows - 2))][:rows], kind)
    if kind in FLOATS:
        values = np.array([chance.uniform(-1e4, 1e4) for _ in range(rows)], kind)
        values[[row for row in range(1, rows) if chance.random() < 0.2]] = np.nan
        return values
    if kind == "bool":
        return np.array([chance.random() < 0.5 for _ in range(rows)])
    return np.array([chance.choice(TEXTS) for _ in range(rows)])


def nullable_values(kind, rows, chance):
    """A pandas series with missing values."""
    usual = {
        "Int64": lambda: chance.choice([chance.randint(-50, 50), 2**60 + 1] if chance.random() < 0.1 else [3, 4, 5]),
        "Float64": lambda: round(chance.uniform(-5, 5), 3),
        "boolean": lambda: chance.random() < 0.5,
        "datetime64[ns]": lambda: datetime.datetime(2020, 1, 1) + datetime.timedelta(minutes=chance.randint(0, 10**6)),
        "object": lambda: chance.choice(["a", 1, 2.5, 3.0, decimal.Decimal("1.5"), True]),
    }.get(kind, lambda: chance.choice(TEXTS))
    return pd.Series([None if row and chance.random() < 0.2 else usual() for row in range(rows)], dtype=kind)


def truth_of(values):
    """The values of a column as a table holds them: numbers, texts or times, None where missing."""
    values = [None if value is None or value is pd.NA or value != value else value for value in values]
    present = [value for value in values if value is not None]
    if all(isinstance(value, datetime.datetime) for value in present):
        return [None if value is None else np.datetime64(value, "s") for value in values]
    bools = present and all(isinstance(value, bool | np.bool_) for value in present)
    real = int | float | decimal.Decimal | np.number | np.bool_
    numeric = not bools and all(isinstance(value, real) for value in present)
    exact = all(abs(int(value)) <= 2**53 for value in present if isinstance(value, int | np.integer))
    if numeric and exact:
        return [None if value is None else float(value) for value in values]
    return [None if value is None or str(value) == "" else written(value) for value in values]


def written(value):
    if isinstance(value, float | np.floating) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def check(table, columns):
    assert list(table.columns) == list(columns)
    for name, values in columns.items():
        read = table.columns[name]
        read = read.to_list() if isinstance(read, Texts) else list(read)
        truth = truth_of(list(values))
        assert len(read) == len(truth)
        for value, true in zip(read, truth, strict=True):
            missing = true is None or true == ""
            assert (value is None or value != value) if missing else same(value, true), (name, value, true)


def python_of(value):
    return value.item() if isinstance(value, np.generic) else value


@given(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=5), st.integers(2, 12), st.integers(0, 10**6))
@laws(200)
def test_every_container_of_numpy_columns_holds_the_same(folder, kinds, rows, seed):
    chance = random.Random(seed)
    columns = {f"{kind} {i}": plain_values(kind, rows, chance) for i, kind in enumerate(kinds)}
    lists = {name: [python_of(value) for value in values] for name, values in columns.items()}
    records = np.rec.fromarrays(list(columns.values()), dtype=[(name, v.dtype) for name, v in columns.items()])
    sources = {
        "arrays": columns,
        "lists": lists,
        "rows": [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)],
        "records": np.asarray(records),
        "pandas": pd.DataFrame(columns),
        "polars": pl.DataFrame(columns, nan_to_null=True),
        "arrow": pa.table(columns),
        "masked": {name: np.ma.masked_array(values, np.zeros(rows, bool)) for name, values in columns.items()},
    }
    check(read_table(sources[chance.choice(sorted(sources))]), columns)


@given(st.lists(st.sampled_from(NULLABLE[:-1]), min_size=1, max_size=5), st.integers(2, 12), st.integers(0, 10**6))
@laws(250)
def test_frames_and_their_files_hold_the_same(folder, kinds, rows, seed):
    chance = random.Random(seed)
    frame = pd.DataFrame({f"{kind} {i}": nullable_values(kind, rows, chance) for i, kind in enumerate(kinds)})
    form = chance.choice(["pandas", "polars", "arrow", "parquet", "feather"])
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    path = folder / f"frame.{form}"
    if form == "parquet":
        pa.parquet.write_table(arrow, path)
    elif form == "feather":
        pa.feather.write_feather(arrow, str(path))
    sources = {"pandas": frame, "polars": pl.from_pandas(frame), "arrow": arrow, "parquet": path, "feather": path}
    check(read_table(sources[form]), {name: frame[name] for name in frame})


@given(st.integers(1, 12), st.integers(0, 10**6))
@laws(200)
def test_columns_of_mixed_objects_are_texts(rows, seed):
    values = nullable_values("object", rows, random.Random(seed))
    check(read_table(pd.DataFrame({"mixed": values})), {"mixed": values})


JSON = [1, 2.5, -3, True, None, "a", "7", "", 1e300, 2**60 + 1, "é\u2028"]


@given(
    st.lists(st.lists(st.sampled_from(JSON), min_size=2, max_size=2), min_size=1, max_size=8), st.sampled_from("ljb")
)
@laws(200)
def test_json_holds_its_values(folder, cells, form):
    rows = [{"größe": cell[0], "b": cell[1], "row": 1 + i} for i, cell in enumerate(cells)]
    ascii_only = form == "b"
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows) + "\n"
    path = folder / "rows.json"
    path.write_text(json.dumps(rows) if form == "j" else lines, encoding="utf-8")
    table = read_table(path)
    check(table, {name: [row[name] for row in rows] for name in rows[0]})


@given(
    st.sampled_from([*WHOLE, *FLOATS, "bool", "object"]),
    st.sampled_from([(6,), (1,), (3, 2), (2, 3, 1)]),
    st.sampled_from(["plain", "fortran", "strided", "reversed", "list", "big-endian"]),
    st.integers(0, 10**6),
)
@laws(250)
def test_an_array_is_trained_on_as_it_is(kind, shape, order, seed):
    rng = np.random.default_rng(seed)
    if kind in WHOLE:
        values = rng.integers(0, 100, (8, *shape)).astype(kind)
    else:
        values = rng.normal(size=(8, *shape)).astype("float64" if kind == "object" else kind)
    if kind == "object":
        values = values.astype(object)
    arrays = {
        "plain": lambda: values,
        "fortran": lambda: np.asfortranarray(values),
        "strided": lambda: np.repeat(values, 2, axis=0)[::2],
        "reversed": lambda: values[::-1].copy()[::-1],
        "list": values.tolist,
        "big-endian": lambda: values if kind == "object" else values.astype(values.dtype.newbyteorder(">")),
    }
    data = pel.make_dataset(arrays[order](), [0, 1] * 4, held_out=None)
    assert data.train.x.flags.c_contiguous
    np.testing.assert_array_equal(data.train.x, values.astype(np.float32))


@given(st.sampled_from([*WHOLE, "bool", "text", "float32", "object"]), st.integers(4, 30), st.integers(0, 10**6))
@laws(200)
def test_labels_come_back_as_they_went_in(kind, rows, seed):
    chance = random.Random(seed)
    if kind == "text":
        labels = np.array([chance.choice(["007", "7", "Größe", "Gro\u0308ße", " x"]) for _ in range(rows)])
    elif kind == "object":
        labels = np.array([chance.choice(["a", "b", "010"]) for _ in range(rows)], object)
    elif kind == "bool":
        labels = np.array([chance.random() < 0.5 for _ in range(rows)])
    else:
        labels = np.array([chance.choice([0, 1, 3, 7]) for _ in range(rows)], kind)
    if len(set(labels.tolist())) == 1:
        return
    target = infer_target(labels)
    if target.task == "regression":
        np.testing.assert_array_equal(target.encode(labels)[:, 0], labels.astype(np.float32))
        return
    numbers = target.encode(labels).astype(int).ravel()
    shown = labels.astype(int) if kind == "float32" else labels
    assert [target.classes[number] for number in numbers] == [str(label) for label in shown.tolist()]


@given(st.lists(st.sampled_from(["number", "category", "date", "code"]), min_size=2, max_size=6), st.integers(0, 10**6))
@laws(200)
def test_new_rows_are_matched_by_name_whatever_holds_them_in_any_order(folder, kinds, seed):
    chance, rows = random.Random(seed), 24
    cells = {
        "number": lambda: round(chance.uniform(-9, 9), 2),
        "category": lambda: chance.choice(["Rome", "Oslo", "Größe"]),
        "date": lambda: f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        "code": lambda: chance.choice(["007", "7", "10"]),
    }
    frame = pd.DataFrame({f"{kind} {i}": [cells[kind]() for _ in range(rows)] for i, kind in enumerate(kinds)})
    y = [chance.choice(["no", "yes"]) for _ in range(rows - 2)] + ["no", "yes"]
    data = pel.load_table(frame.assign(y=y), "y", held_out=None)
    assert [data.classes[int(label)] for label in data.train.y.ravel()] == y
    order = chance.sample(list(frame.columns), len(frame.columns))
    new = frame[order].assign(more=1.5)
    path = folder / "new.csv"
    new.to_csv(path, index=False, sep=chance.choice(",;\t"))
    sources = {
        "pandas": new,
        "polars": pl.from_pandas(new),
        "file": path,
        "rows": new.to_dict("records"),
        "columns": {name: new[name].tolist() for name in new},
        "array": frame[[column.name for column in data.encoder.inputs]].to_numpy(object),
    }
    form = chance.choice(sorted(sources))
    np.testing.assert_array_equal(data.encoder.encode(sources[form]), data.train.x)
    with pytest.raises(DataError, match="has no column"):
        data.encoder.encode(new.drop(columns=data.encoder.inputs[0].name))
    with pytest.raises(ShapeError, match="one column for each"):
        data.encoder.encode(np.zeros((2, len(data.encoder.inputs) + 1)))


@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 10**6))
@laws(200)
def test_a_masked_value_is_missing_and_never_read(rows, columns, seed):
    rng = np.random.default_rng(seed)
    values, mask = rng.normal(size=(rows, columns)), rng.random((rows, columns)) < 0.3
    mask[0] = False
    table = read_table(np.ma.masked_array(np.where(mask, 1e30, values), mask))
    for i, column in enumerate(table.columns.values()):
        assert [math.isnan(value) for value in column] == mask[:, i].tolist()
        np.testing.assert_array_equal(column[~mask[:, i]], values[~mask[:, i], i])


READ = {
    "months": (np.array(["2024-01", "2024-02"], "M8[M]"), [np.datetime64("2024-01-01"), np.datetime64("2024-02-01")]),
    "days": (np.array([1, 2], "m8[D]"), [86400, 172800]),
    "bytes": (np.array([b"a", "é".encode()]), ["a", "é"]),
    "big-endian": (np.array([2**60 + 1, 1], ">i8"), [str(2**60 + 1), "1"]),
    "fractions": ([fractions.Fraction(1, 4), 2], [0.25, 2]),
    "decimals": ([decimal.Decimal("1.10"), 2], [1.1, 2]),
    "wide text": (pa.array(["a", " b"], pa.large_string()), ["a", "b"]),
    "categories of numbers": (pd.Categorical([3, 1]), [3, 1]),
    "with a time zone": (
        pd.Series(pd.to_datetime(["2024-01-01 12:00+02:00"] * 2)),
        [np.datetime64("2024-01-01T12:00")] * 2,
    ),
    "enumeration": (pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), ["a", "b"]),
    "before 1677": ([datetime.datetime(1600, 1, 1), None], [np.datetime64("1600-01-01"), None]),
    "zeros left out": (pd.arrays.SparseArray([0.0, 1.5]), [0, 1.5]),
}


@pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")  # pyarrow 25's own call
@pytest.mark.parametrize("case", READ)
def test_columns_of_rarer_types_are_read(case):
    values, truth = READ[case]
    column = read_table({"c": values}).columns["c"]
    read = column.to_list() if isinstance(column, Texts) else list(column)
    assert all(
        value != value or value is None if true is None else value == true
        for value, true in zip(read, truth, strict=True)
    )


REFUSED = {
    "complex": [1j, 2.0],
    "objects": [object(), object()],
    "lists": [[1], [1, 2]],
    "arrays": [np.zeros(2), "a"],
    "a Polars list": pl.Series([[1], [2]]),
    "a generator": (number for number in (1, 2)),
    "a text": "ab",
    "a matrix": np.zeros((2, 2)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_columns_of_no_values_are_refused_by_name(case):
    with pytest.raises((DataError, ShapeError), match="column 'c' of the dictionary"):
        read_table({"c": REFUSED[case], "d": [1, 2]})
