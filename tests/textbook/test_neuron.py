"""The biological neuron against its formula and against the layer, and a spiking network that learns digits."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.api import train
from pellucid.architectures.spiking import spiking
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.data import load_dataset, make_dataset
from pellucid.layers import LeakyIntegrateAndFire
from pellucid.optimizers import Adam
from pellucid_textbook.neuron import BiologicalNeuron, firing_rate_chart, firing_rate_curve, recording_charts
from pellucid_textbook.page import picture
from pellucid_textbook.texts import read_texts

NEURONS = [
    BiologicalNeuron(),
    BiologicalNeuron(rest=-65.0, threshold=-52.0, resistance=25.0, time_constant=20.0, time_step=0.25),
]


@pytest.mark.parametrize("neuron", NEURONS, ids=["default", "other"])
def test_the_simulation_is_the_layer(neuron, rng, float64):
    impulses = rng.normal(4 * neuron.rheobase, 8 * neuron.rheobase, 2000)
    recording = neuron.run(impulses)
    layer = LeakyIntegrateAndFire(neuron.leak, threshold=neuron.threshold - neuron.rest, reset="zero")
    current = jnp.asarray((1 - neuron.leak) * neuron.resistance * impulses)[None, :, None]
    spikes, _, (potentials, _) = layer.forward({}, {}, current)
    assert 20 < recording.spikes.sum() < 1000
    np.testing.assert_array_equal(recording.spikes, spikes[0, :, 0])
    np.testing.assert_allclose(recording.potential, neuron.rest + potentials[:, 0, 0], rtol=1e-12)


@pytest.mark.parametrize("neuron", NEURONS, ids=["default", "other"])
def test_the_rate_is_the_formulas(neuron):
    currents = neuron.rheobase * np.array([0.0, 0.5, 0.95, 1.05, 1.2, 1.5, 2.0, 3.0, 5.0])
    curve = firing_rate_curve(neuron, currents, duration=2000.0)
    short = curve.theoretical - curve.measured
    # Spikes are whole, in 2 s, and fall on whole steps.
    assert (short >= -1e-9).all()
    assert (short <= 0.5 + curve.theoretical**2 * neuron.time_step / 1000 + 1e-9).all()
    assert not curve.measured[:3].any()
    assert (np.diff(curve.measured[2:]) > 0).all()


def test_the_soma_follows_the_differential_equation():
    """Below the threshold a constant current gives u(t) = rest + R·I (1 − exp(−t/τ)), whatever the step."""
    for time_step in (0.1, 5.0):
        neuron = BiologicalNeuron(time_step=time_step)
        recording = neuron.run(np.full(20, 1.5))
        expected = -70 + 15 * (1 - np.exp(-recording.times / 10))
        np.testing.assert_allclose(recording.potential, expected, rtol=1e-12)
        assert not recording.spikes.any()


def test_synapses_weigh_the_impulses(rng):
    neuron = BiologicalNeuron(synapses=(1.0, 0.5, -2.0))
    impulses = rng.uniform(0, 6, (500, 3))
    recording = neuron.run(impulses)
    alone = BiologicalNeuron().run(impulses[:, 0] + 0.5 * impulses[:, 1] - 2 * impulses[:, 2])
    np.testing.assert_allclose(recording.current, alone.current)
    np.testing.assert_array_equal(recording.spikes, alone.spikes)


def test_a_recording_counts_its_spikes():
    recording = BiologicalNeuron().run(np.full(1000, 3.0))
    assert recording.times[-1] == pytest.approx(100)
    assert len(recording.spike_times) == 9
    assert recording.firing_rate == pytest.approx(90)


def test_the_curve_is_rectified():
    curve = firing_rate_curve(BiologicalNeuron(), np.linspace(-6, 6, 97))
    assert curve.explained["rectified line"] > 0.99
    assert curve.explained["straight line"] < 0.7
    assert curve.explained["step"] < 0.9
    assert abs(curve.onset - BiologicalNeuron().rheobase) < 0.5
    # No other onset or slope does better.
    best = ((curve.measured - curve.rectified) ** 2).sum()
    for slope, onset in ((1.01, 0), (0.99, 0), (1, 0.02), (1, -0.02)):
        other = curve.slope * slope * np.maximum(0, curve.currents - curve.onset - onset)
        assert ((curve.measured - other) ** 2).sum() > best


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"synapses": ()}, "at least one"),
        ({"threshold": -70.0}, "above rest"),
        ({"resistance": 0.0}, "resistance"),
        ({"time_constant": -1.0}, "time_constant"),
    ],
)
def test_a_neuron_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(InvalidValue, match=message):
        BiologicalNeuron(**wrong)


def test_what_cannot_be_run_is_refused():
    neuron = BiologicalNeuron(synapses=(1.0, 1.0))
    for impulses in (np.ones(10), np.ones((10, 3)), np.ones((0, 2)), np.ones((1, 10, 2))):
        with pytest.raises(ShapeError, match=r"\(steps, 2\)"):
            neuron.run(impulses)
    with pytest.raises(InvalidValue, match="three different"):
        firing_rate_curve(neuron, [1.0, 2.0, 2.0])
    with pytest.raises(InvalidValue, match=r"rheobase, 2 nA"):
        firing_rate_curve(neuron, [0.0, 0.5, 1.0], duration=50.0)
    with pytest.raises(InvalidValue, match="duration"):
        firing_rate_curve(neuron, [0.0, 2.0, 4.0], duration=0.0)


def test_the_comparison_is_the_one_of_the_page():
    page = (Path(__file__).parents[2] / "docs" / "textbook" / "neuron.md").read_text(encoding="utf-8")
    for row in read_texts("catalogue/comparisons")["neurons"]["rows"]:
        assert f"| {' | '.join(row)} |" in page


def test_charts_show_what_was_recorded():
    recording = BiologicalNeuron().run(np.full(1000, 3.0))
    current, soma, axon = recording_charts(recording)
    np.testing.assert_array_equal(current.series[0].y, recording.current)
    np.testing.assert_array_equal(soma.series[0].y, recording.potential)
    assert axon.series[0].y.sum() == 9
    assert "9 spikes" in axon.title
    curve = firing_rate_curve(BiologicalNeuron(), [0, 1, 3, 4], duration=100.0)
    formula, rectified, measured = firing_rate_chart(curve).series
    np.testing.assert_array_equal(formula.y, curve.theoretical)
    np.testing.assert_array_equal(rectified.y, curve.rectified)
    np.testing.assert_array_equal(measured.y, curve.measured)
    assert picture([*recording_charts(recording), firing_rate_chart(curve)]).count("<svg") == 5


def test_a_spiking_network_learns_digits():
    data = load_dataset("digits")
    run = train(spiking(data, (128,)), data, optimizer=Adam(3e-3), epochs=15, seed=0, progress=False)
    # A network without a hidden layer reaches 0.942: the spikes carry more.
    assert run.result["accuracy"] >= 0.955


def test_a_spiking_network_ends_as_its_task_asks(rng):
    data = make_dataset(rng.normal(size=(40, 3)), rng.normal(size=40), task="regression")
    names = spiking(data, (4, 5), steps=3).names
    assert names == (
        "dense_1",
        "repeat_1",
        "leaky_integrate_and_fire_1",
        "dense_2",
        "leaky_integrate_and_fire_2",
        "mean_over_time_1",
        "dense_3",
    )
    with pytest.raises(InvalidValue, match="at least one hidden layer"):
        spiking(data, ())
    with pytest.raises(InvalidValue, match="neurons of a hidden layer"):
        spiking(data, (0,))
