"""Experiments on single neurons: the perceptron, the biological neuron."""

from collections.abc import Sequence

import numpy as np

import pellucid as pel
from pellucid.report.chart import Plane, Series
from pellucid_textbook.charts import lines
from pellucid_textbook.lessons.claim import Measured, experiment
from pellucid_textbook.lessons.trainings import named, train_variants
from pellucid_textbook.neuron import BiologicalNeuron, firing_rate_curve
from pellucid_textbook.perceptron import FittedPerceptron, Perceptron
from pellucid_textbook.separable import NotSeparable

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
AND, XOR = (0, 0, 0, 1), (0, 1, 1, 0)


@experiment("xor")
def xor(seeds: Sequence[int]) -> Measured:
    """Two gates, one neuron, one network."""
    fitted = {name: [_perceptron(gate, seed) for seed in seeds] for name, gate in (("AND", AND), ("XOR", XOR))}
    data = pel.make_dataset(CORNERS, XOR, name="XOR", task="binary", preprocessing="none", held_out=(CORNERS, XOR))
    layers = (pel.Dense(4, "tanh", weights="glorot_uniform"), pel.Dense(1, "sigmoid", weights="glorot_uniform"))
    adam = {"name": "adam", "learning_rate": 0.05}
    settings = {"network": pel.Network(*layers), "optimizer": adam, "epochs": 500, "batch_size": "all"}
    runs = train_variants(data, seeds, {"XOR": settings})["XOR"]
    right = {
        "perceptron on AND": [(one.predict(CORNERS) == AND).sum() for one in fitted["AND"]],
        "perceptron on XOR": [(one.predict(CORNERS) == XOR).sum() for one in fitted["XOR"]],
        "network on XOR": [(run.predict(CORNERS) == XOR).sum() for run in runs],
    }
    passes = {f"perceptron on {name}": [one.epochs for one in of_name] for name, of_name in fitted.items()}
    certified = {"XOR's certificate is exact and verified": [_certified(one) for one in fitted["XOR"]]}
    return Measured(
        named("rows right", right) | certified | named("passes", passes),
        [
            _decisions("perceptron on AND", AND, fitted["AND"][0]),
            _decisions("perceptron on XOR: any line is wrong", XOR, fitted["XOR"][0]),
            _decisions("network on XOR", XOR, runs[0]),
        ],
    )


def _perceptron(gate: Sequence[int], seed: int) -> FittedPerceptron:
    weights = np.random.default_rng(seed).normal(size=3)
    learner = Perceptron(max_epochs=1000, shuffle=True, seed=seed, weights=weights[:2].tolist(), bias=weights[2])
    return learner.fit(CORNERS, gate)


def _certified(fitted: FittedPerceptron) -> bool:
    proof = fitted.separability
    return isinstance(proof, NotSeparable) and proof.certificate.exact and proof.certificate.verify(CORNERS, XOR)


def _decisions(title: str, gate: Sequence[int], model: FittedPerceptron | pel.Run) -> Plane:
    ends, rows = (-0.25, 1.25), np.array(gate)
    ticks = np.linspace(*ends, 31, dtype=np.float32)
    places = np.stack(np.meshgrid(ticks, ticks[::-1]), axis=-1).reshape(-1, 2)
    classes = np.asarray(model.predict(places)).reshape(31, 31).astype(int)
    series = [Series(f"class {value}", *CORNERS[rows == value].T) for value in (0, 1)]
    return Plane(title, classes, ends, ends, series, "x₁", "x₂", classes=("0", "1"))


@experiment("firing-rate")
def firing_rate(seeds: Sequence[int]) -> Measured:
    """The firing-rate curve of random neurons."""
    inputs = np.linspace(-3, 3, 61)
    neurons = [_neuron(seed) for seed in seeds]
    curves = [firing_rate_curve(neuron, inputs * neuron.rheobase) for neuron in neurons]
    line, straight, step = (
        np.array([curve.explained[name] for curve in curves]) for name in ("rectified line", "straight line", "step")
    )
    measured, rectified = np.stack([c.measured for c in curves]), np.stack([c.rectified for c in curves])
    tops = measured.max(axis=1, keepdims=True)
    rates = {"measured": measured / tops, "rectified line": rectified / tops}
    return Measured(
        {
            "explained by a rectified line": line,
            "explained by a straight line": straight,
            "explained by a step": step,
            "explained, rectified − straight line": line - straight,
            "explained, rectified line − step": line - step,
            "onset of the line, in rheobases": [c.onset / n.rheobase for c, n in zip(curves, neurons, strict=True)],
            "largest distance from the line, fraction of the top rate": (abs(measured - rectified) / tops).max(axis=1),
        },
        [lines("rate against input", "constant input, rheobases", "rate, fraction of its highest", inputs, rates)],
    )


def _neuron(seed: int) -> BiologicalNeuron:
    rng = np.random.default_rng(seed)
    rest = rng.uniform(-75, -65)
    return BiologicalNeuron(
        rest=rest, threshold=rest + rng.uniform(10, 30), resistance=rng.uniform(5, 20), time_constant=rng.uniform(5, 30)
    )
