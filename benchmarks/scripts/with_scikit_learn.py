"""MNIST from start to finish in scikit-learn."""

import pickle
import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.scripts.mnist import arguments, read, report

folder, epochs, output = arguments()
x, y, test_x, test_y = read(folder)
settings: dict[str, Any] = {"batch_size": 128, "max_iter": epochs}
model = MLPClassifier((128, 128), **settings, alpha=0.0, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # so few epochs are meant
    model.fit(x, y)
accuracy = model.score(test_x, test_y)
with open(output / "model.pickle", "wb") as file:
    pickle.dump(model, file)
report(accuracy)
