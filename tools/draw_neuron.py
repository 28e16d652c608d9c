"""Draw the pictures of docs/neuron.md: a neuron under a pulse, and its firing rate against its input."""

import numpy as np

from pellucid_textbook.neuron import BiologicalNeuron, draw_firing_rate, draw_recording, firing_rate_curve

neuron = BiologicalNeuron()
pulse = np.zeros(1500)
pulse[200:600] = 1.8
pulse[800:1300] = 3.0
draw_recording(neuron.run(pulse)).savefig("docs/images/spikes.png", dpi=110)
curve = firing_rate_curve(neuron, np.linspace(-6, 6, 97))
draw_firing_rate(curve).savefig("docs/images/firing_rate.png", dpi=110)
