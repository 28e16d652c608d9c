"""Claims on activation functions (subject, chapter 4)."""

from collections.abc import Sequence

import numpy as np

from pellucid.data import load_dataset
from pellucid.layers import Dense, Flatten
from pellucid.lessons.claims import Condition, Measured, claim
from pellucid.lessons.panels import Curve, Curves, Dots
from pellucid.lessons.quantity import Quantity
from pellucid.lessons.study import train_variants
from pellucid.models.run import Run
from pellucid.network import Network


@claim(
    1,
    "deep-linear",
    "A deep linear network computes no more than one linear layer.",
    items=("4.1", "3.9"),
    reason="W₃(W₂(W₁x + b₁) + b₂) + b₃ is again Wx + b, with W = W₃W₂W₁: a product of matrices is one matrix. "
    "Depth pays only with something that is not linear between the layers.",
    experiment="Three layers of 32, 32 and 10 units on 8×8 digits, 20 epochs of Adam, linear between them. The best "
    "single linear layer is fitted by least squares to the trained network's outputs on the held-out rows; what is "
    "left over is the share that no linear layer computes. The same is done with ReLU between the layers, as a "
    "control: the measurement must be able to find something.",
    rule=(
        Condition("share beyond one linear layer, linear", "below", 1e-4),
        Condition("share beyond one linear layer, relu", "above", 1e-2),
    ),
)
def deep_linear(seeds: Sequence[int]) -> Measured:
    """Fit one layer to the outputs of three."""
    data = load_dataset("digits")
    assert data.held_out is not None
    networks = {
        name: Network(Flatten(), Dense(32, name), Dense(32, name), Dense(10, "softmax"))
        for name in ("linear", "relu")
    }
    runs = train_variants(
        data, seeds, {name: {"network": network} for name, network in networks.items()},
        optimizer={"name": "adam", "learning_rate": 0.003}, epochs=20, record_every=0,
    )  # fmt: skip
    x = data.preprocessing.apply_numpy(data.held_out.x).reshape(len(data.held_out), -1)
    shares = {name: [_beyond_linear(run, x) for run in of_name] for name, of_name in runs.items()}
    curves = [
        Curve.of(
            name,
            of_name[0].history.epochs["epoch"],
            [run.history.epochs["held_out_accuracy"] for run in of_name],
        )
        for name, of_name in runs.items()
    ]
    return Measured(
        [Quantity.of(f"share beyond one linear layer, {name}", shares[name]) for name in runs]
        + [
            Quantity.of(f"held-out accuracy, {name}", [run.result["accuracy"] for run in of_name])
            for name, of_name in runs.items()
        ],
        [
            Dots("outputs that no single linear layer computes", "share of the spread", shares, log="y"),
            Curves("three layers on digits", "epoch", "held-out accuracy", curves),
        ],
    )


def _beyond_linear(run: Run, x: np.ndarray) -> float:
    """Share of the logits' spread that the best affine map of x leaves over."""
    logits = np.asarray(run.network.forward(run.params, run.layer_state, x).outputs[-2], float)
    design = np.column_stack([x.astype(float), np.ones(len(x))])
    rest = logits - design @ np.linalg.lstsq(design, logits)[0]
    return float(np.linalg.norm(rest) / np.linalg.norm(logits - logits.mean(axis=0)))
