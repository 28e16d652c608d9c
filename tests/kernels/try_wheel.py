"""Test of an installed wheel: its kernels load, one computes its formula, and a training runs."""

import jax
import numpy as np

import pellucid as pel
from pellucid import kernels

library, answer = kernels.load()
assert library is not None, answer

rng = np.random.default_rng(0)
times, batch, features, units = 3, 5, 2, 7
x, W, R, b = (
    rng.standard_normal(shape, np.float32)
    for shape in ((times, batch, features), (features, 4 * units), (units, 4 * units), (4 * units,))
)
every_step_counts = np.zeros((0, batch, 1), bool)
outputs = [kernels.floats(times, batch, units)] * 6
lstm = jax.jit(lambda *arrays: kernels.call("lstm_forward", outputs, *arrays))
h = np.asarray(lstm(x, W, R, b, every_step_counts)[-1])

state = cell = np.zeros((batch, units))
for t in range(times):
    i, f, g, o = np.split(x[t] @ W + state @ R + b, 4, axis=1)
    cell = cell / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    state = np.tanh(cell) / (1 + np.exp(-o))
    np.testing.assert_allclose(h[t], state, rtol=1e-4, atol=1e-5)

xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
data = pel.make_dataset(xor, [0, 1, 1, 0], name="xor", held_out=None)
run = pel.train([8], data, epochs=100, batch_size=4, learning_rate=0.05, seed=1)
assert run.predict(xor).ravel().tolist() == [0, 1, 1, 0], run.predict(xor)
print(f"{len(kernels.names())} kernels for {answer}")
