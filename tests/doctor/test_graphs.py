"""The doctor sees networks with branches as it sees layers in a row."""

import pytest

import pellucid as pel
from pellucid.doctor import diagnose
from pellucid.doctor.remedies import changes, plan_of_run, settled
from pellucid.functions.initializers import Constant
from pellucid.layers import Dense
from pellucid.network import Network, build_network

IRIS = pel.load_dataset("iris")


def branches(weights="glorot_uniform", end="softmax"):
    return Network.graph(
        inputs="x",
        nodes={
            "a": (Dense(8, "tanh", weights=weights), "x"),
            "b": (Dense(8, weights=weights), "x"),
            "sum": ("add", ("a", "b")),
            "end": (Dense(3, end), "sum"),
        },
        outputs="end",
    )


@pytest.fixture(scope="module")
def slow():
    return pel.train(branches(), IRIS, optimizer=pel.SGD(1e-5), epochs=10, progress=False)


def test_a_glance_warns_of_units_that_begin_alike_in_a_branch():
    with pytest.warns(pel.DoctorWarning, match=r"constant init.*the units of a all begin with the same weights"):
        pel.train(branches(Constant(0.1)), IRIS, epochs=1, progress=False)


def test_a_cause_is_found_and_its_remedies_keep_the_branches(slow):
    finding = diagnose(slow)[0]
    assert finding.label == "learning_rate_too_low"
    assert "larger learning rate" in finding.remedies
    plan = plan_of_run(slow)
    for name in ("He initialisation", "relu", "leaky relu", "fewer units"):
        for change in changes([name], plan):
            assert change.plan.network.reads == slow.network.reads, name
            assert build_network(settled(change.plan).network) == change.plan.network
    assert changes(["He initialisation", "relu"], plan)


def test_layers_are_neither_added_to_a_graph_nor_left_out(slow):
    assert changes(["more layers", "dropout", "batch normalisation"], plan_of_run(slow)) == []
