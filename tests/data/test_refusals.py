"""What cannot be read is refused with its place and what to type, in the words of the interface in use."""

import bz2
import datetime
import gzip
import json
import re

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pellucid.core.errors import DataError
from pellucid.core.interface import command_line
from pellucid.data.build import load_table
from pellucid.data.files import open_file
from pellucid.data.reading import read_table

GOOD = "".join(f"{i}.5,{'pq'[i % 2]},{i % 3 % 2}\n" for i in range(20, 50))
TABLE = f"a,b,y\n{GOOD}"
PYTHON = re.compile(r"=\{|='|=\[|=None|=True|=False|\bna=|\bheader=|\bcolumns=")


def table(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


REFUSED = {
    "empty": ("", {}, "is empty"),
    "blank lines": ("\n\n  \n\r\n", {}, "is empty"),
    "header only": ("a,b,y\n", {}, "has a header and no rows"),
    "header without line end": ("a,b,y", {}, "has a header and no rows"),
    "header and gaps": ("a,b,y\n,,\n", {}, "has a header and no rows"),
    "only the target": ("y\n1\n2\n", {}, "no column left to predict 'y' from. It has no others"),
    "NUL": ("a,b,y\n1,2,0\n3,\x004,1\n", {}, "line 3 .* holds a NUL byte"),
    "open quote": (TABLE + '1,"p,0\n2,q,1\n', {}, "odd number of quotes .* Look at line 32 first"),
    "ragged": (TABLE + "1,p\n", {}, "line 32 .* has 2 cells where 3 are expected"),
    "ragged after quoted lines": ('a,b,y\n1,"p\nq",0\n\n1,p\n', {}, "line 5 .* has 2 cells where 3"),
    "text in a number": (TABLE + "tall,p,1\n", {}, r"'tall' at line 32, .* --na tall .* --as a=category"),
    "two texts": (TABLE + "tall,p,1\nsmall,p,1\n", {}, r"'tall' at line 32, .* --na small,tall if these mean"),
    "unknown kind": (TABLE, {"columns": {"a": "nummer"}}, "must be one of number, category"),
    "kind of no column": (TABLE, {"columns": {"aa": "number"}}, "no column 'aa'. Did you mean 'a'"),
    "no target": (TABLE, {"target": "yy"}, "no column 'yy'. Did you mean 'y'"),
    "no number": (TABLE, {"columns": {"b": "number"}}, "'p' at line 2, where a number is needed"),
    "no date": (TABLE, {"columns": {"b": "date"}}, "'p' at line 2, where a date is needed"),
    "no words": (TABLE, {"columns": {"a": "text"}}, "no word .*'a' .* --as a=ignored"),
    "gap": (TABLE + ",p,1\n", {"missing": "refuse"}, "no value at line 32, .* --missing drop"),
    "gap of the target": (TABLE + "1,p,\n", {"missing": "refuse"}, "no value at line 32, .* --missing drop"),
    "no header": ("1,2,3\n4,5,6\n", {}, "line 1 .* say --no-header, .* --names a,b,c"),
    "too few names": ("1,2,3\n4,5,6\n", {"names": ["a", "y"]}, "2 names for 3 columns: line 1"),
    "the same name": ("a,a,y\n1,2,0\n", {}, r"two columns named 'a' \(columns 1 and 2\)"),
    "the same name once composed": ("é,e\u0301,y\n1,2,0\n", {}, "two columns named 'é'"),
    "weights of text": (TABLE, {"weights": "b"}, "weights 'b' holds 'p' at line 2"),
    "times of text": (TABLE, {"time": "b"}, "times are dates or numbers"),
    "series of text": (TABLE, {"target": "b", "window": 3}, "'p' at line 2, where a number is needed"),
    "short series": (TABLE, {"target": "a", "window": 300}, "--window 7"),
    "all held out": (TABLE, {"held_out": 30}, "--held-out 0"),
    "date as target": ("a,y\n1,2024-01-01\n2,2024-01-02\n", {}, "no network predicts"),
    "infinite": (TABLE + "inf,p,1\n", {}, "inf.* at line 32"),
    "beyond float32": (TABLE + "1e300,p,1\n", {}, "1e.300 at line 32.* beyond float32"),
    "encoding": (b"a,b,y\n1,\xe9,0\n", {"encoding": "ascii"}, "cannot be read as ascii.* leave --encoding out"),
    "list": ('{"a": [1], "y": 0}\n{"a": [2], "y": 1}\n', {}, "'a' .* holds a list in each row.* --as a=ignored"),
    "nested": ('{"a": {"b": 1}, "y": 0}\n{"a": {"b": 2}, "y": 1}\n', {}, "'a' .* holds a table in each row"),
    "broken JSON": ('{"a": 1, "y": 0}\n\n{"a": 1, "y": \n', {}, "line 3 .* is not JSON"),
    "JSON of numbers": ('{"a": 1}\n3\n', {}, "must hold rows of named values.*Received: 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_place_and_speaks_as_the_command_line(tmp_path, case):
    content, options, message = REFUSED[case]
    path = table(tmp_path, content)
    with command_line(), pytest.raises(DataError, match=f"(?s){message}") as caught:
        open_file(str(path), **{"target": "y", **options})
    assert not PYTHON.search(str(caught.value).replace(str(path), "")), caught.value


def test_python_is_told_the_words_of_python(tmp_path):
    with pytest.raises(DataError, match=r"say na=\['tall'\] if it means .* columns=\{'a': 'category'\}"):
        load_table(table(tmp_path, TABLE + "tall,p,1\n"), "y")
    with pytest.raises(DataError, match=r"say header=False, .* names=\['a', 'b', 'c'\]"):
        load_table(table(tmp_path, "1,2,3\n4,5,6\n"), "y")


def test_a_file_that_is_not_there_brings_the_near_ones(tmp_path):
    table(tmp_path, TABLE, "visits.csv")
    with pytest.raises(DataError, match=r"there is no file .*vistis.csv'. Did you mean 'visits.csv'"):
        read_table(tmp_path / "vistis.csv")
    with pytest.raises(DataError, match=r"no folder .*none' either"):
        read_table(tmp_path / "none" / "visits.csv")
    with pytest.raises(DataError, match=r"cannot read .* directory"):
        read_table(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is a folder without images, recordings or tables"):
        open_file(str(tmp_path / "empty"), target="y")


DAMAGED = {
    "table.csv.gz": gzip.compress(TABLE.encode())[:-20],
    "table.csv.bz2": bz2.compress(TABLE.encode())[:-20],
    "table.zip": b"PK\x03\x04abc",
    "table.csv.zst": b"\x28\xb5\x2f\xfdabc",
    "table.parquet": b"PAR1abc",
    "table.arrow": b"ARROW1abcdef",
    "table.npy": b"\x93NUMPYabc",
    "table.xls": b"\xd0\xcf\x11\xe0abc",
    "program.csv": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=re.escape(name)):
        read_table(table(tmp_path, DAMAGED[name], name))


def test_nested_columns_can_be_left_out(tmp_path):
    path = tmp_path / "lists.parquet"
    pa.parquet.write_table(pa.table({"tags": [["a"], [], None], "x": [1, 2, 3], "y": [0, 1, 1]}), path)
    with pytest.raises(DataError, match=r"'tags' .* holds a list in each row"):
        load_table(path, "y")
    assert load_table(path, "y", columns={"tags": "ignored"}, held_out=None).features == ("x",)


def test_a_name_that_json_rows_lack_is_a_missing_value(tmp_path):
    rows = [{"x": 1.5, "y": "a"}, {"y": "b"}, {"x": "2.5", "y": "a", "z": 1}]
    for path in (
        table(tmp_path, "\n".join(map(json.dumps, rows)), "rows.jsonl"),
        table(tmp_path, json.dumps(rows), "rows.json"),
    ):
        read = read_table(path)
        assert list(read.columns) == ["x", "y", "z"]
        assert read.texts("x").to_list() == ["1.5", None, "2.5"]
        assert np.isnan(read.columns["z"][:2]).all()


# ---- Excel ----


def sheet(tmp_path, rows, name="table.xlsx"):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / name)
    return tmp_path / name


def test_a_sheet_with_lines_before_its_header_gaps_and_dates(tmp_path):
    day = datetime.datetime(2024, 1, 31)
    rows = [["Report"], [], ["day", "age", "code", "y"], [day, 1.5, "007", "a"], [None] * 4, [day, None, "7", "b"]]
    read = read_table(sheet(tmp_path, rows))
    assert list(read.columns) == ["day", "age", "code", "y"]
    assert read.columns["day"][0] == np.datetime64("2024-01-31")
    assert read.texts("code").to_list() == ["007", "7"]
    assert [read.row_name(row) for row in range(2)] == ["line 4", "line 6"]
    assert read.notes == ("the first 2 rows left out: no table yet", "1 empty row left out")


def test_a_column_of_several_kinds_is_of_texts(tmp_path):
    read = read_table(sheet(tmp_path, [["a", "y"], [1, 0], ["x", 1], [True, 0]]))
    assert read.texts("a").to_list()[:2] == ["1", "x"]


def test_a_sheet_without_names(tmp_path):
    path = sheet(tmp_path, [[1.5, "p"], [2.5, "q"]])
    with pytest.raises(DataError, match=r"line 1 .* holds numbers"):
        read_table(path)
    assert list(read_table(path, header=False).columns) == ["column_1", "column_2"]
    assert list(read_table(path, names=["a", "b"]).columns) == ["a", "b"]
    with pytest.raises(DataError, match="3 names for the 2 columns"):
        read_table(path, names=["a", "b", "c"])


def test_an_empty_sheet_is_refused_and_further_sheets_are_reported(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        read_table(sheet(tmp_path, []))
    with pd.ExcelWriter(tmp_path / "two.xlsx") as book:
        for name in ("visits", "prices"):
            pd.DataFrame({"a": [1.5], "y": [name]}).to_excel(book, sheet_name=name, index=False)
    assert read_table(tmp_path / "two.xlsx").notes == ("the first sheet, 'visits', is read, not 'prices'",)


# ---- Arrays ----


def test_files_of_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.zeros((4, 2)))
    with pytest.raises(DataError, match=r"holds the arrays features. It must hold inputs and targets as x and y"):
        open_file(str(tmp_path / "a.npz"))
    with pytest.raises(DataError, match="takes no --target"):
        open_file(str(tmp_path / "a.npz"), target="y")
    with pytest.raises(DataError, match=r"there is no file .*b.npz'. Did you mean 'a.npz'"):
        open_file(str(tmp_path / "b.npz"))
    for content in (b"PK\x03\x04abc", b"abc"):
        with pytest.raises(DataError, match=r"cannot read .*c.npz"):
            open_file(str(table(tmp_path, content, "c.npz")))
