"""Claims on single neurons: the perceptron, the biological neuron (subject chapter 2)."""

from collections.abc import Sequence

import numpy as np

from pellucid.api import Run
from pellucid.data import make_dataset
from pellucid.layers import Dense
from pellucid.network import Network
from pellucid_textbook.lessons.claims import Condition, Measured, claim
from pellucid_textbook.lessons.panels import Curve, Curves, Points
from pellucid_textbook.lessons.quantity import Quantity
from pellucid_textbook.lessons.study import train_variants
from pellucid_textbook.neuron import BiologicalNeuron, firing_rate_curve
from pellucid_textbook.perceptron import FittedPerceptron, Perceptron
from pellucid_textbook.separable import NotSeparable

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
AND, XOR = (0, 0, 0, 1), (0, 1, 1, 0)
PASSES = 1000


@claim(
    25,
    "xor",
    "A perceptron learns AND and cannot learn XOR; a multilayer network can.",
    items=("2.5", "2.7", "3.9"),
    reason="""A perceptron says 1 on one side of a straight line. No line has (0,1) and (1,0) on one side and
    (0,0) and (1,1) on the other: ½·(0,0) + ½·(1,1) = ½·(0,1) + ½·(1,0) = (½, ½), one point that would have to
    be on both sides. Two lines do it, which is what a hidden layer draws.""",
    experiment=f"""The four rows of each gate. The perceptron begins at random weights of spread 1, visits the
    rows in random order and stops after a pass without a mistake, or after {PASSES} passes. XOR's certificate
    (a point that is a mixture of either class) is checked in fractions by `verify`. The network, 2–4–1 with
    tanh and a sigmoid, 500 steps of Adam at 0.05. "Cannot" is what the certificate proves; the passes show it.""",
    rule=(
        Condition("rows right, perceptron on AND", "above", 3.99),
        Condition("rows right, perceptron on XOR", "below", 4.0),
        Condition("XOR's certificate is exact and verified", "above", 0.99),
        Condition("rows right, network on XOR", "above", 3.99),
    ),
)
def xor(seeds: Sequence[int]) -> Measured:
    """Two gates, one neuron, one network."""
    fitted = {name: [_perceptron(gate, seed) for seed in seeds] for name, gate in (("AND", AND), ("XOR", XOR))}
    data = make_dataset(CORNERS, XOR, name="XOR", task="binary", preprocessing="none", held_out=(CORNERS, XOR))
    network = Network(*(Dense(units, end, weights="glorot_uniform") for units, end in ((4, "tanh"), (1, "sigmoid"))))
    runs = train_variants(
        data,
        seeds,
        {"XOR": {}},
        network=network,
        optimizer={"name": "adam", "learning_rate": 0.05},
        epochs=500,
        batch_size="all",
        record_every=0,
    )["XOR"]
    right = {
        f"perceptron on {name}": [(one.predict(CORNERS) == gate).sum() for one in fitted[name]]
        for name, gate in (("AND", AND), ("XOR", XOR))
    }
    right["network on XOR"] = [(run.predict(CORNERS) == np.array(XOR)).sum() for run in runs]
    return Measured(
        [Quantity.of(f"rows right, {name}", values) for name, values in right.items()]
        + [
            Quantity.of("XOR's certificate is exact and verified", [_certified(one) for one in fitted["XOR"]]),
            Quantity.of("passes, perceptron on AND", [one.epochs for one in fitted["AND"]]),
            Quantity.of("passes, perceptron on XOR", [one.epochs for one in fitted["XOR"]]),
        ],
        [
            _says("perceptron on AND", fitted["AND"][0]),
            _says("perceptron on XOR: any line is wrong", fitted["XOR"][0]),
            _says("network on XOR", runs[0]),
        ],
    )


def _perceptron(gate: Sequence[int], seed: int) -> FittedPerceptron:
    weights = np.random.default_rng(seed).normal(size=3)
    learner = Perceptron(max_epochs=PASSES, shuffle=True, seed=seed, weights=weights[:2].tolist(), bias=weights[2])
    return learner.fit(CORNERS, gate)


def _certified(fitted: FittedPerceptron) -> bool:
    proof = fitted.separability
    return isinstance(proof, NotSeparable) and proof.certificate.exact and proof.certificate.verify(CORNERS, XOR)


def _says(title: str, model: FittedPerceptron | Run) -> Points:
    """What a model says all over the square of the four rows."""
    ticks = np.linspace(-0.25, 1.25, 31, dtype=np.float32)
    places = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    says = model.predict(places)
    return Points(title, "x₁", "x₂", {f"says {value}": places[says == value].tolist() for value in (0, 1)})


@claim(
    28,
    "firing-rate",
    "A spiking neuron's firing rate follows a rectified curve of its input, as an artificial neuron's activation does.",
    items=("2.1", "2.2", "4.6"),
    reason="""Below the rheobase, the least constant current that makes it fire, the leak wins and there is no
    spike, however long one waits; above it the threshold is reached the sooner the stronger the input. Just
    above it the rate rises steeply, as 1/log, which no straight line does.""",
    experiment="""A leaky integrate-and-fire neuron of random properties for each seed (threshold 10 to 30 mV
    above rest, 5 to 20 MΩ, 5 to 30 ms), one second under each of 61 constant currents from −3 to 3 rheobases.
    By least squares three curves of two or three numbers are fitted to the rates: a rectified line (a ReLU of
    the input, shifted), a straight line, a step. The rectified line must explain more than 99 % of the
    variance, and more than either other.""",
    rule=(
        Condition("explained by a rectified line", "above", 0.99),
        Condition("explained, rectified − straight line", "above", 0.0),
        Condition("explained, rectified line − step", "above", 0.0),
    ),
)
def firing_rate(seeds: Sequence[int]) -> Measured:
    """The firing-rate curve of random neurons."""
    inputs = np.linspace(-3, 3, 61)
    curves = [firing_rate_curve(neuron, inputs * neuron.rheobase) for neuron in map(_neuron, seeds)]
    explained = {name: np.array([curve.explained[name] for curve in curves]) for name in curves[0].explained}
    best = explained["rectified line"]
    onsets = [curve.onset / _neuron(seed).rheobase for curve, seed in zip(curves, seeds, strict=True)]
    tops = np.array([curve.measured.max() for curve in curves])[:, None]
    off = [abs(curve.measured - curve.rectified).max() / curve.measured.max() for curve in curves]
    measured, line = (np.stack([getattr(curve, name) for curve in curves]) for name in ("measured", "rectified"))
    return Measured(
        [
            Quantity.of("explained by a rectified line", best),
            Quantity.of("explained by a straight line", explained["straight line"]),
            Quantity.of("explained by a step", explained["step"]),
            Quantity.of("explained, rectified − straight line", best - explained["straight line"]),
            Quantity.of("explained, rectified line − step", best - explained["step"]),
            Quantity.of("where the line leaves 0, in rheobases", onsets),
            Quantity.of("largest distance from the line, share of the top rate", off),
        ],
        [
            Curves(
                "rate against input",
                "constant input (rheobases)",
                "rate (share of its highest)",
                [Curve.of("measured", inputs, measured / tops), Curve.of("rectified line", inputs, line / tops)],
            )
        ],
    )


def _neuron(seed: int) -> BiologicalNeuron:
    rng = np.random.default_rng(seed)
    rest = rng.uniform(-75, -65)
    return BiologicalNeuron(
        rest=rest, threshold=rest + rng.uniform(10, 30), resistance=rng.uniform(5, 20), time_constant=rng.uniform(5, 30)
    )
