"""load_table: the same table whatever its container, and every fault named with its place."""

import json
import zipfile

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pellucid.core.errors import DataError, InvalidValue, MissingExtra
from pellucid.data import TableEncoder, load_table

CITIES = ["Paris", "Rome", "Oslo"]


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 80, 60),
            "dose": np.round(rng.normal(5, 2, 60), 3),
            "city": [CITIES[i % 3] for i in range(60)],
            "ill": ["yes" if i % 4 == 0 else "no" for i in range(60)],
        }
    )


def write(tmp_path, text, name="table.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_text(text, encoding=encoding, newline="")
    return path


def lines(*rows, header="age,city,ill"):
    return "\n".join([header, *rows]) + "\n"


TEN = [f"{20 + i},{CITIES[i % 3]},{'yes' if i % 2 else 'no'}" for i in range(10)]


# ---- one table, many containers ----


def test_csv_parquet_pandas_arrow_and_rows_give_the_same_dataset(tmp_path, frame):
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet")
    sources = [
        frame,
        pyarrow.Table.from_pandas(frame),
        frame.to_dict("records"),
        tmp_path / "t.csv",
        str(tmp_path / "t.tsv"),
        tmp_path / "t.parquet",
    ]
    prints = {load_table(source, "ill").fingerprint for source in sources}
    assert len(prints) == 1


def test_agrees_with_scikit_learn_fitted_on_the_training_rows(frame):
    data = load_table(frame, "ill", held_out=None)
    oracle = ColumnTransformer([("n", StandardScaler(), ["age", "dose"]), ("c", OneHotEncoder(), ["city"])])
    expected = oracle.fit_transform(frame)
    expected = expected.toarray() if hasattr(expected, "toarray") else expected
    np.testing.assert_allclose(data.preprocessing.apply_numpy(data.train.x), expected, atol=1e-5)
    assert data.features == ("age", "dose", "city=Oslo", "city=Paris", "city=Rome")


def test_standardisation_is_learnt_from_the_training_rows_and_leaves_zeros_and_ones(frame):
    data = load_table(frame, "ill")
    seen = data.preprocessing.apply_numpy(data.train.x)
    np.testing.assert_allclose(seen[:, :2].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(seen[:, :2].std(axis=0), 1, atol=1e-5)
    assert set(np.unique(seen[:, 2:])) == {0, 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    text = lines(*TEN).replace(",", delimiter)
    assert load_table(write(tmp_path, text), "ill").input_shape == (4,)


def test_byte_order_mark_quotes_blank_lines_and_windows_line_ends_are_read(tmp_path):
    text = 'age,"city, country",ill\r\n' + "".join(f'{i},"R{i % 2}\nItaly",{i % 2}\r\n\r\n' for i in range(10))
    data = load_table(write(tmp_path, text, encoding="utf-8-sig"), "ill", held_out=None)
    assert data.features == ("age", "city, country=R0\nItaly", "city, country=R1\nItaly")
    assert data.task == "binary"


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["0", "1"], "binary"),
        (["1.5", "2.5"], "regression"),
        (["a", "b"], "binary"),
        (["1", "2", "3", "4", "5"], "multiclass"),
    ],
)
def test_the_task_follows_the_target_column(tmp_path, cells, task):
    text = lines(*[f"{i},{cells[i % len(cells)]}" for i in range(40)], header="x,y")
    assert load_table(write(tmp_path, text), "y").task == task


def test_numbers_declared_categorical_are_the_same_categories_in_file_and_frame(tmp_path):
    frame = pd.DataFrame({"code": [10.0, 20.0] * 10, "y": [0, 1] * 10})
    path = write(tmp_path, lines(*["10,0", "20,1"] * 10, header="code,y"))
    for source in (frame, path):
        assert load_table(source, "y", columns={"code": "category"}).features == ("code=10", "code=20")


def test_real_molecules(shared_data):
    data = load_table(
        shared_data / "molecules" / "delaney-processed.csv",
        "measured log solubility in mols per litre",
        columns={"ESOL predicted log solubility in mols per litre": "ignored"},
    )
    assert (data.task, len(data.train), data.held_out and len(data.held_out)) == ("regression", 902, 226)
    assert "Molecular Weight" in data.features
    kinds = {column.name: column.kind for column in data.encoder.columns}
    assert (kinds["Compound ID"], kinds["smiles"]) == ("identifier", "identifier")


def test_columns_that_are_no_inputs_are_left_out_and_reported(shared_data):
    with pytest.raises(DataError, match=r"no column left to predict 'BBBP' from. 'smiles' is identifier \(2,050"):
        load_table(shared_data / "molecules" / "BBBP.csv", "BBBP")
    rows = [{"id": 7 * i, "size": i % 5, "remark": f"sold to customer {i} today", "y": i % 2} for i in range(40)]
    data = load_table(rows, "y")
    assert data.features == ("size",)
    assert "id (identifier: a number of its own in each row), remark (text: 40 distinct texts" in " ".join(data.notes)


# ---- missing values ----


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NaN", "null", " n/a "])
def test_a_missing_value_is_refused_with_line_and_column(tmp_path, cell):
    path = write(tmp_path, lines(*TEN, f"{cell},Rome,no"))
    with pytest.raises(DataError, match=r"column 'age' has no value at line 12.*missing='drop'"):
        load_table(path, "ill", missing="refuse")
    data = load_table(path, "ill", held_out=None)
    assert data.train.x[10, 0] == 24.5
    assert "age: 1 missing, taken as 24.5" in data.notes


def test_dropped_rows_leave_the_rest_and_errors_still_name_the_original_line(tmp_path):
    path = write(tmp_path, lines(",Rome,no", *TEN))
    assert len(load_table(path, "ill", missing="drop", held_out=None).train) == 10
    path = write(tmp_path, lines(",Rome,no", *TEN, "1e99,Rome,yes"))
    with pytest.raises(DataError, match=r"column 'age' .*holds 1e\+99 at line 13. That is beyond float32"):
        load_table(path, "ill", missing="drop")


@pytest.mark.parametrize(("missing", "value"), [("mean", 3.75), ("median", 2.0), ("most_frequent", 1.0)])
def test_fills_are_those_of_the_training_rows(tmp_path, missing, value):
    # Rows of 1, 2, 10 and one gap; the gap is filled from the others whatever the rows held out.
    cells = ["1", "1", "3", "10", ""]
    path = write(tmp_path, lines(*[f"{cell},{i % 2}" for i, cell in enumerate(cells)], header="x,y"))
    data = load_table(path, "y", missing=missing, held_out=None)
    assert data.train.x[4, 0] == value
    assert data.encoder is not None
    np.testing.assert_array_equal(data.encoder.encode([{"x": None}]), [[value]])


def test_the_mean_ignores_the_held_out_rows(frame):
    frame["dose"] = frame["dose"].mask(frame.index % 7 == 0)
    data = load_table(frame, "ill", missing="mean")
    assert data.encoder is not None
    fill = data.encoder.encode([{"age": 1, "dose": None, "city": "Rome"}])[0, 1]
    filled = np.isclose(data.train.x[:, 1], fill, atol=1e-6)
    assert filled.any()
    np.testing.assert_allclose(data.train.x[~filled, 1].mean(), fill, rtol=1e-5)


def test_a_missing_category_gets_the_most_frequent(tmp_path):
    path = write(tmp_path, lines(*TEN, "30,,no"))
    data = load_table(path, "ill", missing="mean", held_out=None)
    assert data.train.x[10].tolist() == [30, 0, 1, 0]  # Paris, at 4 of 10


def test_a_missing_target_is_never_filled_in(tmp_path):
    path = write(tmp_path, lines(*TEN, "30,Rome,"))
    data = load_table(path, "ill", missing="mean", held_out=None)
    assert len(data.train) == 10
    assert "1 rows without a target left out" in data.notes
    with pytest.raises(DataError, match=r"target 'ill' has no value at line 12, 1 rows in all.*'drop'"):
        load_table(path, "ill", missing="refuse")


@pytest.mark.parametrize("dtype", ["float64", "Float64", "Int64", "object", "double[pyarrow]"])
def test_gaps_of_every_kind_of_pandas_column_are_missing(dtype):
    column = pd.Series([1, None, 3, 4] * 3, dtype=dtype)
    frame = pd.DataFrame({"x": column, "y": [0, 1] * 6})
    with pytest.raises(DataError, match="column 'x' has no value at row 1"):
        load_table(frame, "y", missing="refuse")
    assert load_table(frame, "y", missing="drop", held_out=None).train.x.ravel().tolist() == [1, 3, 4] * 3


def test_a_column_without_any_value_is_left_out(tmp_path):
    path = write(tmp_path, lines(*[f",{row}" for row in TEN], header="gap,age,city,ill"))
    data = load_table(path, "ill", missing="mean")
    assert data.features[0] == "age"
    assert "left out: gap (ignored: no value in any row)" in data.notes


# ---- prediction on new rows ----


def test_a_new_file_is_encoded_like_the_training_rows_and_may_lack_the_target(tmp_path, frame):
    data = load_table(frame, "ill", held_out=None)
    assert data.encoder is not None
    shuffled = frame[["city", "age", "dose"]].assign(note="passed over")
    shuffled.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_array_equal(data.encoder.encode(tmp_path / "new.csv"), data.train.x)


def test_the_encoder_survives_json(frame):
    data = load_table(frame, "ill", held_out=None, missing="mean")
    assert isinstance(data.encoder, TableEncoder)
    again = TableEncoder.from_dict(json.loads(json.dumps(data.encoder.to_dict())))
    assert again == data.encoder
    np.testing.assert_array_equal(again.encode(frame), data.train.x)


def test_an_unknown_category_is_named_with_the_known_ones(frame):
    encoder = load_table(frame, "ill").encoder
    assert encoder is not None
    rows = [{"age": 1, "dose": 2, "city": city} for city in ("Rome", "Romme")]
    with pytest.raises(DataError, match=r"holds 'Romme' at row 1.*Known: 'Oslo', 'Paris', 'Rome'.*mean 'Rome'"):
        encoder.encode(rows)


def test_new_rows_with_faults_are_refused(frame):
    encoder = load_table(frame, "ill", missing="refuse").encoder
    assert encoder is not None
    with pytest.raises(DataError, match=r"column 'age' .*holds the text 'old' at row 0"):
        encoder.encode([{"age": "old", "dose": 2, "city": "Rome"}])
    with pytest.raises(DataError, match=r"column 'dose' has no value at row 0"):
        encoder.encode([{"age": 1, "dose": None, "city": "Rome"}])
    with pytest.raises(DataError, match=r"no column 'age'. Did you mean 'Age'\?"):
        encoder.encode([{"Age": 1, "dose": 1, "city": "Rome"}])


# ---- refusals ----


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines(*TEN[:3], "1,2"), r"line 5 .* has 2 cells where 3 are expected \(age, city, ill\)"),
        (lines('"a\nb",Rome,no', "1,2"), r"line 4 .* has 2 cells"),
        ("", r"is empty"),
        ("\n", r"is empty"),
        ("age,city,ill\n", r"has a header and no rows"),
        (lines(*TEN, header="age,age,ill"), r"two columns named 'age' \(columns 1 and 2\)"),
        (lines("1,2,3", "4,5,6", header="7,8,9"), r"line 1 .* holds numbers: 7, 8, 9.*header=False.*names="),
        (lines(*TEN, '"open,Rome,no'), r"odd number of quotes.*line 12"),
        (lines(*[row.replace("yes", "no") for row in TEN]), r"one class only, 'no'"),
        (lines(*TEN, "old,Rome,no"), r"'age' .*holds the text 'old' at line 12, where 10 of 11 .*'category'"),
        (lines(*TEN, "inf,Rome,no"), r"column 'age' .*holds (inf|the text 'inf') at line 12"),
        (lines(*[f"{1.7e9 + i:.0f},Rome,{i % 2}" for i in range(10)]), r"column 'age' runs from 17000"),
    ],
)
def test_a_faulty_file_is_refused_with_the_place(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load_table(write(tmp_path, text), "ill")


def test_a_frame_may_have_headers_that_are_numbers_but_not_twice_the_same(frame):
    named = frame.rename(columns={"age": 0, "dose": 1})
    assert load_table(named, "ill").features[:2] == ("0", "1")
    with pytest.raises(DataError, match=r"the data frame cannot be read.*unique(.|\n)*'age' 2 times"):
        load_table(frame.rename(columns={"dose": "age"}), "ill")


def test_many_categories_are_allowed_where_declared(tmp_path):
    path = write(tmp_path, lines(*[f"1,name {i},{i % 2}" for i in range(30)]))
    assert load_table(path, "ill", columns={"city": "category"}).input_shape == (31,)


def test_text_among_the_numbers_of_the_target_is_refused(tmp_path):
    path = write(tmp_path, lines(*[f"{i},{i / 7}" for i in range(20)], "20,high", header="x,y"))
    with pytest.raises(DataError, match=r"'y' .*holds the text 'high' at line 22, where 20 of 21"):
        load_table(path, "y")


def test_a_regression_of_text_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"column 'ill' .*holds the text 'no' at line 2, where a number"):
        load_table(write(tmp_path, lines(*TEN)), "ill", task="regression")


@pytest.mark.parametrize("argument", ["target", "columns", "weights", "time", "group"])
def test_a_column_that_is_not_there_brings_the_near_ones(tmp_path, argument):
    options = {"target": "ill"} | {argument: {"agge": "number"} if argument == "columns" else "agge"}
    with pytest.raises(DataError, match=r"no column 'agge'. Did you mean 'age'\? Columns: 'age', 'city', 'ill'"):
        load_table(write(tmp_path, lines(*TEN)), **options)


def test_nothing_left_to_predict_from_is_refused(tmp_path):
    with pytest.raises(DataError, match="no column left to predict 'ill' from"):
        load_table(write(tmp_path, lines(*TEN)), "ill", columns={"age": "ignored", "city": "ignored"})


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*absent.csv"):
        load_table(tmp_path / "absent.csv", "ill")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="is not a Parquet file"):
        load_table(tmp_path / "t.parquet", "ill")
    with pytest.raises(DataError, match=r"Received: an int"):
        load_table(3, "ill")
    with pytest.raises(DataError, match=r"row 1 has the columns a, c; row 0 has a, b"):
        load_table([{"a": 1, "b": 2}, {"a": 1, "c": 2}], "a")


def test_excel_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fastexcel", None)
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(MissingExtra, match=r"pip install 'pellucid\[excel\]'"):
        load_table(tmp_path / "t.xlsx", "ill")


def test_an_unknown_way_with_missing_values_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match=r"'refuse', 'drop', 'mean'.*'zero'"):
        load_table(write(tmp_path, lines(*TEN)), "ill", missing="zero")


def test_a_column_of_weights_goes_with_its_rows_and_is_no_input():
    rows = [{"a": float(i), "w": i % 3, "y": 2.0 * i} for i in range(30)]
    data = load_table(rows, target="y", weights="w")
    assert data.features == ("a",)
    for part in (data.train, data.held_out):
        np.testing.assert_array_equal(part.weights, part.x[:, 0] % 3)


@pytest.mark.parametrize(("value", "said"), [("-1", "'-1'"), ("much", "'much'"), ("", "no value")])
def test_a_weight_that_is_none_is_refused_with_its_line(tmp_path, value, said):
    path = tmp_path / "weighted.csv"
    path.write_text(f"a,w,y\n1,1,2.5\n2,{value},3.5\n3,1,4.5\n")
    with pytest.raises(DataError, match=f"weights 'w' holds {said} at line 3"):
        load_table(path, target="y", weights="w", held_out=None)
    with pytest.raises(DataError, match="cannot be the column of weights too"):
        load_table(path, target="y", weights="y")
