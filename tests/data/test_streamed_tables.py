"""Tables that are streamed: all that is known of their rows is what a table in memory would say."""

import gzip
import os
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pellucid.core.errors import DataError, InvalidValue, MissingExtra
from pellucid.data import Preprocessing, load_table, shards_of_parquet, shards_of_text, table_stream
from pellucid.data import shards as shards_module
from pellucid.data.moments import Moments
from pellucid.data.preprocessing import SCALINGS
from pellucid.data.stream import EVERY, Span

ROWS = 700
TASKS = {"city": "multiclass", "ill": "binary", "price": "regression", "grade": "multiclass"}


def table(rows=ROWS):
    chance = np.random.default_rng(0)
    age = chance.integers(20, 90, rows).astype(float)
    age[::9] = np.nan
    city = np.array(["Rome", "Oslo", "Paris", None], object)[chance.integers(0, 4, rows)]
    city[7] = "Ulm, at the Danube"  # in one row alone
    return {
        "id": np.arange(1000, 1000 + rows),
        "age": pa.array(age, from_pandas=True),
        "height": chance.normal(1.7, 0.1, rows),
        "day": pa.array(np.datetime64("2024-01-01") + chance.integers(0, 700, rows)),
        "city": pa.array(city.tolist()),
        "ill": chance.choice(["no", "yes"], rows),
        "grade": chance.integers(1, 6, rows),
        "price": chance.lognormal(3, 1, rows),
        "weight": chance.integers(0, 3, rows),
    }


def write(folder, kind, columns, files=3, group=90):
    """Write a table as several files of a kind; row groups and blocks of text are small."""
    os.makedirs(folder, exist_ok=True)
    whole = pa.table(columns)
    for i in range(files):
        part = whole.slice(i * len(whole) // files, (i + 1) * len(whole) // files - i * len(whole) // files)
        if kind == "parquet":
            pq.write_table(part, folder / f"part-{i}.parquet", row_group_size=group)
        else:
            pa.csv.write_csv(part, folder / f"part-{i}.csv")
            if kind == "csv.gz":
                (folder / f"part-{i}.csv.gz").write_bytes(gzip.compress((folder / f"part-{i}.csv").read_bytes()))
                (folder / f"part-{i}.csv").unlink()
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    where = tmp_path_factory.mktemp("tables")
    columns = table()
    made = {kind: write(where / kind, kind, columns) for kind in ("parquet", "csv", "csv.gz")}
    pq.write_table(pa.table(columns), where / "whole.parquet")
    return made | {"whole": where / "whole.parquet"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(shards_module, "PIECE_ROWS", 50)
    for module in (shards_of_text, shards_of_parquet):
        monkeypatch.setattr(module, "PIECE_ROWS", 50)
    monkeypatch.setattr(shards_of_text, "BLOCK_BYTES", 4000)


def without_reasons(encoder):
    return replace(encoder, columns=tuple(replace(column, reason="") for column in encoder.columns))


KINDS = ("parquet", "csv", "csv.gz")
MISSING = ("median", "mean", "most_frequent", "drop")


@pytest.mark.parametrize("target", TASKS)
@pytest.mark.parametrize(
    ("kind", "missing"), [*((kind, "median") for kind in KINDS), *(("parquet", missing) for missing in MISSING[1:])]
)
def test_a_streamed_table_says_what_the_table_in_memory_says(folders, kind, target, missing):
    others = {name: "ignored" for name in TASKS if name not in (target, "city")}
    options = {"target": target, "held_out": None, "missing": missing, "weights": "weight", "columns": others}
    streamed, whole = load_table(folders[kind], **options), load_table(folders["whole"], **options)
    assert streamed.rows == len(whole.train)
    assert (streamed.task, streamed.classes, streamed.features) == (whole.task, whole.classes, whole.features)
    ours, theirs = without_reasons(streamed.encoder), without_reasons(whole.encoder)
    if missing == "mean":  # of a mean of floats the last digit depends on the order
        ours, theirs = (
            replace(one, columns=tuple(replace(c, fill=None) for c in one.columns)) for one in (ours, theirs)
        )
    assert replace(ours, columns=()) == replace(theirs, columns=())
    of_text = {"decimal": None, "written": ""}  # how numbers and dates are written, which Parquet does not hold
    assert [replace(c, **of_text) for c in ours.columns] == [replace(c, **of_text) for c in theirs.columns]
    np.testing.assert_allclose(streamed.train.x, whole.train.x, rtol=1e-6)
    np.testing.assert_array_equal(streamed.train.y, whole.train.y)
    np.testing.assert_array_equal(streamed.train.weights, whole.train.weights)
    for name in ("shift", "scale"):
        ours, theirs = (getattr(data.preprocessing, name) for data in (streamed, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_that_are_read_are_those_of_the_sample(folders, kind):
    streamed = load_table(folders[kind], "ill", held_out=0.3, seed=2, missing="drop", columns={"price": "ignored"})
    stream = streamed.stream
    for span, part in ((stream.training, streamed.train), (Span(0.0, 0.3), streamed.held_out)):
        read = list(stream.read(span))
        np.testing.assert_array_equal(np.concatenate([one.x for one in read]), part.x)
        np.testing.assert_array_equal(np.concatenate([one.y for one in read]), part.y)
    assert streamed.rows + streamed.held_out_rows == stream.rows(EVERY)
    assert streamed.held_out_rows == pytest.approx(0.3 * stream.rows(EVERY), rel=0.15)
    assert not set(streamed.train.rows) & set(streamed.held_out.rows)


def test_a_block_is_read_from_any_row_on(folders):
    for kind in ("parquet", "csv"):
        source = load_table(folders[kind], "ill", held_out=None, columns={"day": "ignored"}).stream.source
        for block in (0, 1, len(source.block_rows) - 1):
            whole = np.concatenate([part.x for part in source.read(block)])
            assert len(whole) == source.block_rows[block]
            for start in (1, 49, 50, 60):
                rest = [part.x for part in source.read(block, start)]
                np.testing.assert_array_equal(np.concatenate(rest) if rest else whole[:0], whole[start:])


def test_the_sample_is_a_part_of_many_rows_drawn_by_chance(folders, monkeypatch):
    monkeypatch.setattr(table_stream, "SAMPLE_ROWS", 100)
    data = load_table(folders["parquet"], "price", held_out=0.5)
    assert data.rows > 250
    for part in (data.train, data.held_out):
        assert 60 < len(part) < 140
        assert np.ptp(part.rows) > 500


def test_held_out_rows_may_be_in_a_folder_of_their_own(folders, tmp_path):
    columns = table(60)
    columns["city"] = pa.array(["Bonn" if i < 3 else "Rome" for i in range(60)])
    other = write(tmp_path / "later", "parquet", columns)
    data = load_table(folders["csv"], "ill", held_out=str(other))
    assert (data.rows, data.held_out_rows, len(data.held_out)) == (ROWS, 60, 60)
    assert "3 held-out rows have a category that the training rows do not" in data.notes


def test_addresses_are_read_by_fsspec(folders):
    import fsspec

    memory = fsspec.filesystem("memory")
    for file in sorted(folders["parquet"].iterdir()):
        memory.pipe(f"/tables/{file.name}", file.read_bytes())
    near, far = (load_table(source, "ill", held_out=None) for source in (folders["parquet"], "memory://tables"))
    np.testing.assert_array_equal(far.train.x, near.train.x)
    read = np.concatenate([part.x for part in far.stream.read(EVERY)])
    np.testing.assert_array_equal(read, near.train.x)
    memory.rm("/tables", recursive=True)


def test_an_address_without_a_reader_says_what_to_install():
    with pytest.raises(DataError, match="nosuchstore"):
        load_table("nosuchstore://bucket/folder", "y")


def test_an_address_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"pellucid\[remote\]"):
        load_table("s3://bucket/folder", "y")


def test_lines_within_quotes_do_not_end(tmp_path):
    lines = ["text,y"] + [f'"a{"," * (i % 3)}{chr(10) * (i % 5 == 0)}b",{i % 2}' for i in range(900)]
    (tmp_path / "quoted.csv").write_text("\n".join(lines) + "\n")
    streamed = load_table(tmp_path / "quoted.csv", "y", stream=True, held_out=None, columns={"text": "category"})
    assert streamed.rows == 900
    assert len(streamed.stream.source.block_rows) > 1
    assert len(streamed.features) == 6


class TestMoments:
    @pytest.mark.parametrize("scaling", ["standardise", "min_max"])
    def test_merged_moments_fit_the_scaling_of_all_rows(self, scaling):
        x = np.random.default_rng(1).normal(1e4, 1, (500, 3)).astype(np.float32)
        x[:, 2] = 7
        merged = Moments.of(x[:0]).merge(Moments.of(x[:1]))
        for rows in (x[1:130], x[130:131], x[131:]):
            merged = merged.merge(Moments.of(rows))
        ours, theirs = merged.fit(scaling), SCALINGS[scaling](x)
        np.testing.assert_allclose(ours.shift, theirs.shift, rtol=1e-6)
        np.testing.assert_allclose(ours.scale, theirs.scale, rtol=1e-5)
        again = Moments.from_dict(merged.to_dict()).fit(scaling)
        np.testing.assert_array_equal(again.scale, ours.scale)
        assert isinstance(merged.fit("none"), Preprocessing)

    def test_missing_values_are_left_out_and_filled_ones_counted(self):
        x = np.array([[1.0], [np.nan], [5.0], [np.nan]])
        filled = Moments.of(x).merge(Moments.constant(np.array([3.0]), np.array([2])))
        assert filled.mean == 3
        assert filled.squares == 8


def refuse(source, match, *args, error=DataError, **options):
    with pytest.raises(error, match=match):
        load_table(source, *args, **options)


class TestRefusals:
    def test_folders_that_hold_no_table(self, tmp_path):
        refuse(tmp_path, "there is no file", "y")
        (tmp_path / "notes.md").write_text("x")
        refuse(tmp_path, r"no table that can be read some rows at a time \(notes.md\)", "y")

    def test_folders_of_several_kinds_or_partitions(self, folders, tmp_path):
        whole = folders["whole"].read_bytes()
        (tmp_path / "year=2024").mkdir()
        (tmp_path / "year=2024" / "a.parquet").write_bytes(whole)
        refuse(tmp_path, "values of the columns 'year' in their names", "ill")
        (tmp_path / "b.csv").write_text("a,b\n1,2\n")
        refuse(tmp_path, "holds Parquet files and separated values", "ill")

    def test_files_with_other_columns(self, folders, tmp_path):
        (tmp_path / "a.parquet").write_bytes(folders["whole"].read_bytes())
        pq.write_table(pa.table({"age": [1.0]}), tmp_path / "b.parquet")
        refuse(tmp_path, r"'b.parquet' lacks 'city'", "ill")

    def test_damaged_files(self, tmp_path):
        (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
        refuse(tmp_path, "'a.parquet' is not a Parquet file", "ill")

    def test_values_that_cannot_be_used_name_file_and_row(self, tmp_path):
        columns = {"a": np.arange(400.0), "c": ["x", "y"] * 200, "y": np.arange(400.0)}
        columns["a"][345] = np.inf
        folder = write(tmp_path / "infinite", "parquet", columns, group=100)
        refuse(folder, r"column 'a' of 'part-2.parquet' holds inf at row 79", "y")
        columns["a"][345] = np.nan
        folder = write(tmp_path / "gap", "parquet", columns)
        refuse(folder, r"'a' of 'part-2.parquet' holds no value at row 79", "y", missing="refuse")

    def test_targets_beyond_float32(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pellucid.data.table_pass.PROBED_ROWS", 5)
        columns = {"a": np.arange(400.0), "y": np.where(np.arange(400) == 345, 1e39, 0.5)}
        folder = write(tmp_path / "beyond", "parquet", columns, group=100)
        refuse(folder, r"column 'y' of 'part-2.parquet' holds 1e\+39 at row 79, beyond float32", "y")

    def test_values_that_turn_up_where_there_was_none(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pellucid.data.table_pass.PROBED_ROWS", 5)
        values = [None] * 400
        values[250] = 1.5
        folder = write(
            tmp_path, "parquet", {"a": pa.array(values, pa.float64()), "b": np.arange(400.0), "y": np.arange(400.0)}
        )
        refuse(folder, r"column 'a' of 'part-1.parquet' holds '1.5' at row 117.*Declare it", "y")

    @pytest.mark.parametrize("option", [{"window": 3}, {"time": "day"}, {"group": "city"}, {"held_out": 5}])
    def test_options_that_need_all_rows(self, folders, option):
        refuse(folders["parquet"], next(iter(option)), "price", error=(DataError, InvalidValue), **option)

    def test_a_table_in_memory(self):
        refuse({"a": [1.0, 2.0], "y": [0.1, 0.3]}, "in memory already", "y", stream=True)
