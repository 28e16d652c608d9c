"""The table of a network counts what the layers compute."""

import pytest

import pellucid as pel
from pellucid.layers import LSTM, Conv2D, ConvTranspose2D


@pytest.mark.parametrize(
    ("layer", "shape", "multiply_adds"),
    [
        (Conv2D(32, 3), (28, 28, 1), 26 * 26 * 9 * 32),
        (Conv2D(6, (2, 3), groups=2), (5, 4, 4), 4 * 2 * (2 * 3 * 2) * 6),
        (Conv2D(8, 3, groups=8), (5, 5, 8), 3 * 3 * 9 * 8),
        (ConvTranspose2D(4, 3, stride=2), (5, 5, 2), 5 * 5 * 2 * 9 * 4),
        (LSTM(128), (28, 28), 28 * (28 + 128) * 512),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else None,
)
def test_multiply_adds_are_those_of_the_formula(layer, shape, multiply_adds):
    assert pel.summarize(pel.Network(layer), shape).multiply_adds == multiply_adds


def test_networks_and_summaries_are_short_in_a_prompt_and_tables_in_a_notebook():
    chain = pel.Network(pel.Dense(4, "relu"), pel.Dense(3, "softmax"))
    graph = pel.Network.graph(
        inputs=("a", "b"), nodes={"sum": ("add", ("a", "b")), "out": (pel.Dense(2), "sum")}, outputs="out"
    )
    assert repr(chain) == "Network(input → dense_1 → relu_1 → dense_2 → softmax_1)"
    assert repr(graph) == "Network(a, b → 2 layers → out)"
    assert len(repr(pel.Network(*[pel.Dense(4)] * 40))) < 200
    summary = pel.summarize(graph, ((3,), (3,)))
    assert repr(summary) == "Summary(2 layers, 8 parameters, 6 multiply-adds)"
    assert "<td" in chain._repr_html_()
    for cell in ("a, b", "out", "8"):
        assert f">{cell}</td>" in summary._repr_html_()


def test_a_chain_may_be_given_as_a_graph():
    nodes = {"dense_1": (pel.Dense(2), "input"), "dense_2": (pel.Dense(1), "dense_1")}
    chain = pel.Network(pel.Dense(2), pel.Dense(1))
    assert pel.Network.graph(inputs="input", nodes=nodes, outputs="dense_2") == chain
    assert chain.is_chain
    assert chain.with_layers([pel.Dense(5), pel.Dense(1)]).names == chain.names
