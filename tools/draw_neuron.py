"""Draw the pictures of docs/textbook/neuron.md: a neuron under a pulse, and its firing rate against its input."""

from pathlib import Path

import numpy as np

from pellucid_textbook.neuron import BiologicalNeuron, firing_rate_chart, firing_rate_curve, recording_charts
from pellucid_textbook.page import picture

IMAGES = Path("docs/images")
neuron = BiologicalNeuron()
pulse = np.zeros(1500)
pulse[200:600] = 1.8
pulse[800:1300] = 3.0
(IMAGES / "spikes.svg").write_text(picture(recording_charts(neuron.run(pulse)), columns=1), encoding="utf-8")
curve = firing_rate_curve(neuron, np.linspace(-6, 6, 97))
(IMAGES / "firing_rate.svg").write_text(picture([firing_rate_chart(curve)]), encoding="utf-8")
