"""The command line on files as people have them: trained, predicted and measured, each with what it can do beside."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from pellucid.cli.main import main

QUICK = ("--network", "16", "--epochs", "25", "--learning-rate", "0.02", "--record-every", "0")


def pellucid(*arguments, code=0, stdin=None):
    """Run the command line in this process; the exit code must be ``code``."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    unexpected = None if isinstance(result.exception, SystemExit) else result.exception
    assert (result.exit_code, unexpected) == (code, None), result.output
    return result


def trained(tmp_path, source, *options, stdin=None, quick=QUICK):
    """Train on a source into the folder ``run``: the figures, and what was said."""
    result = pellucid("train", source, *options, *quick, "--folder", tmp_path / "run", "--json", stdin=stdin)
    return json.loads(result.stdout), result.stderr


def predicted(tmp_path, source, *options, stdin=None):
    """The predictions for a source, one a row."""
    result = pellucid("predict", tmp_path / "run", source, *options, stdin=stdin)
    return list(csv.DictReader(io.StringIO(result.stdout))), result.stderr


def evaluated(tmp_path, *arguments):
    return json.loads(pellucid("evaluate", tmp_path / "run", *arguments, "--json").stdout)


@pytest.fixture
def visits(rng):
    """240 visits: who is ill depends on age and dose; codes have leading zeros, and some values are missing."""
    age, dose = rng.integers(20, 80, 240), rng.normal(5, 2, 240).round(2)
    clinic = rng.choice(["01", "02", "17"], 240)
    ill = np.where((age - 50) / 17 + (dose - 5) / 2 + (clinic == "17") > 0.3, "yes", "no")
    return pd.DataFrame({"age": age, "dose": dose, "clinic": clinic, "ill": ill})


def check(tmp_path, frame, predictions, target="ill", above=0.85):
    """The predictions must be of the same labels, as many as rows, and mostly right."""
    labels = frame[target].astype(str).tolist()
    given = [row["prediction"] for row in predictions]
    assert len(given) == len(labels)
    assert set(given) <= set(labels)
    assert np.mean([a == b for a, b in zip(given, labels, strict=True)]) > above


# ---- Eight kinds of files ----


def test_semicolons_and_decimal_commas(tmp_path, visits):
    visits.to_csv(tmp_path / "visits.csv", sep=";", decimal=",", index=False)
    result, said = trained(tmp_path, tmp_path / "visits.csv", "--target", "ill")
    assert result["binary_accuracy"] > 0.8
    assert "decimal commas" in said
    check(tmp_path, visits, predicted(tmp_path, tmp_path / "visits.csv")[0])
    assert evaluated(tmp_path, tmp_path / "visits.csv")["binary_accuracy"] > 0.85
    visits.to_csv(tmp_path / "english.csv", index=False)
    check(tmp_path, visits, predicted(tmp_path, tmp_path / "english.csv")[0])


def test_a_compressed_file(tmp_path, visits):
    path = tmp_path / "visits.csv.gz"
    visits.to_csv(path, index=False)
    assert trained(tmp_path, path, "--target", "ill")[0]["binary_accuracy"] > 0.8
    check(tmp_path, visits, predicted(tmp_path, path)[0])
    assert evaluated(tmp_path, path)["binary_accuracy"] > 0.85


def test_parquet(tmp_path, visits):
    path = tmp_path / "visits.parquet"
    visits.to_parquet(path)
    assert trained(tmp_path, path, "--target", "ill")[0]["binary_accuracy"] > 0.8
    check(tmp_path, visits, predicted(tmp_path, path)[0])
    assert evaluated(tmp_path)["binary_accuracy"] > 0.8


def test_excel_with_dates(tmp_path, visits, rng):
    path = tmp_path / "visits.xlsx"
    visits.assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 240), "D")).to_excel(
        path, index=False
    )
    result, said = trained(tmp_path, path, "--target", "ill")
    assert result["binary_accuracy"] > 0.75
    assert "day (days)" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8") or "day" in said
    check(tmp_path, visits, predicted(tmp_path, path)[0])
    assert evaluated(tmp_path, path)["binary_accuracy"] > 0.8


def test_json_lines(tmp_path, visits):
    path = tmp_path / "visits.jsonl"
    visits.to_json(path, orient="records", lines=True)
    assert trained(tmp_path, path, "--target", "ill")[0]["binary_accuracy"] > 0.8
    check(tmp_path, visits, predicted(tmp_path, path)[0])
    assert evaluated(tmp_path, path)["binary_accuracy"] > 0.85


def test_arrays_in_a_file(tmp_path, rng):
    x = rng.normal(size=(300, 4))
    y = np.where(x[:, 0] + x[:, 1] > 0, "up", "down")
    np.savez(tmp_path / "moves.npz", x=x, y=y)
    np.save(tmp_path / "new.npy", x)
    assert trained(tmp_path, tmp_path / "moves.npz")[0]["binary_accuracy"] > 0.85
    for source in ("moves.npz", "new.npy"):
        check(tmp_path, pd.DataFrame({"y": y}), predicted(tmp_path, tmp_path / source)[0], "y")
    assert evaluated(tmp_path, tmp_path / "moves.npz")["binary_accuracy"] > 0.85


def test_a_folder_of_images(tmp_path, rng):
    for kind in ("bright", "dark"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 100, (8, 8)) + (120 if kind == "bright" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / kind / f"{i:02}.png")
    assert trained(tmp_path, tmp_path / "photos")[0]["binary_accuracy"] > 0.85
    rows, _ = predicted(tmp_path, tmp_path / "photos")
    assert len(rows) == 40
    assert all(row["prediction"] == row["file"].split("/")[-2] for row in rows)
    assert evaluated(tmp_path, tmp_path / "photos")["binary_accuracy"] > 0.85


def test_standard_input(tmp_path, visits):
    text = visits.to_csv(index=False)
    assert trained(tmp_path, "-", "--target", "ill", stdin=text)[0]["binary_accuracy"] > 0.8
    check(tmp_path, visits, predicted(tmp_path, "-", stdin=visits.drop(columns="ill").to_csv(index=False))[0])
    assert evaluated(tmp_path)["binary_accuracy"] > 0.8


# ---- Options, in smaller stories ----


def test_a_file_of_its_own_is_held_out(tmp_path, visits):
    visits[:180].to_csv(tmp_path / "seen.csv", index=False)
    visits[180:].to_csv(tmp_path / "later.csv", index=False)
    result, said = trained(tmp_path, tmp_path / "seen.csv", "--target", "ill", "--test", tmp_path / "later.csv")
    assert re.search(r"train +180 ", said)
    assert re.search(r"held out +60 ", said)
    assert result["binary_accuracy"] == pytest.approx(evaluated(tmp_path, tmp_path / "later.csv")["binary_accuracy"])


def test_the_last_rows_in_time_are_held_out(tmp_path, visits):
    days = pd.date_range("2024-01-01", periods=240).astype(str)
    visits.assign(day=days)[::-1].to_csv(tmp_path / "visits.csv", index=False)
    result, said = trained(tmp_path, tmp_path / "visits.csv", "--target", "ill", "--time", "day")
    assert "held out: the last in time" in said
    assert result["binary_accuracy"] > 0.7


def test_groups_are_held_out_whole(tmp_path, visits):
    visits.assign(patient=np.arange(240) // 4).to_csv(tmp_path / "visits.csv", index=False)
    result, said = trained(tmp_path, tmp_path / "visits.csv", "--target", "ill", "--group", "patient")
    assert "12 of 60 groups, drawn whole" in said
    assert result["binary_accuracy"] > 0.75


def test_rows_of_weight_nothing_teach_nothing(tmp_path, visits):
    wrong = np.arange(240) % 2 == 0
    labels = np.where(wrong, np.where(visits.ill == "yes", "no", "yes"), visits.ill)
    visits.assign(ill=labels, worth=np.where(wrong, 0, 1)).to_csv(tmp_path / "visits.csv", index=False)
    result, _ = trained(tmp_path, tmp_path / "visits.csv", "--target", "ill", "--weights", "worth")
    assert result["binary_accuracy"] > 0.75
    check(tmp_path, visits, predicted(tmp_path, tmp_path / "visits.csv")[0], above=0.8)


def test_windows_of_a_series(tmp_path):
    load = np.sin(np.arange(300) / 12 * 2 * np.pi).round(3)
    pd.DataFrame({"time": pd.date_range("2024-01-01", periods=300, freq="h"), "load": load}).to_csv(
        tmp_path / "load.csv", index=False
    )
    options = ("--target", "load", "--time", "time", "--window", "12", "--horizon", "3")
    result, said = trained(tmp_path, tmp_path / "load.csv", *options)
    assert "windows of 12 rows, the next 3 values" in said
    assert result["mean_absolute_error"] < 0.2
    rows, _ = predicted(tmp_path, tmp_path / "load.csv")
    assert list(rows[-1]) == ["after", "load +1", "load +2", "load +3"]
    assert rows[-1]["after"] == "2024-01-13 11:00:00"
    assert float(rows[-1]["load +3"]) == pytest.approx(np.sin(302 / 12 * 2 * np.pi), abs=0.4)
    assert evaluated(tmp_path, tmp_path / "load.csv")["mean_absolute_error"] < 0.2


def test_own_markers_of_missing_values(tmp_path, visits):
    gaps = visits.astype({"dose": object})
    gaps.loc[::10, "dose"] = "unknown"
    gaps.to_csv(tmp_path / "visits.csv", index=False)
    refused = pellucid("train", tmp_path / "visits.csv", "--target", "ill", "--folder", tmp_path / "run", code=3)
    assert "say --na unknown if it means a missing value" in refused.output
    result, said = trained(tmp_path, tmp_path / "visits.csv", "--target", "ill", "--na", "unknown")
    assert "dose: 24 missing, taken as" in said
    assert result["binary_accuracy"] > 0.7
    assert len(predicted(tmp_path, tmp_path / "visits.csv")[0]) == 240


@pytest.mark.parametrize(
    "options", [("--no-header", "--target", "column_4"), ("--names", "age,dose,clinic,ill", "--target", "ill")]
)
def test_a_file_without_names(tmp_path, visits, options):
    visits.to_csv(tmp_path / "visits.csv", index=False, header=False)
    assert trained(tmp_path, tmp_path / "visits.csv", *options)[0]["binary_accuracy"] > 0.8
    check(tmp_path, visits, predicted(tmp_path, tmp_path / "visits.csv")[0])
    assert evaluated(tmp_path, tmp_path / "visits.csv")["binary_accuracy"] > 0.85
    visits.drop(columns="ill").to_csv(tmp_path / "new.csv", index=False, header=False)
    check(tmp_path, visits, predicted(tmp_path, tmp_path / "new.csv")[0])


def test_a_number_that_is_a_category_is_said_to_be_one(tmp_path, visits):
    sold = visits.assign(clinic=visits.clinic.astype(int))
    sold.to_csv(tmp_path / "visits.csv", index=False)
    trained(tmp_path, tmp_path / "visits.csv", "--target", "ill", "--as", "clinic=category", "--as", "age=ignored")
    rows = predicted(tmp_path, tmp_path / "visits.csv")[0]
    assert len(rows) == 240
    new = tmp_path / "new.csv"
    new.write_text("dose,clinic\n5.5,17\n5.5,3\n")
    refused = pellucid("predict", tmp_path / "run", new, code=3)
    assert "'3' at line 3" in refused.output
    assert "say --unknown" in refused.output
    rows, said = predicted(tmp_path, new, "--unknown")
    assert [row["note"] for row in rows] == ["", "clinic '3' is unknown"]
    assert "1 of 2 rows" in said


def test_two_targets(tmp_path, rng):
    x = rng.normal(size=(200, 2)).round(3)
    frame = pd.DataFrame({"heat": x[:, 0], "time": x[:, 1], "yield": 100 * x[:, 0], "purity": x[:, 1] / 10})
    frame.to_csv(tmp_path / "steps.csv", index=False)
    trained(tmp_path, tmp_path / "steps.csv", "--target", "yield", "--target", "purity")
    rows, _ = predicted(tmp_path, tmp_path / "steps.csv")
    assert list(rows[0]) == ["yield", "purity"]
    for name in ("yield", "purity"):
        error = np.abs(np.array([float(row[name]) for row in rows]) - frame[name]).mean()
        assert error < 0.5 * frame[name].std()


def test_several_labels_a_row(tmp_path, rng):
    x = rng.normal(size=(200, 2)).round(3)
    tags = {"news": (x[:, 0] > 0).astype(int), "paid": (x.sum(axis=1) > 0).astype(int)}
    frame = pd.DataFrame({"length": x[:, 0], "links": x[:, 1], **tags})
    frame.to_csv(tmp_path / "posts.csv", index=False)
    trained(tmp_path, tmp_path / "posts.csv", "--target", "news", "--target", "paid")
    rows, _ = predicted(tmp_path, tmp_path / "posts.csv")
    assert list(rows[0]) == ["news", "paid"]
    for name in tags:
        assert np.mean([int(float(row[name])) == tag for row, tag in zip(rows, frame[name], strict=True)]) > 0.85
