"""A run as a file: what it gives for raw rows is what ``predict`` gives, whatever the format."""

import subprocess
import sys

import jax
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue
from pellucid.data.translation import prepare_translations
from pellucid.exporting.columns import MISSING_TIME
from pellucid.exporting.program import of_network
from pellucid.exporting.program_graph import graph_of
from pellucid.exporting.python_file import python_file
from pellucid.layers import LSTM, Concatenate, Dense, Embedding

ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 5, 2)).astype(np.float32)
X[::2, 3:] = 0  # padding
TAGS = np.where((X == 0).all(axis=-1), -1, (X.sum(axis=-1) > 0).astype(int))
TOKENS = RNG.integers(0, 9, (ROWS, 4))
QUICK = {"epochs": 0, "batch_size": 20, "progress": False}


@pytest.fixture(scope="module")
def table():
    """Numbers, categories and times with missing values; a number and a class to predict."""
    frame = pd.DataFrame(
        {
            "age": RNG.integers(18, 90, ROWS).astype(float),
            "city": RNG.choice(["Bonn", "Paris", "Rome"], ROWS).astype(object),
            "sold": pd.to_datetime(RNG.integers(-(10**9), 2 * 10**9, ROWS), unit="s"),
            "label": RNG.normal(3e4, 1e4, ROWS),  # named like an output
        }
    )
    frame["price"] = frame["age"] * 10 + frame["label"] / 100 + (frame["city"] == "Rome") * 50
    frame["class"] = np.where(frame["price"] > frame["price"].median(), "high", "low")
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "city"] = None
    frame.loc[::13, "sold"] = pd.NaT
    return frame


def columns(frame):
    """The columns of a table as an exported file reads them."""
    times = frame["sold"].to_numpy("datetime64[s]").astype(np.int64)
    return {
        "age": frame[["age"]].to_numpy(np.float32),
        "city": frame[["city"]].fillna("").to_numpy(object),
        "sold": np.where(np.isnat(frame["sold"].to_numpy()), MISSING_TIME, times)[:, None],
        "label": frame[["label"]].to_numpy(np.float32),
    }


def run_onnx(path, inputs):
    """The outputs of an ONNX file by name."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def run_python(path, inputs, monkeypatch):
    """The outputs of an exported module, by name."""
    monkeypatch.syspath_prepend(path.parent)
    return __import__(path.stem).predict(inputs)


@pytest.mark.parametrize("target", ["price", "class"])
@pytest.mark.filterwarnings("ignore::pellucid.DoctorWarning")
def test_rows_of_a_table_go_in_as_they_are(target, table, tmp_path, monkeypatch):
    other = {"price": "class", "class": "price"}[target]
    run = pel.train((4,), pel.load_table(table.drop(columns=other), target=target, missing="median"), **QUICK)
    new = table.iloc[:20]
    with pytest.warns(pel.core.errors.DataWarning, match="missing"):
        expected = run.predict(new)
    onnx = pel.export(run, tmp_path / "m.onnx", preprocessing=True)
    module = pel.export(run, tmp_path / f"exported_{target}.py", preprocessing=True)
    assert max(onnx.check.difference, module.check.difference) < 1e-5
    assert [str(array) for array in onnx.inputs] == [
        "age (batch, 1) float32",
        "city (batch, 1) text",
        "sold (batch, 1) int64",
        "label (batch, 1) float32",
    ]
    for outputs in (run_onnx(onnx.path, columns(new)), run_python(module.path, columns(new), monkeypatch)):
        if target == "price":
            np.testing.assert_allclose(outputs["prediction"][:, 0], expected, rtol=1e-5)
        else:
            np.testing.assert_array_equal(outputs["label_2"], expected)
            assert str(onnx.outputs[0]) == "label_2 (batch,) text", "label is a column"


@pytest.mark.filterwarnings("ignore::pellucid.DoctorWarning")
def test_what_predict_refuses_gets_no_label(table, tmp_path):
    known = table.drop(columns=["price", "sold"]).dropna()
    run = pel.train((4,), pel.load_table(known, target="class", missing="refuse"), **QUICK)
    pel.export(run, tmp_path / "m.onnx", preprocessing=True)
    inputs = {name: array[:4].copy() for name, array in columns(known.assign(sold=pd.NaT)).items() if name != "sold"}
    inputs["city"][1], inputs["city"][2], inputs["age"][3] = "Oslo", "", np.nan
    outputs = run_onnx(tmp_path / "m.onnx", inputs)
    assert (outputs["label_2"] == "").tolist() == [False, True, True, True]
    assert np.isnan(outputs["probabilities"]).all(axis=1).tolist() == [False, True, True, True]


GRAPH = pel.Network.graph(
    inputs=("a", "b"),
    nodes={"both": (Concatenate(), ("a", "b")), "kind": (Dense(3, "softmax"), "both"), "size": (Dense(1), "both")},
    outputs=("kind", "size"),
)
KINDS = {
    "tagging": (
        pel.Network(LSTM(3, return_sequences=True, mask_value=0.0), Dense(2, "softmax")),
        lambda: pel.make_dataset(X, TAGS, task="tagging"),
        {},
    ),
    "tokens": (
        pel.Network(Embedding(9, 3, mask_zero=True), LSTM(3), Dense(1, "sigmoid")),
        lambda: pel.make_dataset(TOKENS, (TOKENS.sum(axis=1) > 15).astype(int)),
        {},
    ),
    "multilabel": ((4,), lambda: pel.make_dataset(X[:, 0], (X[:, 1] > 0).astype(int), task="multilabel"), {}),
    "logits": (
        pel.Network(Dense(3)),
        lambda: pel.make_dataset(X[:, 0], TOKENS[:, 0] % 3),
        {"loss": "sparse_softmax_cross_entropy"},
    ),
    "autoencoder": ({"name": "autoencoder", "code": 2}, lambda: pel.make_dataset(X[:, 0], TOKENS[:, 0] % 3), {}),
    "logarithms": (
        (4,),
        lambda: pel.make_dataset(X[:, 0], np.exp(X[:, 1])),
        {"scale_targets": "log", "precision": "bfloat16"},
    ),
    "several": (
        GRAPH,
        lambda: pel.make_dataset(
            {"a": X[:, 0], "b": X[:, 1]}, {"kind": TOKENS[:, 0] % 3, "size": 100 * X[:, 0, 0] + 7}
        ),
        {},
    ),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.filterwarnings("ignore::pellucid.DoctorWarning")
def test_every_task_is_what_predict_gives(kind, tmp_path):
    network, data, settings = KINDS[kind]
    data = data()
    run = pel.train(network, data, **QUICK, **settings)
    exported = pel.export(run, tmp_path / "m.onnx", preprocessing=True)
    assert exported.check.difference < 1e-5
    x = dict(zip(data.inputs, data.train.x, strict=True)) if data.inputs else data.train.x
    arrays = x if data.inputs else {exported.inputs[0].name: np.asarray(x)}
    inputs = {a.name: arrays[a.name].astype(a.dtype) for a in exported.inputs}
    outputs, expected = run_onnx(exported.path, inputs), run.predict(x)
    if kind == "several":
        np.testing.assert_array_equal(outputs["kind_label"], expected["kind"])
        np.testing.assert_allclose(outputs["size_prediction"][:, 0], expected["size"], rtol=1e-5)
    elif "label" in outputs:
        np.testing.assert_array_equal(outputs["label"], expected)
    else:
        tolerance = 0.02 if kind == "logarithms" else 1e-5  # predicted in bfloat16
        np.testing.assert_allclose(outputs["prediction"].reshape(expected.shape), expected, rtol=tolerance, atol=1e-5)
    assert bool(exported.notes) == (kind == "logarithms")


def test_a_gan_makes_samples(tmp_path):
    run = pel.train("gan", pel.load_dataset("gaussian-ring"), epochs=0, batch_size=256, progress=False)
    pel.export(run, tmp_path / "m.onnx", preprocessing=True)
    noise = np.asarray(jax.random.normal(jax.random.key(0), (3, run.program.latent)), np.float32)
    samples = run_onnx(tmp_path / "m.onnx", {"noise": noise})["sample"]
    np.testing.assert_allclose(samples, run.sample(3, seed=0), rtol=1e-5, atol=1e-5)


def test_a_translator_writes_words(tmp_path):
    pairs = [("Go.", "Va !"), ("Run.", "Cours !"), ("Go on.", "Continue !"), ("Run on.", "Cours donc !")]
    data = prepare_translations(pairs * 3, minimum_count=1, held_out=0.5)
    settings = QUICK | {"batch_size": "all", "seed": 1}
    run = pel.train({"name": "translator", "embedding": 4, "units": 8, "dropout": 0.0}, data, **settings)
    exported = pel.export(run, tmp_path / "m.onnx", preprocessing=True)
    assert exported.check.difference == 0
    sentences = [source for source, _ in pairs]
    words = run_onnx(exported.path, {"source": data.encoder.encode(sentences).astype(np.int64)})["words"]
    numbers = [[data.encoder.target.words.index(word) for word in row if word] for row in words]
    assert data.encoder.decode(numbers) == run.translate(sentences)


@pytest.fixture(scope="module")
def run():
    """A small classifier of flowers."""
    return pel.train((8,), pel.load_dataset("iris"), epochs=2, progress=False)


@pytest.mark.parametrize("preprocessing", [False, True])
def test_stablehlo_is_called_back(run, preprocessing, tmp_path):
    exported = pel.export(run, tmp_path / "m.stablehlo", preprocessing=preprocessing)
    assert exported.check.difference < 1e-5
    called = jax.export.deserialize(bytearray(exported.path.read_bytes())).call
    x = run.data.held_out.x
    read = x if preprocessing else run.facts.preprocessing.apply_numpy(x)
    outputs = called(read)
    np.testing.assert_allclose(outputs["probabilities" if preprocessing else "softmax_1"], run.outputs(x), atol=1e-5)
    if preprocessing:
        assert [run.facts.classes[number] for number in outputs["label"]] == run.predict(x).tolist()


def test_a_module_needs_numpy_alone(run, tmp_path):
    exported = pel.export(run, tmp_path / "iris.py", preprocessing=True)
    np.save(tmp_path / "x.npy", run.data.held_out.x)
    script = (
        "import sys, numpy as np; sys.path.insert(0, '.'); import iris; "
        "print(*iris.predict(np.load('x.npy'))['label']); assert 'jax' not in sys.modules, 'jax'"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == run.predict(run.data.held_out.x).tolist()
    assert exported.size == len(exported.path.read_bytes())


def test_the_command_line_writes_prints_and_refuses(run, tmp_path):
    saved = pel.train((8,), pel.load_dataset("iris"), epochs=0, progress=False, folder=tmp_path / "run").folder
    output = tmp_path / "m.onnx"
    done = CliRunner().invoke(main, ["export", str(saved), "--output", str(output), "--preprocessing"])
    assert done.exit_code == 0, done.output
    assert f"{output}: onnx, {output.stat().st_size:,} bytes" in done.stdout
    assert "gives probabilities (batch, 3) float32" in done.stdout
    refused = CliRunner().invoke(main, ["export", str(saved), "--output", str(tmp_path / "m.h5")])
    assert refused.exit_code == 2
    assert "names no format" in refused.output


@pytest.mark.filterwarnings("ignore::pellucid.DoctorWarning")
def test_what_no_format_holds_is_refused(tmp_path):
    texts = [f"good {word}" if i % 2 else f"bad {word}" for i, word in enumerate(map(str, range(ROWS)))]
    data = pel.load_table(
        {"review": texts, "stars": [i % 2 for i in range(ROWS)]}, target="stars", columns={"review": "text"}
    )
    run = pel.train((2,), data, **QUICK)
    with pytest.raises(InvalidValue, match=r"'review' is text, .*preprocessing=False"):
        pel.export(run, tmp_path / "m.onnx", preprocessing=True)
    assert not (tmp_path / "m.onnx").exists()
    network = pel.Network(LSTM(2))
    program = of_network(network, *network.init(jax.random.key(0), (5, 2))[:2], (5, 2))
    graph = graph_of(program, steps=False).result
    with pytest.raises(InvalidValue, match=r"\(lstm_1/.* Export to ONNX"):
        python_file(graph, "recurrent", "recurrent")
