"""The page that each kind of run ends with."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import pellucid as pel
from pellucid.data.translation import prepare_translations
from pellucid.networks import translator

KINDS = {
    "classes": lambda folder: pel.train((5,), pel.load_dataset("iris"), epochs=3, folder=folder, progress=False),
    "validated": lambda folder: pel.train(
        (5,), pel.load_dataset("iris"), epochs=3, early_stopping=2, folder=folder, progress=False
    ),
    "numbers": lambda folder: pel.train((5,), pel.load_dataset("diabetes"), epochs=2, folder=folder, progress=False),
    "images": lambda folder: pel.train(
        pel.Network(pel.Conv2D(4, 3, "relu"), pel.Flatten(), pel.Dense(10, "softmax")),
        pel.load_dataset("digits"),
        epochs=1,
        folder=folder,
        progress=False,
    ),
    "autoencoder": lambda folder: pel.train(
        {"name": "autoencoder", "hidden": [16], "code": 4},
        pel.load_dataset("digits"),
        epochs=1,
        folder=folder,
        progress=False,
    ),
    "gan": lambda folder: pel.train(
        pel.networks.GAN(
            pel.Network(pel.Dense(8, "relu"), pel.Dense(2)), pel.Network(pel.Dense(8, "relu"), pel.Dense(1)), latent=2
        ),
        pel.data.gaussian_ring().dataset(400),
        epochs=2,
        folder=folder,
        progress=False,
    ),
}

SAYS = {
    "classes": ["of 30 held-out rows are predicted wrongly", "versicolor", "recall", "petal width", "neurons"],
    "validated": ["validation", "weights of the best epoch kept"],
    "numbers": ["R²", "residuals", "predicted against true", "bmi"],
    "images": ["its 4 filters", "predicted", "conv2d_1 · relu_1", "data:image/png"],
    "autoencoder": ["Held-out rows of middling error", "what each unit writes into the image"],
    "gan": ["Generated examples", "the critic&#x27;s scores", "Network of the critic"],
}


class Tags(HTMLParser):
    """Checks that tags close in order, and keeps headings, links and addresses."""

    VOID = ("meta", "link", "img", "path", "circle", "polygon", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.ids, self.addresses, self.names = [], set(), [], [], set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names.add(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given or "src" in given:
            self.addresses.append(given.get("href") or given.get("src"))
        if tag == "img":
            assert given["alt"]
        if tag == "svg":
            assert given["aria-label"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("kind", KINDS)
def test_every_run_ends_with_a_page(kind, tmp_path):
    run = KINDS[kind](tmp_path / "run")
    text = (tmp_path / "run" / "report.html").read_text()
    tags = Tags(text)
    assert len(set(tags.ids)) == len(tags.ids)
    assert all(a.startswith("data:") or a[1:] in tags.ids for a in tags.addresses), "fetches something"
    assert "script" not in tags.names
    assert len(text) < 1_500_000
    assert not re.search(r'="[^"]*\bnan\b', text)
    for words in [*SAYS[kind], run.facts.fingerprint, "pellucid train experiment.toml", "record_every", "jaxlib"]:
        assert words in text, words
    for measure in ("gradient norm", "activation", "‖ΔW‖"):
        assert measure in text

    # A run loaded and saved elsewhere keeps its page; the same run again writes the same bytes.
    pel.load(tmp_path / "run").save(tmp_path / "copy")
    assert (tmp_path / "copy" / "report.html").read_text() == text
    run.save(tmp_path / "again")
    assert (tmp_path / "again" / "report.html").read_text() == text


def test_runs_without_held_out_rows_or_measured_layers_have_a_page(tmp_path):
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    data = pel.make_dataset(x, x[:, 0] + x[:, 1] > 0, held_out=None)
    pel.train((4,), data, epochs=1, record_every=0, folder=tmp_path / "run", progress=False)
    text = (tmp_path / "run" / "report.html").read_text()
    Tags(text)
    assert "no held-out rows to measure on" in text
    assert "The layers were not measured" in text


def test_a_translator_has_a_page(tmp_path):
    pairs = [("Go!", "Va !"), ("Run!", "Cours !"), ("Go on!", "Allez !"), ("Stop!", "Stop !")] * 4
    data = prepare_translations(pairs, minimum_count=1, held_out=0.3)
    pel.train(translator(data, embedding=4, units=4), data, epochs=1, folder=tmp_path / "run", progress=False)
    text = (tmp_path / "run" / "report.html").read_text()
    Tags(text)
    assert "a right translation" in text
    assert "attention for" in text


def test_two_inputs_have_a_boundary_and_a_diagnosed_run_its_verdict(tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype(np.float32)
    data = pel.make_dataset(x, x[:, 0] * x[:, 1] > 0)
    run = pel.train((4,), data, epochs=1, learning_rate=1e-5, folder=tmp_path / "run", progress=False)
    run.diagnose()
    text = (tmp_path / "run" / "report.html").read_text()
    Tags(text)
    for words in ("decision boundary", "ROC curve", "The doctor suspects", 'class="note problem"'):
        assert words in text


def test_a_graph_has_a_page(tmp_path):
    dense = {"name": "dense", "units": 4}
    graph = pel.Network.graph(
        inputs="x",
        nodes={
            "a": (dense | {"activation": "relu"}, "x"),
            "b": (dense, "x"),
            "sum": ("add", ("a", "b")),
            "out": (dense | {"units": 3, "activation": "softmax"}, "sum"),
        },
        outputs="out",
    )
    pel.train(graph, pel.load_dataset("iris"), epochs=1, folder=tmp_path / "run", progress=False)
    text = (tmp_path / "run" / "report.html").read_text()
    Tags(text)
    assert "reads a.relu, b" in text
