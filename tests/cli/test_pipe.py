"""Predictions of rows on standard input: as of a file, as they arrive."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer

import pellucid as pel
from pellucid.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on real rows of numbers and a category, and 60 new rows as CSV and as JSON lines."""
    folder = tmp_path_factory.mktemp("stream")
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame.iloc[:, [0, 1, 4, 6]].round(3)
    frame["size"] = pd.cut(bunch.frame["mean area"], [0, 450, 700, 5000], labels=["small", "middle", "large"]).astype(
        str
    )
    frame["diagnosis"] = bunch.target_names[bunch.target]
    frame[60:].to_csv(folder / "seen.csv", index=False)
    new = frame[:60].drop(columns="diagnosis")
    new.to_csv(folder / "new.csv", index=False)
    new.to_json(folder / "new.jsonl", orient="records", lines=True)
    data = pel.load_table(folder / "seen.csv", "diagnosis")
    pel.train((8,), data, epochs=20, progress=False, folder=folder / "run", record_every=0)
    return folder


def predict(folder, source="-", *options, stdin=None, code=0):
    result = CliRunner().invoke(main, ["predict", str(folder / "run"), str(source), *options], input=stdin)
    assert result.exit_code == code, result.output
    return result


def test_predictions_are_those_of_the_file(folder):
    expected = predict(folder, folder / "new.csv").stdout
    assert len(expected.splitlines()) == 61
    content = (folder / "new.csv").read_bytes()
    assert predict(folder, stdin=content).stdout == expected
    rows = [
        {"prediction": row["prediction"], "probability": float(row["probability"])}
        for row in csv.DictReader(io.StringIO(expected))
    ]
    for stdin, options in (((folder / "new.jsonl").read_bytes(), ()), (content, ("--json",))):
        result = predict(folder, "-", *options, stdin=stdin)
        assert [json.loads(line) for line in result.stdout.splitlines()] == rows
        assert result.stderr == "60 predictions\n"


def test_what_has_no_lines_is_read_to_its_end(folder, tmp_path):
    content = (folder / "new.csv").read_bytes()
    expected = predict(folder, folder / "new.csv").stdout
    assert predict(folder, stdin=gzip.compress(content)).stdout == expected
    predict(folder, "-", "--output", str(tmp_path / "new.parquet"), stdin=content)
    assert pd.read_parquet(tmp_path / "new.parquet").to_csv(index=False) == expected


def test_options_are_those_of_a_file(folder):
    content = (folder / "new.csv").read_text().replace("small", "tiny")
    expected = predict(folder, folder / "new.csv").stdout.splitlines()
    assert (
        predict(folder, "-", "--limit", "3", stdin=(folder / "new.csv").read_bytes()).stdout.splitlines()
        == expected[:4]
    )
    flagged = predict(folder, "-", "--unknown", stdin=content)
    notes = [row["note"] for row in csv.DictReader(io.StringIO(flagged.stdout))]
    assert notes.count("size 'tiny' is unknown") == content.count("tiny") > 0
    assert f"{content.count('tiny')} of 60 rows have a category that the training did not see" in flagged.stderr
    assert "column 'size' of standard input holds 'tiny' at line" in predict(folder, stdin=content, code=3).stderr


def test_a_bad_value_ends_it_with_its_line(folder):
    lines = (folder / "new.jsonl").read_text().splitlines()
    lines[40] = lines[40].replace('"mean radius":', '"mean radius":"twelve","was":')
    result = predict(folder, stdin="\n".join(lines), code=3)
    assert result.stderr.startswith(
        "pellucid: column 'mean radius' of standard input holds the text 'twelve' at line 41, "
    )


def run_of(folder, *options):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "pellucid", "predict", folder / "run", "-", *options]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_row_is_answered_before_the_next_arrives_and_a_closed_pipe_is_no_error(folder):
    lines = (folder / "new.jsonl").read_text().splitlines(keepends=True)
    with run_of(folder) as process:
        for line in lines[:3]:
            process.stdin.write(line)
            process.stdin.flush()
            assert "prediction" in process.stdout.readline()
        process.stdout.close()
        process.stdin.write(lines[3])
        process.stdin.flush()
        process.wait(20)
        assert process.stderr.read() == ""
