"""What people met with their own data, and the right answer to each."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import pellucid as pel
from pellucid.core.errors import DataError, ShapeError
from pellucid.data.preprocessing import usual_preprocessing

SHORT = {"epochs": 2, "progress": False}


def table(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def csv_of(tmp_path, columns, **options):
    path = tmp_path / "table.csv"
    pd.DataFrame(columns).to_csv(path, index=False, **options)
    return path


def column(data, name):
    return next(column for column in data.encoder.columns if column.name == name)


def whole(path, target, **options):
    return pel.load_table(path, target, held_out=None, **options)


# ---- Numbers ----


def test_a_price_is_predicted_in_its_own_units_without_an_option(tmp_path, rng):
    size, km = rng.uniform(35, 160, 300).round(1), rng.uniform(1, 20, 300).round(1)
    price = (20_000 + 2_700 * size - 2_000 * km + rng.normal(0, 12_000, 300)).round()
    data = pel.load_table(csv_of(tmp_path, {"size": size, "km": km, "price": price}), "price")
    run = pel.train((16,), data, epochs=60, progress=False)
    guess = np.abs(data.held_out.y - np.median(data.train.y)).mean()
    assert run.result["mean_absolute_error"] < guess / 4
    assert 50_000 < run.predict([{"size": 100, "km": 5}])[0] < 500_000


def test_two_targets_of_unlike_size_are_both_learnt(rng):
    x = rng.normal(size=(300, 2))
    y = np.stack([1000 * x[:, 0] + 5000, 0.01 * x[:, 1]], axis=1)
    run = pel.train((16,), (x, y), epochs=30, progress=False)
    error = np.abs(run.predict(x) - y).mean(axis=0)
    assert (error < 0.6 * y.std(axis=0)).all()


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (['"1,163.74"', '"2,400.00"', "12.5"], [1163.74, 2400, 12.5]),
        (['"4,300"', '"1,204,300"', "900"], [4300, 1204300, 900]),
        (['"$1,500"', "$20", '"$1,234,567"'], [1500, 20, 1234567]),
        (["12%", "3.5%", "100 %"], [12, 3.5, 100]),
        (['"1.163,74"', '"7,5"', '"900"'], [1163.74, 7.5, 900]),
        (["(1500)", "−20", "+3"], [-1500, -20, 3]),
    ],
)
def test_numbers_are_read_as_people_write_them(tmp_path, cells, values):
    rows = "\n".join(f"{cell},{i % 2}" for i, cell in enumerate(cells * 4))
    data = whole(table(tmp_path, f"amount,y\n{rows}\n"), "y")
    assert column(data, "amount").kind == "number"
    np.testing.assert_allclose(data.train.x[:3, 0], values, rtol=1e-6)


def test_a_question_mark_is_a_missing_number_and_own_markers_are_an_option(tmp_path):
    cells = ["36.5", "?", "37.1", "38.2", "?"] * 6
    path = csv_of(tmp_path, {"temperature": cells, "y": [0, 1, 1, 0, 1] * 6})
    data = whole(path, "y")
    assert data.features == ("temperature",)
    assert data.train.x[1, 0] == pytest.approx(37.1)
    assert any("12 missing, taken as 37.1" in note for note in data.notes)
    assert pel.load_table(path, "y", missing="drop", held_out=None).train.x.shape == (18, 1)
    other = csv_of(tmp_path, {"temperature": [cell.replace("?", "-999") for cell in cells], "y": [0, 1] * 15})
    data = whole(other, "y", na=["-999"])
    assert data.train.x[1, 0] == pytest.approx(37.1)
    np.testing.assert_array_equal(data.encoder.encode(other), data.train.x)


def test_numbers_of_a_category_are_not_asked_to_be_one_of_those_seen(tmp_path):
    data = whole(csv_of(tmp_path, {"temperature": [36.5, 37.0] * 10, "y": [0, 1] * 10}), "y")
    assert data.encoder.encode([{"temperature": 36.05}]).tolist() == [[pytest.approx(36.05)]]


# ---- Targets ----


@pytest.mark.parametrize("y", [np.array([0.0, 1.0] * 20), np.array([0, 1] * 20, "float32"), [0.0, 1.0] * 20])
def test_classes_written_as_floats_are_two_classes_and_reported(y):
    data = pel.make_dataset(np.arange(80.0).reshape(40, 2), y)
    assert (data.task, data.classes) == ("binary", ("0", "1"))
    assert any("2 distinct whole numbers" in note and "task='regression'" in note for note in data.notes)


def test_float_labels_of_a_file_are_two_classes(tmp_path):
    data = whole(csv_of(tmp_path, {"x": range(40), "y": [0.0, 1.0] * 20}), "y")
    assert (data.task, data.classes) == ("binary", ("0", "1"))


def test_forty_whole_numbers_are_a_quantity_and_the_choice_is_reported(rng):
    age = rng.integers(18, 61, 300)
    data = pel.make_dataset(rng.normal(size=(300, 2)), age)
    assert data.task == "regression"
    assert any("distinct whole numbers" in note and "multiclass" in note for note in data.notes)


def test_two_targets_are_two_outputs_and_no_inputs(tmp_path, rng):
    numbers = {name: rng.normal(size=40).round(3) for name in ("heat", "time", "yield", "purity")}
    data = whole(csv_of(tmp_path, numbers), ["yield", "purity"])
    assert (data.features, data.targets, data.train.y.shape) == (("heat", "time"), ("yield", "purity"), (40, 2))


def test_tags_are_a_multilabel_target(tmp_path):
    tags = {"len": range(40), "is_news": [1, 0] * 20, "is_paid": [0, 1, 1, 1] * 10}
    data = whole(csv_of(tmp_path, tags), ["is_news", "is_paid"])
    assert (data.task, data.classes) == ("multilabel", ("is_news", "is_paid"))


def test_labels_of_minus_one_and_one_are_classes_for_the_hinge(rng):
    x = rng.normal(size=(120, 2))
    y = np.where(x[:, 0] > 0, 1.0, -1.0)
    run = pel.train((), (x, y), loss="hinge", epochs=20, learning_rate=0.05, progress=False)
    assert np.mean(run.predict(x).astype(float) == y) > 0.9


# ---- Texts ----


def test_leading_zeros_are_kept_in_labels_and_codes(tmp_path):
    cells = {"part": ["010", "10", "7"] * 8, "y": ["007", "7"] * 12}
    data = whole(csv_of(tmp_path, cells), "y", task="binary")
    assert data.classes == ("007", "7")
    assert data.features == ("part=010", "part=10", "part=7")


def test_na_stays_a_country_among_codes_of_two_letters_and_by_option(tmp_path):
    codes = {"country": ["NA", "DE", "FR", "NA"] * 8, "y": [0, 1] * 16}
    assert whole(csv_of(tmp_path, codes), "y").features == ("country=DE", "country=FR", "country=NA")
    names = {"country": ["NA", "Germany", "FR", "NA"] * 8, "y": [0, 1] * 16}
    assert "country=NA" in whole(csv_of(tmp_path, names), "y", na=[]).features
    assert "country=NA" not in whole(csv_of(tmp_path, names), "y").features


def test_a_category_not_seen_in_training_is_predicted_by_option_and_flagged(tmp_path):
    data = whole(csv_of(tmp_path, {"colour": ["red", "blue"] * 10, "size": range(20), "y": [0, 1] * 10}), "y")
    new = table(tmp_path, "colour,size\nred,1\ngreen,2\n", "new.csv")
    with pytest.raises(DataError, match=r"'green' at line 3, .*unknown=True"):
        data.encoder.encode(new)
    x, flags, _ = data.encoder.encode_flagged(new)
    assert x[1].tolist() == [0, 0, 2]
    assert flags.tolist() == ["", "colour 'green' is unknown"]


@pytest.mark.parametrize("header", ["", "Unnamed: 0", "index", "row_id"])
def test_an_index_column_is_left_out_and_reported(tmp_path, header):
    rows = "\n".join(f"{i},{i % 7}.5,{i % 2}" for i in range(30))
    data = whole(table(tmp_path, f"{header},a,y\n{rows}\n"), "y")
    assert data.features == ("a",)
    assert any(note.startswith("left out") and "counts the rows" in note for note in data.notes)


def test_a_header_in_decomposed_unicode_is_found_by_its_name(tmp_path):
    data = whole(table(tmp_path, "Gro\u0308ße,y\n" + "1.5,a\n2.5,b\n" * 5), "y", columns={"Größe": "number"})
    assert data.features == ("Größe",)
    assert data.encoder.encode([{"Gro\u0308ße": 1}]).tolist() == data.encoder.encode([{"Größe": 1}]).tolist()
    np.testing.assert_array_equal(data.train.x, whole(tmp_path / "table.csv", "y").train.x)
    assert whole(tmp_path / "table.csv", "Größe").targets == ("Größe",)


# ---- Rows ----


def test_a_series_is_divided_by_time_and_read_in_windows(tmp_path):
    hours = pd.date_range("2024-01-01", periods=200, freq="h").astype(str)
    load = np.sin(np.arange(200) / 24 * 2 * np.pi).round(3)
    path = csv_of(tmp_path, {"time": hours[::-1], "load": load[::-1]})
    data = pel.load_table(path, "load", time="time", window=24, horizon=2)
    assert data.train.x.shape[1] == 24
    assert data.train.y.shape[1] == 2
    np.testing.assert_allclose(data.train.y[0], load[24:26], atol=1e-6)
    np.testing.assert_allclose(data.held_out.y[-1], load[-2:], atol=1e-6)
    assert data.train.rows.max() != data.held_out.rows.max()
    plain = pel.load_table(path, "load", time="time")
    assert len(plain.held_out) == 40
    np.testing.assert_allclose(np.sort(plain.held_out.y[:, 0]), np.sort(load[-40:]), atol=1e-6)


def test_gaps_and_repeated_times_of_a_series_are_reported_and_no_other_file_is_held_out(tmp_path):
    hours = pd.date_range("2024-01-01", periods=60, freq="h").astype(str)
    path = csv_of(tmp_path, {"time": [*hours[:20], *hours[19:40], *hours[44:]], "load": np.arange(57.0)})
    notes = pel.load_table(path, "load", time="time", window=4).notes
    assert {"gaps in 'time', over which windows run: 1", "times in 'time' that repeat: 1"} <= set(notes)
    with pytest.raises(DataError, match="the last windows are held out, not another file"):
        pel.load_table(path, "load", time="time", window=4, held_out=path)


def test_columns_in_another_order_are_matched_by_name(rng):
    frame = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])
    run = pel.train((16,), (frame, np.where(frame.a + frame.b > frame.c, "up", "down")), **SHORT)
    np.testing.assert_array_equal(run.outputs(frame[["c", "b", "a"]]), run.outputs(frame))
    with pytest.raises(DataError, match="no column 'b'"):
        run.predict(frame[["c", "a"]])


def test_weights_stay_with_their_rows_through_the_split(rng):
    x = rng.normal(size=(100, 1))
    weights = np.where(x[:, 0] > 0, 0.0, 1.0)
    data = pel.make_dataset(x, np.ones(100) + x[:, 0], weights=weights)
    for part in (data.train, data.held_out):
        np.testing.assert_array_equal(part.weights, np.where(part.x[:, 0] > 0, 0, 1))


def test_a_wrong_row_that_weighs_nothing_teaches_nothing(rng):
    x = rng.normal(size=(100, 1))
    wrong = x[:, 0] > 0
    y, weights = np.where(wrong, 100.0, 1.0), np.where(wrong, 0.0, 1.0)
    data = pel.make_dataset(x, y, weights=weights, task="regression")
    run = pel.train((), data, learning_rate=0.1, epochs=40, progress=False)
    assert run.predict(np.array([[-1.0]]))[0] == pytest.approx(1, abs=0.1)


# ---- Arrays ----


def test_masked_values_are_missing(rng):
    values = np.ma.masked_array(rng.normal(size=(40, 2)), np.zeros((40, 2), bool))
    values[3, 1] = np.ma.masked
    values.data[3, 1] = 1e9
    data = pel.make_dataset(values, [0, 1] * 20, held_out=None)
    assert np.abs(data.train.x).max() < 10
    assert any("1 missing" in note for note in data.notes)


def test_a_sparse_matrix_is_read(rng):
    matrix = rng.integers(0, 3, (40, 5)).astype(float)
    data = pel.make_dataset(scipy.sparse.csr_matrix(matrix), [0, 1] * 20, held_out=None)
    np.testing.assert_array_equal(data.train.x, matrix)


def test_a_generator_is_refused_with_what_to_give():
    with pytest.raises(DataError, match=r"can be read once only. Give list\(x\)"):
        pel.make_dataset((row for row in [[1], [2]]), [0, 1])


def test_the_shape_not_the_dtype_decides_the_scaling(rng):
    ages = rng.integers(0, 90, (50, 3))
    for dtype in ("uint8", "int64", "float32"):
        scaled = usual_preprocessing(ages.astype(dtype)).apply_numpy(ages)
        np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-3)
    pixels = rng.integers(0, 256, (5, 28, 28))
    pixels[0, 0, 0] = 255
    for dtype in ("uint8", "int64", "float32"):
        np.testing.assert_allclose(
            usual_preprocessing(pixels.astype(dtype)).apply_numpy(pixels), pixels / 255, rtol=1e-5
        )


def test_tokens_are_never_scaled(rng):
    tokens = rng.integers(0, 20, (60, 8))
    network = pel.Network(pel.Embedding(20, 4), pel.Flatten(), pel.Dense(3, activation="softmax"))
    run = pel.train(network, (tokens, tokens[:, :2].sum(axis=1) % 3), **SHORT)
    assert run.facts.preprocessing.is_identity
    with pytest.raises(DataError, match="20"):
        run.predict(np.full((1, 8), 20))


def test_an_autoencoder_learns_from_inputs_alone(rng):
    network = {"name": "autoencoder", "code": 2}
    run = pel.train(network, rng.normal(size=(60, 6)), **SHORT)
    assert run.facts.task == "reconstruction"
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    assert pel.train(network, frame, **SHORT).predict(frame).shape == (60, 3)


def test_a_run_on_arrays_says_that_a_file_is_no_array(tmp_path, rng):
    run = pel.train((4,), (rng.normal(size=(40, 2)), [0, 1] * 20), **SHORT)
    with pytest.raises(DataError, match="trained on"):
        run.predict(str(csv_of(tmp_path, {"a": [1], "b": [2]})))


def test_an_array_of_another_width_is_refused_with_the_columns_that_are_meant():
    rows = [{"size": float(i), "city": "ab"[i % 2], "y": 1.5 * i} for i in range(40)]
    run = pel.train((4,), pel.load_table(rows, "y"), epochs=1, progress=False)
    with pytest.raises(ShapeError, match=r"the 2 that the inputs are made of: size, city\. Received shape \(2, 5\)"):
        run.predict(np.zeros((2, 5)))


@pytest.mark.parametrize(("write", "kind", "task"), [("{}", int, "multiclass"), ("{}.0", float, "regression")])
def test_whole_numbers_are_grades_unless_they_are_written_with_a_point(tmp_path, write, kind, task):
    grades = [3 + i % 5 for i in range(60)]
    path = table(tmp_path, "x,grade\n" + "\n".join(f"{i % 7},{write.format(g)}" for i, g in enumerate(grades)))
    columns = {"x": np.arange(60.0) % 7, "grade": np.array(grades, kind)}
    rows = [{"x": i % 7, "grade": kind(grade)} for i, grade in enumerate(grades)]
    for source in (path, columns, rows, pd.DataFrame(columns)):
        assert pel.load_table(source, "grade").task == task
    zeros_and_ones = {"x": columns["x"], "ill": np.array([i % 2 for i in range(60)], kind)}
    assert pel.load_table(zeros_and_ones, "ill").task == "binary"
