"""Sequences of labels without their places in time: a network reads the digits of a picture, column by column."""

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import DataError, InvalidValue, ShapeError

QUIET = {"progress": False}
MOST = 3
READER = {"name": "lstm", "units": [32], "bidirectional": True, "mask_value": -1.0}
SMALL = {"name": "gru", "units": [8], "mask_value": -1.0}


def joined(part, rows, rng):
    """Pictures of digits side by side, as steps of a column each, with the text that they show."""
    images = part.x.reshape(-1, 8, 8).transpose(0, 2, 1)
    x, texts = np.full((rows, 8 * MOST, 8), -1.0), []
    for row in x:
        chosen = rng.integers(0, len(part), rng.integers(1, MOST + 1))
        row[: 8 * len(chosen)] = np.concatenate(images[chosen])
        texts.append("".join(str(part.y[i]) for i in chosen))
    return x, texts


@pytest.fixture(scope="module")
def pictures():
    digits, rng = pel.load_dataset("digits"), np.random.default_rng(0)
    return joined(digits.train, 700, rng), joined(digits.held_out, 200, rng)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs") / "reader"


@pytest.fixture(scope="module")
def reader(pictures, folder):
    train, held_out = pictures
    data = pel.make_dataset(*train, task="transcription", held_out=held_out)
    return pel.train(READER, data, epochs=8, learning_rate=0.02, folder=folder, **QUIET)


def distance(one, other):
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            above, row[j] = row[j], min(above + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def test_digits_of_images_that_it_never_saw_are_read(reader, pictures):
    _, (x, texts) = pictures
    assert reader.facts.task == "transcription"
    assert reader.network.names == ("bidirectional_1", "dense_1")
    assert (reader.facts.classes, reader.facts.outputs) == (tuple("0123456789"), 11)
    assert (reader.experiment.loss, reader.experiment.metrics) == ("ctc", ["label_error_rate"])
    assert list(reader.result) == ["loss", "sequence_accuracy", "label_error_rate"]
    assert reader.result["label_error_rate"] < 0.1
    read = reader.predict(x)
    edits = sum(map(distance, read, texts))
    assert reader.evaluate(x, texts)["label_error_rate"] == pytest.approx(edits / sum(map(len, texts)))
    assert reader.evaluate(x, texts) == pytest.approx(reader.result)
    assert reader.result["sequence_accuracy"] == pytest.approx(np.mean(read == np.array(texts)))
    assert reader.history.held_out[-1, 1] == pytest.approx(reader.result["sequence_accuracy"])
    numbers = [[int(digit) for digit in text] for text in texts]
    assert reader.evaluate(x, numbers) == reader.evaluate(x, texts)
    assert not reader.mask_of(x)[[len(text) == 1 for text in texts], 8:].any()
    wide = pel.losses.ctc_decode(reader.outputs(x[:20]), beam=10, mask=reader.mask_of(x[:20]))
    assert np.mean(["".join(str(label - 1) for label in row) == t for row, t in zip(wide, texts, strict=False)]) > 0.8


def test_a_saved_run_is_the_same_run(reader, pictures, folder):
    _, (x, texts) = pictures
    again = pel.load(folder)
    assert again.result == reader.result
    assert again.evaluate(x, texts) == reader.evaluate(x, texts)
    assert (again.predict(x) == reader.predict(x)).all()
    page = (folder / "report.html").read_text()
    wrong = int((reader.predict(x) != np.array(texts)).sum())
    assert f"{wrong:,} of 200 held-out sequences are read with a mistake" in page


def test_one_sequence_is_explained(reader, pictures):
    _, (x, texts) = pictures
    row = int(np.argmin([len(text) for text in texts]))
    explanation = reader.explain(x[row], texts[row])
    assert explanation.worst_error < 1e-5
    assert explanation.facts.target == texts[row]
    assert explanation.facts.prediction == reader.predict(x[row : row + 1])[0]


def test_the_doctor_reads_the_records_alone(reader):
    assert "outputs at each step" in reader.diagnose().compared
    with pytest.raises(InvalidValue, match="outputs at each step"):
        reader.prove()


@pytest.fixture(scope="module")
def toy():
    rng = np.random.default_rng(1)
    x, words = np.full((60, 9, 3), -1.0), []
    for row, length in zip(x, rng.integers(5, 10, 60), strict=True):
        labels = rng.integers(0, 3, rng.integers(1, 4))
        row[:length] = rng.normal(size=(length, 3))
        words.append([("do", "re", "mi")[label] for label in labels])
    return x, words


def test_words_are_read_as_lists_and_resuming_has_the_same_bits(toy, tmp_path):
    x, words = toy
    whole = pel.train(SMALL, (x, words), epochs=4, folder=tmp_path / "whole", **QUIET)
    assert whole.data.notes == ("target: sequences of at most 3 labels, of different lengths",)
    assert all(set(row) <= {"do", "re", "mi"} for row in whole.predict(x).tolist())
    pel.train(SMALL, (x, words), epochs=2, folder=tmp_path / "half", **QUIET)
    resumed = pel.resume(tmp_path / "half", (x, words), epochs=4, **QUIET)
    assert resumed.result == whole.result
    for layer, arrays in whole.weights.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(resumed.weights[layer][name], array)


def test_the_loss_tells_the_task_and_may_have_its_blank_elsewhere(toy):
    x, words = toy
    numbers = np.array([[*map(("do", "re", "mi").index, row), *[-1] * (3 - len(row))] for row in words])
    first = pel.train(SMALL, (x, numbers), loss="ctc", epochs=1, **QUIET)
    assert first.facts.task == "transcription"
    last = pel.train(SMALL, (x, numbers), loss={"name": "ctc", "blank": 3}, epochs=1, **QUIET)
    assert last.evaluate(x, numbers)["sequence_accuracy"] == pytest.approx(
        np.mean(last.predict(x) == np.array(["".join(str(n) for n in row if n >= 0) for row in numbers]))
    )


def test_labels_that_no_step_can_say_have_an_infinite_loss_and_an_error_rate(toy):
    x, words = toy
    run = pel.train(SMALL, (x, words), epochs=1, **QUIET)
    result = run.evaluate(x[:1], [["do"] * 9])
    assert np.isinf(result["loss"])
    assert 0 < result["label_error_rate"] <= 1
    silent = run.evaluate(x[:2], [[], words[1]])
    assert np.isfinite(silent["loss"])


def test_what_does_not_fit_is_refused(toy):
    x, words = toy
    real = (x != -1).any(axis=2).sum(axis=1)
    row = int(np.argmin(real))
    long = [*words[:row], ["do"] * 4, *words[row + 1 :]]
    with pytest.raises(DataError, match=rf"row {row} has 4 labels, which need 7 steps .* answers at {real[row]} "):
        pel.train(SMALL, (x, long), epochs=1, **QUIET)
    with pytest.raises(ShapeError, match="return_sequences=True"):
        pel.train(pel.Network(pel.GRU(4), pel.Dense(4)), (x, words), epochs=1, **QUIET)
    with pytest.raises(ShapeError, match=r"\(transcription\)\..*Fitting losses: ctc"):
        pel.train(SMALL, (x, words), loss="mean_squared_error", epochs=1, **QUIET)
    with pytest.raises(ShapeError, match=r'task="transcription"'):
        pel.train(SMALL, pel.make_dataset(x, [row[0] for row in words]), loss="ctc", epochs=1, **QUIET)
    with pytest.raises(InvalidValue, match="sequence_accuracy"):
        pel.train(SMALL, (x, words), metrics=["f1"], epochs=1, **QUIET)
    with pytest.raises(InvalidValue, match=r"one of the 4 outputs, 0 to 3\. Received: blank=4"):
        pel.train(SMALL, (x, words), loss={"name": "ctc", "blank": 4}, epochs=1, **QUIET)
    with pytest.raises(DataError, match="one input and one output"):
        pel.make_dataset({"a": x, "b": x}, words, task="transcription")
    with pytest.raises(DataError, match="an int at row 0"):
        pel.make_dataset(x, [1] * len(x), task="transcription")


def test_the_command_line_trains_and_predicts(toy, tmp_path):
    x, words = toy
    numbers = [[*map(("do", "re", "mi").index, row), *[-1] * (3 - len(row))] for row in words]
    np.savez(tmp_path / "songs.npz", x=x, y=np.array(numbers))
    np.save(tmp_path / "new.npy", x[:4])
    run = CliRunner().invoke
    options = ["--network", "gru", "--task", "transcription", "--epochs", "1", "--folder", str(tmp_path / "run")]
    trained = run(main, ["train", str(tmp_path / "songs.npz"), *options])
    assert trained.exit_code == 0, trained.output
    predicted = run(main, ["predict", str(tmp_path / "run"), str(tmp_path / "new.npy")])
    assert predicted.exit_code == 0, predicted.output
    assert predicted.output.splitlines()[1] == "prediction"
