"""MNIST from start to finish in Keras on JAX."""

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras

from benchmarks.scripts.mnist import arguments, read, report

folder, epochs, output = arguments()
x, y, test_x, test_y = read(folder)
keras.utils.set_random_seed(0)
model: Any = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
_, accuracy = model.evaluate(test_x, test_y, batch_size=1024, verbose=0)
model.save_weights(output / "model.weights.h5")
report(accuracy)
