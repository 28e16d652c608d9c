"""The biological neuron: dendrites, synapses, soma, threshold, axon, simulated in time.

The simulation is the `LeakyIntegrateAndFire` layer in the units of physiology, with a name for each part.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import pellucid as pel
from pellucid.core.constraints import POSITIVE, constrained, require, validate
from pellucid.report.chart import LineChart, Series
from pellucid_textbook.charts import lines

TIME = "time, ms"


@dataclass(frozen=True)
class BiologicalNeuron:
    """A neuron that integrates, leaks and fires: five parts, named as physiology names them.

    Formula:
        dendrites and synapses: I = Σ_k synapse_k · impulse_k

        soma: τ du/dt = −(u − rest) + R·I; over a step dt of constant current, with β = exp(−dt/τ), exactly
        u_t = rest + β (u_{t−1} − rest) + (1 − β) R·I_t

        threshold and axon: where u_t ≥ threshold a spike goes out, and u starts again from rest

        firing rate under a constant current: 1 / (τ ln(R·I / (R·I − (threshold − rest)))) where R·I is above
        threshold − rest, else 0

    Args:
        synapses: strength of each dendrite's synapse; a negative one inhibits.
        rest: potential of the soma without input, in mV.
        threshold: potential at which it fires, in mV, above ``rest``.
        resistance: R of the membrane, in MΩ, above 0.
        time_constant: τ of the leak, in ms, above 0.
        time_step: dt of the simulation, in ms, above 0.

    Raises:
        InvalidValue: a field outside its range, no synapse, or a threshold that is not above rest.

    Example:
        >>> neuron = BiologicalNeuron(synapses=(1.0, 0.5, -1.0))
        >>> neuron.rheobase
        2.0
        >>> excited = neuron.run(np.tile([2.0, 2.0, 0.0], (1000, 1)))  # 100 ms, 3 nA in all
        >>> excited.spike_times.round(1).tolist()
        [11.0, 22.0, 33.0, 44.0, 55.0, 66.0, 77.0, 88.0, 99.0]
        >>> inhibited = neuron.run(np.tile([2.0, 2.0, 2.0], (1000, 1)))  # 1 nA
        >>> inhibited.firing_rate
        0.0

    A real neuron cannot fire again for about 2 ms after a spike, which bounds its rate; this one has no such refractory
    period.

    Source: Lapicque, Recherches quantitatives sur l'excitation électrique des nerfs, 1907; Gerstner, Kistler, Spiking
    neuron models, 2002, chapter 4.
    """

    synapses: tuple[float, ...] = (1.0,)
    rest: float = -70.0
    threshold: float = -50.0
    resistance: float = constrained(10.0, POSITIVE, "MΩ of the membrane")
    time_constant: float = constrained(10.0, POSITIVE, "ms of the leak")
    time_step: float = constrained(0.1, POSITIVE, "ms of the simulation")

    def __post_init__(self) -> None:
        validate(self)
        object.__setattr__(self, "synapses", tuple(self.synapses))
        if not self.synapses:
            raise pel.InvalidValue("BiologicalNeuron.synapses needs at least one strength. Received: ().")
        if not self.threshold > self.rest:
            raise pel.InvalidValue(
                f"BiologicalNeuron.threshold must be above rest. Received: {self.threshold} mV, rest {self.rest} mV."
            )

    @property
    def leak(self) -> float:
        """Fraction β of the potential above rest that a step keeps."""
        return math.exp(-self.time_step / self.time_constant)

    @property
    def rheobase(self) -> float:
        """The least constant current that makes the neuron fire, in nA: below it the leak wins."""
        return (self.threshold - self.rest) / self.resistance

    def run(self, impulses: Any) -> "Recording":
        """The neuron under impulses that reach its dendrites.

        Args:
            impulses: currents in nA, one row a time step, shape (steps, dendrites); (steps,) for one dendrite.

        Raises:
            ShapeError: another number of dendrites than of synapses, or no step.
        """
        impulses = np.asarray(impulses, float)
        rows = impulses[:, None] if impulses.ndim == 1 else impulses
        if rows.ndim != 2 or rows.shape[1] != len(self.synapses) or not len(rows):
            raise pel.ShapeError(
                f"impulses must have shape (steps, {len(self.synapses)}), one column for each synapse. "
                f"Received: {impulses.shape}."
            )
        current = rows @ np.array(self.synapses)
        potential, spikes = self._soma(current[:, None])
        return Recording(self, current, potential[:, 0], spikes[:, 0])

    def theoretical_rate(self, currents: Any) -> np.ndarray:
        """Spikes a second under constant currents of the soma in nA, by the formula."""
        drive = np.maximum(self.resistance * np.asarray(currents, float), 0)
        height = self.threshold - self.rest
        with np.errstate(divide="ignore", invalid="ignore"):
            interval = self.time_constant * np.log(drive / (drive - height))
        return np.where(drive > height, 1000 / interval, 0)

    def _soma(self, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Potentials and spikes of alike neurons side by side; all arrays (steps, neurons)."""
        above_rest = np.zeros_like(current)
        spikes = np.zeros(current.shape, bool)
        u = np.zeros(current.shape[1])
        for t, drive in enumerate((1 - self.leak) * self.resistance * current):
            u = self.leak * u + drive
            above_rest[t], spikes[t] = u, u >= self.threshold - self.rest
            u = np.where(spikes[t], 0, u)
        return self.rest + above_rest, spikes


@dataclass(frozen=True)
class Recording:
    """The recordings of an electrode in the soma and one at the axon.

    Attributes:
        neuron: the neuron.
        current: sum of the weighted impulses, in nA, shape (steps,).
        potential: of the soma, in mV; a spike's own step still shows the potential that reached the threshold.
        spikes: the spike train of the axon, booleans.
    """

    neuron: BiologicalNeuron
    current: np.ndarray
    potential: np.ndarray
    spikes: np.ndarray

    @property
    def times(self) -> np.ndarray:
        """End of each step, in ms."""
        return self.neuron.time_step * np.arange(1, len(self.spikes) + 1)

    @property
    def spike_times(self) -> np.ndarray:
        """Times of the spikes, in ms."""
        return self.times[self.spikes]

    @property
    def firing_rate(self) -> float:
        """Spikes a second over the whole recording."""
        return float(1000 * self.spikes.sum() / self.times[-1])


@dataclass(frozen=True)
class FiringRateCurve:
    """Firing rate against constant input, and how well simple curves describe it.

    Attributes:
        currents: of the soma, in nA.
        measured: spikes a second in the simulation.
        theoretical: spikes a second by the formula.
        slope: of the best rectified line, slope · max(0, I − onset), in Hz/nA.
        onset: where that line leaves 0, in nA.
        explained: fraction of the rates' variance that the best rectified line, straight line and step explain.
    """

    currents: np.ndarray
    measured: np.ndarray
    theoretical: np.ndarray
    slope: float
    onset: float
    explained: dict[str, float]

    @property
    def rectified(self) -> np.ndarray:
        """The best rectified line at the currents: a ReLU of the input."""
        return self.slope * np.maximum(0, self.currents - self.onset)


def firing_rate_curve(neuron: BiologicalNeuron, currents: Any, duration: float = 1000.0) -> FiringRateCurve:
    """Measure the firing rate under each of several constant currents.

    The measured rate lies below the formula's by less than 1/duration + rate² · time_step: spikes are whole
    and fall on whole steps.

    Args:
        neuron: the neuron; the currents enter its soma, past the synapses.
        currents: in nA, at least three different ones, shape (currents,).
        duration: of each measurement in simulated ms, above 0.

    Returns:
        Measured and theoretical rates, and the least-squares fits of a rectified line, a straight line and a step.

    Raises:
        InvalidValue: fewer than three different currents, a duration of 0 or less, or currents none or all of which
            leave the rate the same.

    Example:
        >>> curve = firing_rate_curve(BiologicalNeuron(), np.arange(-5.5, 6))
        >>> curve.measured[-5:].tolist(), curve.theoretical[-5:].round().tolist()
        ([0.0, 62.0, 117.0, 169.0, 217.0], [0.0, 62.0, 118.0, 170.0, 221.0])
        >>> {name: round(share, 3) for name, share in curve.explained.items()}
        {'rectified line': 0.999, 'straight line': 0.666, 'step': 0.874}
    """
    require(duration, POSITIVE, "duration (simulated ms)")
    amounts = np.asarray(currents, float)
    if amounts.ndim != 1 or len(np.unique(amounts)) < 3:
        raise pel.InvalidValue(
            f"currents must be at least three different numbers in a row. Received: {currents!r:.60}."
        )
    steps = max(1, round(duration / neuron.time_step))
    _, spikes = neuron._soma(np.tile(amounts, (steps, 1)))
    measured = 1000 * spikes.sum(axis=0) / (steps * neuron.time_step)
    variation = ((measured - measured.mean()) ** 2).sum()
    if variation == 0:
        raise pel.InvalidValue(
            f"all rates are {measured[0]:g} Hz, so there is no curve. Take currents on both sides of the rheobase, "
            f"{neuron.rheobase:g} nA."
        )

    def explained(curve: np.ndarray) -> float:
        return float(1 - ((measured - curve) ** 2).sum() / variation)

    # For a given onset the best slope is a quotient, so only the onset is searched.
    onsets = np.linspace(amounts.min(), amounts.max(), 2001)[:-1]
    hinges = np.maximum(0, amounts - onsets[:, None])
    slopes = hinges @ measured / (hinges**2).sum(axis=1)
    best = int(((slopes[:, None] * hinges - measured) ** 2).sum(axis=1).argmin())
    straight = np.polyval(np.polyfit(amounts, measured, 1), amounts)
    steps_up = [
        np.where(amounts < at, measured[amounts < at].mean(), measured[amounts >= at].mean())
        for at in np.unique(amounts)[1:]
    ]
    fits = {
        "rectified line": explained(slopes[best] * hinges[best]),
        "straight line": explained(straight),
        "step": max(map(explained, steps_up)),
    }
    return FiringRateCurve(
        amounts, measured, neuron.theoretical_rate(amounts), float(slopes[best]), float(onsets[best]), fits
    )


def recording_charts(recording: Recording) -> list[LineChart]:
    """Input current, potential of the soma, and spikes over time."""
    times, ends, neuron = recording.times, recording.times[[0, -1]], recording.neuron
    levels = [Series(name, ends, np.full(2, getattr(neuron, name))) for name in ("threshold", "rest")]
    potential = Series("potential", times, recording.potential)
    spikes = f"axon: {recording.spikes.sum()} spikes"
    return [
        lines("dendrites and synapses: the input", TIME, "nA", times, {"current": recording.current}),
        LineChart("soma: integrates, leaks, resets after a spike", [potential, *levels], TIME, "mV", False),
        lines(spikes, TIME, "", times, {"spikes": recording.spikes}),
    ]


def firing_rate_chart(curve: FiringRateCurve) -> LineChart:
    """Firing rate against input: measured, by the formula, and the best rectified line."""
    label = f"rectified line, {curve.explained['rectified line']:.1%} of the variance"
    rates = {"by the formula": curve.theoretical, label: curve.rectified, "measured": curve.measured}
    return lines("firing rate", "constant input current, nA", "spikes a second", curve.currents, rates)
