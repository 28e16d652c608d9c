"""What autoencoders reach on held-out digits, beside principal components and networks without a penalty."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contenders import flat
from benchmarks.measure import Case, Run, compare
from benchmarks.workload import Settings, Target, Workload

CODE = 32
ACTIVITY = 0.1
DENOISING = {"name": "autoencoder", "hidden": [256], "code": CODE, "noise": 0.3}
SPARSE = {"name": "autoencoder", "hidden": [128], "code": 256}
STRENGTH = 3e-4


def trained(specification: dict[str, Any], data: str, epochs: int, figure: Callable[[Any, Any], float]) -> Run:
    """A figure of a freshly trained autoencoder; another seed each round."""
    import itertools

    import pellucid

    seeds = itertools.count()
    dataset = pellucid.load_dataset(data)

    def run() -> float:
        result = pellucid.train(
            specification,
            dataset,
            optimizer=pellucid.Adam(2e-3),
            epochs=epochs,
            batch_size=128,
            seed=next(seeds),
            progress=False,
        )
        return figure(result, dataset)

    return run


def pca(data: str, noisy: bool) -> Run:
    """scikit-learn's principal components, as many as the code has units."""
    from sklearn.decomposition import PCA

    import pellucid

    dataset = pellucid.load_dataset(data)
    x, clean = flat(dataset.train.x, dataset), flat(dataset.held_out.x, dataset)
    model = PCA(CODE, svd_solver="randomized", random_state=0).fit(x)

    def run() -> float:
        seen = flat(spoil(dataset.held_out.x), dataset) if noisy else clean
        return float(np.square(model.inverse_transform(model.transform(seen)) - clean).mean())

    return run


def spoil(x: np.ndarray) -> np.ndarray:
    """Three tenths of the pixels set to 0."""
    return x * (np.random.default_rng(0).random(x.shape) >= 0.3).astype(x.dtype)


def error(trained: Any, dataset: Any) -> float:
    """Mean squared error on clean held-out digits."""
    return trained.run.result["loss"]


def error_of_spoilt(trained: Any, dataset: Any) -> float:
    """Mean squared error against the clean digits where a spoilt one was shown."""
    outputs = trained.run.outputs(spoil(dataset.held_out.x))
    return float(np.square(outputs - dataset.preprocessing.apply_numpy(dataset.held_out.x)).mean())


def activity(trained: Any, dataset: Any) -> float:
    """Mean activation of the code on held-out digits."""
    return float(trained.transform(dataset.held_out.x).mean())


def measure(settings: Settings) -> list[Case]:
    """A seed a round."""
    data, epochs = ("mnist-5k", 2) if settings.quick else ("mnist", 15)
    cases = []
    for name, figure, noisy in (("clean digits", error, False), ("spoilt digits", error_of_spoilt, True)):
        builds = {
            "denoising autoencoder": partial(trained, DENOISING, data, epochs, figure),
            "PCA": partial(pca, data, noisy),
        }
        case = Case(name, "mean squared error", "denoising autoencoder")
        cases.append(compare(case, builds, settings.rounds))
    penalties = {
        name: {"name": "kl_activity", "target": ACTIVITY, "strength": strength}
        for name, strength in (("sparse", STRENGTH), ("no penalty", 0.0))
    }
    for name, figure in (("sparse code, error", error), ("sparse code, activity", activity)):
        builds = {
            kind: partial(trained, SPARSE | {"sparsity": penalty}, data, epochs, figure)
            for kind, penalty in penalties.items()
        } | {"linear code": partial(trained, SPARSE, data, epochs, figure)}
        unit = "mean squared error" if figure is error else "mean activation"
        cases.append(compare(Case(name, unit, "sparse"), builds, settings.rounds))
    return cases


def _over_pca(case: Case) -> float:
    return case.ratio("PCA").median


def _over_no_penalty(case: Case) -> float:
    return 1 / case.ratio("no penalty").median


def _off_target(case: Case) -> float:
    return abs(case.spread("sparse").median / ACTIVITY - 1)


WORKLOAD = Workload(
    "autoencoders",
    "What autoencoders reach on MNIST",
    "15 epochs on 60,000 digits, Adam at 2e-3, batch 128; another seed each round; errors on the 10,000 held-out "
    "digits, pixels from 0 to 1. Denoising: 784–256–32–256–784, three tenths of the pixels dropped in training, "
    "against as many principal components; on clean digits, and on spoilt ones against the clean. Sparse: "
    f"784–128–256–128–784, sigmoid code, divergence penalty of strength {STRENGTH:g} towards a mean activation of "
    f"{ACTIVITY:g}, against the same network without it, and with a linear code.",
    measure,
    (
        Target("clean digits", "PCA's error over the autoencoder's above 1", _over_pca, 1.0),
        Target("spoilt digits", "PCA's error over the autoencoder's above 1", _over_pca, 1.0),
        Target(
            "sparse code, error", "at most 1.1 times that without the penalty", _over_no_penalty, 1.1, at_least=False
        ),
        Target("sparse code, activity", "within 20 % of its target", _off_target, 0.2, at_least=False),
    ),
)
