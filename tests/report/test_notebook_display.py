"""What a notebook shows of every public object."""

import inspect
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

import pellucid as pel
from layer_rows import example_row
from pellucid.core.registry import REGISTRIES
from pellucid.layers import layers
from pellucid.report.listing import compare_runs, list_runs

IRIS = pel.load_dataset("iris")
QUIET = {"progress": False}
RECORDS = {
    "Answers", "Coverage", "DatasetInfo", "FromOptax", "GaussianMixture", "JointLoss", "Lexicon", "Part",
    "Preprocessing", "SentencePairs", "Trial",
}  # fmt: skip
"""Records that other objects hold, and that their text says all of."""


class Tags(HTMLParser):
    """Refuses what is opened and not closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("img", "br", "meta", "link", "input", "line", "path", "rect", "circle", "polyline", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """One object of every class that is no record and in no registry, by the name of its class."""
    folders = [tmp_path_factory.mktemp("runs") / name for name in ("one", "two")]
    views = []
    run, _ = (
        pel.train(
            (4,),
            IRIS,
            epochs=4,
            folder=folder,
            snapshots=3,
            callbacks=[views.append],
            seed=i,
            learning_rate=0.01,
            **QUIET,
        )
        for i, folder in enumerate(folders)
    )
    findings = run.diagnose()
    everything = [
        IRIS, run, run.network, run.summary, run.history, findings, run.explain(IRIS.held_out.x[0], "setosa"), views[0],
        pel.compare(IRIS, {"network": [(2,), (3,)]}, seeds=2, epochs=1, **QUIET),
        pel.cross_validate((2,), IRIS, folds=2, epochs=1, **QUIET),
        pel.find_learning_rate((2,), IRIS, steps=10, seeds=2, low=1e-3, high=1e-1, **QUIET),
        pel.through_time(run, weight="dense_1:0,0"), pel.check((2,), IRIS),
        run.permutation_importance(repeats=1), run.partial_dependence(IRIS.features[0], points=2),
        pel.networks.GAN(pel.Network(pel.Dense(2)), pel.Network(pel.Dense(1)), 2),
        pel.EarlyStopping(3), pel.callbacks.Every(3), pel.callbacks.Save("runs"), pel.callbacks.LivePlot(),
        pel.callbacks.TensorBoard(), pel.callbacks.MLflow(), pel.callbacks.WandB(),
        list_runs(folders[0].parent), compare_runs(folders),
    ]  # fmt: skip
    finding = next(iter(findings), None) or pel.diagnose(pel.train((2,), IRIS, epochs=1, **QUIET))[0]
    return {type(item).__name__: item for item in [*everything, finding]}


def public_classes():
    homes = [pel, *(getattr(pel, name) for name in pel.__all__ if inspect.ismodule(getattr(pel, name)))]
    names = {name: home for home in homes for name in (getattr(home, "__all__", None) or vars(home))}
    items = {name: getattr(home, name) for name, home in names.items() if not name.startswith("_")}
    return {name: item for name, item in items.items() if inspect.isclass(item) and not issubclass(item, BaseException)}


def test_every_public_class_has_a_display():
    for name, item in public_classes().items():
        if item.__module__.startswith("pellucid.") and name not in RECORDS and not issubclass(item, pel.data.Encoder):
            assert hasattr(item, "_repr_html_"), name


def test_displays_are_whole_and_escape_what_they_show(shown):
    for name, item in shown.items():
        text = item._repr_html_()
        tags = Tags()
        tags.feed(text)
        assert tags.open == [], name
        assert re.sub(r"<[^>]*>", "", text).strip(), name
    strange = pel.make_dataset(np.eye(4), [0, 1, 0, 1], held_out=None, name="<script>")
    assert "<script>" not in strange._repr_html_()


def test_a_dataset_shows_its_first_rows_by_name():
    text = IRIS._repr_html_()
    assert "petal length (cm)" in text
    assert text.count("<tr>") == 5 + 1 + 5  # facts, head, rows


ITEMS = {f"layer {name}": example_row(name).layer for name in layers}
for registry in REGISTRIES:
    for entry in registry:
        cls = registry.find(entry)
        required = [each for each in inspect.signature(cls).parameters.values() if each.default is each.empty]
        if not required and cls.__module__.startswith("pellucid."):
            ITEMS[f"{registry.kind} {entry}"] = cls()


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_a_registered_object_shows_its_purpose_its_formula_and_its_fields(item):
    text = item._repr_html_()
    assert type(item).__name__ in text
    assert inspect.getdoc(type(item)).split(maxsplit=1)[0].replace("`", "") in unescape(text)
    formula = getattr(item, "formula", None)
    if formula:
        assert ("<math" in text) != isinstance(formula, str)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
