"""``pellucid data show``: what a training would make of a file, before it is made."""

import json

from click.testing import CliRunner

from pellucid.cli.main import main

ANSWERS = ("no", "yes")
ROWS = "\n".join(
    f"{1000 + 7 * i};{i % 28 + 1:02d}.03.2024;{i},5;0{i % 3}7;{'?' if i % 9 == 4 else 40 + i};{ANSWERS[i % 2]}"
    for i in range(60)
)
VISITS = f"patient id;day;cost;ward;age;ill\n{ROWS}\n"


def shown(tmp_path, *options, content=VISITS):
    (tmp_path / "visits.csv").write_text(content)
    result = CliRunner().invoke(main, ["data", "show", str(tmp_path / "visits.csv"), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_each_column_has_its_kind_the_reason_and_its_missing_values(tmp_path):
    columns = {column["name"]: column for column in json.loads(shown(tmp_path, "--target", "ill", "--json"))}
    assert {name: column["kind"] for name, column in columns.items()} == {
        "patient id": "identifier",
        "day": "date",
        "cost": "number",
        "ward": "category",
        "age": "number",
        "ill": "target",
    }
    assert columns["cost"]["reason"] == "numbers, with decimal commas"
    assert columns["age"]["missing"] == 7
    assert columns["ward"]["inputs"] == 3
    assert columns["ill"]["reason"].startswith("binary: 2 classes (no, yes)")


def test_a_kind_may_be_declared_and_a_text_may_mean_a_missing_value(tmp_path):
    options = ("--as", "ward=ignored", "--as", "age=category", "--na", "?,40", "--json")
    columns = {column["name"]: column for column in json.loads(shown(tmp_path, *options))}
    assert columns["ward"]["inputs"] == 0
    assert columns["age"]["kind"] == "category"
    assert columns["age"]["missing"] == 8


def test_the_table_is_readable_and_says_what_was_left_out(tmp_path):
    text = shown(tmp_path, "--target", "ill", content="Visits of March\n\n" + VISITS)
    assert "60 rows, 6 columns" in text
    assert "the first 2 lines left out" in text
    assert "left out" in text.split("patient id")[1].split("day")[0]


def test_a_dataset_by_name_is_described_too():
    result = CliRunner().invoke(main, ["data", "show", "iris"])
    assert "multiclass (3: setosa, versicolor, virginica)" in result.stdout
