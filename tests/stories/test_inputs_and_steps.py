"""Two images with two answers, and a label at each letter: trained, saved, used and explained, on real data."""

import csv
import io
import zipfile

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main

QUIET = {"progress": False}


def pellucid(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    unexpected = None if isinstance(result.exception, SystemExit) else result.exception
    assert (result.exit_code, unexpected) == (code, None), result.output
    return result


def pairs(part):
    """Two digits: their sum, and which is larger."""
    half = len(part) // 2
    a, b = part.y[:half], part.y[half:]
    x = {"left": part.x[:half], "right": part.x[half:]}
    return x, {"sum": (a + b).astype(float), "larger": np.where(a > b, "left", np.where(a < b, "right", "none"))}


def test_two_digits_are_read_by_one_layer_and_answered_twice(tmp_path):
    data = pel.load_dataset("mnist-5k")
    reader = pel.Dense(64, "relu")
    network = pel.Network.graph(
        inputs=("left", "right"),
        nodes={
            "left_pixels": (pel.Flatten(), "left"),
            "right_pixels": (pel.Flatten(), "right"),
            "a": (reader, "left_pixels"),
            "b": (reader, "right_pixels"),
            "both": (pel.layers.Concatenate(), ("a", "b")),
            "hidden": (pel.Dense(64, "relu"), "both"),
            "sum": (pel.Dense(1), "hidden"),
            "larger": (pel.Dense(3, "softmax"), "hidden"),
        },
        outputs=("sum", "larger"),
    )
    pairs_of_both = pel.make_dataset(*pairs(data.train), held_out=pairs(data.held_out))
    folder = tmp_path / "run"
    run = pel.train(network, pairs_of_both, epochs=20, learning_rate=0.003, folder=folder, **QUIET)
    always = np.abs(pairs_of_both.held_out.y[0] - pairs_of_both.train.y[0].mean()).mean()
    assert run.result["sum mean_absolute_error"] < 0.8 * always
    assert run.result["larger accuracy"] > 0.65
    x, y = pairs(data.held_out)
    again = pel.load(folder)
    assert again.evaluate(x, y) == pytest.approx(run.result)
    assert (again.predict(x)["larger"] == y["larger"]).mean() == pytest.approx(run.result["larger accuracy"])
    one = {name: images[0] for name, images in x.items()}, {name: target[0] for name, target in y.items()}
    explanation = again.explain(*one)
    assert explanation.worst_error < 1e-5
    assert {output.name for output in explanation.outputs} == {"sum", "larger"}
    page = (folder / "report.html").read_text()
    assert "Output larger" in page
    assert "Confusion" in page or "predicted" in page


def test_letters_are_marked_where_words_begin(shared_data, tmp_path):
    """English sentences without their spaces; a bidirectional GRU over the letters."""
    with zipfile.ZipFile(shared_data / "translation" / "fra-eng.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith("fra.txt"))
        lines = io.TextIOWrapper(archive.open(name), "utf-8").read().splitlines()[3000:12000:6]
    sentences = sorted({line.split("\t")[0].lower() for line in lines})
    letters = sorted({letter for sentence in sentences for letter in sentence if letter != " "})
    longest = max(len(sentence.replace(" ", "")) for sentence in sentences)
    x = np.zeros((len(sentences), longest), np.int32)
    y = np.full(x.shape, "", dtype="<U6")
    for row, sentence in enumerate(sentences):
        at = 0
        for word in sentence.split():
            for i, letter in enumerate(word):
                x[row, at], y[row, at] = letters.index(letter) + 1, "inside" if i else "begins"
                at += 1
    np.savez(tmp_path / "letters.npz", x=x, y=y)
    network = {
        "layers": [
            {"name": "embedding", "vocabulary": len(letters) + 1, "units": 16, "mask_zero": True},
            {"name": "bidirectional", "layer": {"name": "gru", "units": 16, "return_sequences": True}},
            {"name": "dense", "units": 2, "activation": "softmax"},
        ]
    }
    (tmp_path / "network.toml").write_text(tomli_w.dumps(network))
    options = (
        "--epochs",
        6,
        "--learning-rate",
        0.01,
        "--record-every",
        0,
        "--folder",
        tmp_path / "run",
        "--no-progress",
    )
    pellucid("train", tmp_path / "letters.npz", "--network", tmp_path / "network.toml", *options)
    run = pel.load(tmp_path / "run")
    assert run.facts.task == "tagging"
    real = y != ""
    commonest = (y[real] == "inside").mean()
    predictions = run.predict(x)
    assert (predictions[real] == y[real]).mean() > commonest + 0.5 * (1 - commonest)
    assert (predictions[~real] == "").all()
    printed = pellucid("predict", tmp_path / "run", tmp_path / "letters.npz", "--limit", 3).stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [rows[0][f"step_{t + 1}"] for t in range(longest)] == predictions[0].tolist()
    assert "accuracy" in pellucid("evaluate", tmp_path / "run", tmp_path / "letters.npz").stdout
    explained = pellucid("explain", tmp_path / "run", "--example", 0).stdout
    assert "begins inside" in explained


def test_a_table_with_named_inputs_and_targets_on_the_command_line(tmp_path):
    rng = np.random.default_rng(0)
    ages, pressures = rng.integers(20, 80, 120), rng.normal(120, 15, 120).round(1)
    cities, rooms = rng.choice(["Rome", "Oslo"], 120), rng.integers(1, 6, 120)
    ill = np.where(ages + pressures > 175, "yes", "no")
    prices = (rooms * 1000 + 500 * (cities == "Rome") + rng.normal(0, 50, 120)).round(2)
    rows = zip(ages, pressures, cities, rooms, ill, prices, strict=True)
    table = tmp_path / "people.csv"
    table.write_text("age,pressure,city,rooms,ill,price\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n")
    experiment = {
        "network": {
            "inputs": ["body", "home"],
            "outputs": ["ill", "price"],
            "nodes": {
                "a": {"name": "dense", "units": 8, "activation": "relu", "reads": "body"},
                "b": {"name": "dense", "units": 8, "activation": "relu", "reads": "home"},
                "both": {"name": "concatenate", "reads": ["a", "b"]},
                "ill": {"name": "dense", "units": 1, "activation": "sigmoid", "reads": "both"},
                "price": {"name": "dense", "units": 1, "reads": "both"},
            },
        },
        "loss": {"ill": "binary_cross_entropy", "price": "mean_squared_error"},
        "loss_weights": {"price": 0.5},
        "metric": {"ill": "binary_accuracy", "price": "mean_absolute_error"},
        "optimizer": {"name": "adam", "learning_rate": 0.02},
        "epochs": 10,
        "data": {
            "file": str(table),
            "inputs": {"home": ["city", "rooms"], "body": ["age", "pressure"]},
            "target": {"ill": "ill", "price": "price"},
        },
    }
    (tmp_path / "experiment.toml").write_text(tomli_w.dumps(experiment))
    folder = tmp_path / "run"
    pellucid("train", tmp_path / "experiment.toml", "--folder", folder, "--no-progress")
    assert "ill binary accuracy" in pellucid("evaluate", folder, table).stdout
    new = tmp_path / "new.csv"
    new.write_text("age,pressure,city,rooms\n70,150,Rome,3\n25,100,Oslo,1\n")
    rows = list(csv.DictReader(io.StringIO(pellucid("predict", folder, new).stdout)))
    assert list(rows[0]) == ["ill", "ill probability", "price"]
    assert [row["ill"] for row in rows] == ["yes", "no"]
    run = pel.load(folder)
    assert run.predict(new)["price"][0] == pytest.approx(float(rows[0]["price"]))
    pellucid("resume", folder, "--epochs", 12, "--no-progress")
    assert "Output price" in pellucid("explain", folder, "--example", 1).stdout
    assert "left" in pellucid("diagnose", folder).stdout


def test_the_distance_of_two_embeddings_tells_whether_digits_are_alike():
    digits = pel.load_dataset("digits")
    both, differ = pel.data.pairs(digits.train.x, digits.train.y, count=4000)
    hidden, embedding = pel.Dense(64, "relu"), pel.Dense(16)
    branches = {
        name: layer
        for i, digit in ((1, "first"), (2, "second"))
        for name, layer in {
            f"pixels_{i}": (pel.Flatten(), digit),
            f"hidden_{i}": (hidden, f"pixels_{i}"),
            f"embedding_{i}": (embedding, f"hidden_{i}"),
        }.items()
    }
    nodes = branches | {"distance": ("distance", ("embedding_1", "embedding_2"))}
    network = pel.Network.graph(inputs=("first", "second"), nodes=nodes, outputs="distance")
    run = pel.train(network, (both, differ), loss="contrastive", epochs=15, progress=False)
    new, apart = pel.data.pairs(digits.held_out.x, digits.held_out.y, count=1000, seed=1)
    assert run.evaluate(new, apart)["binary_accuracy"] > 0.88
