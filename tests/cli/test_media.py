"""Recordings and texts on the command line: from raw files to a run and back."""

import csv
import io

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from pellucid.cli.main import main


@pytest.fixture
def recordings(tmp_path):
    (tmp_path / "calls").mkdir()
    for label, hertz in (("low", 300), ("high", 900)):
        for i in range(6):
            sound = 0.3 * np.sin(2 * np.pi * (hertz + 20 * i) * np.arange(800) / 8000)
            soundfile.write(tmp_path / "calls" / f"{label}_{i}.wav", sound, 8000)
    return tmp_path / "calls"


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def predictions(result):
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["in memory", "streamed"])
def test_a_folder_of_recordings(recordings, tmp_path, stream):
    folder = tmp_path / "run"
    options = ("--file-names", "{label}_*", "--held-out", "*_[01].wav", "--batch-size", 4, "--no-progress", *stream)
    run("train", recordings, "--network", "gru:units=4", "--epochs", 2, "--folder", folder, *options)
    run("resume", folder, "--epochs", 20, "--learning-rate", 0.03, "--no-progress")
    rows = predictions(run("predict", folder, recordings, "--limit", 3))
    assert [row["file"].endswith(f"high_{i}.wav") for i, row in enumerate(rows)] == [True] * 3
    assert "binary accuracy: 1.0000" in run("evaluate", folder, recordings).stdout


def test_a_column_of_texts(tmp_path):
    words = {"up": "good fine", "down": "bad sad"}
    lines = [f"{i},{mood},a {words[mood].split()[i % 2]} day number {i}" for i in range(20) for mood in words]
    (tmp_path / "moods.csv").write_text("id,mood,remark\n" + "\n".join(lines) + "\n", "utf-8")
    (tmp_path / "new.csv").write_text('remark\n"a good, fine day"\na sad one\n', "utf-8")
    options = ("--text", "remark", "--target", "mood", "--tokenizer", "bpe:vocabulary=300", "--no-progress")
    trained = run(
        *("train", tmp_path / "moods.csv", *options, "--network", "lstm:units=8", "--epochs", 20),
        *("--learning-rate", 0.03, "--folder", tmp_path / "run"),
    )
    assert "batches: examples of similar length" in trained.output
    assert [row["prediction"] for row in predictions(run("predict", tmp_path / "run", tmp_path / "new.csv"))] == [
        "up",
        "down",
    ]


def test_options_of_texts_alone_are_refused(tmp_path):
    (tmp_path / "moods.csv").write_text("mood,remark\nup,good\n", "utf-8")
    result = CliRunner().invoke(main, ["train", str(tmp_path / "moods.csv"), "--target", "mood", "--length", "5"])
    assert result.exit_code == 2
    assert "--length is of a column of texts: name it by --text COLUMN." in result.output
