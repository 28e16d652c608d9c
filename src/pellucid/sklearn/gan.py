"""Generative adversarial networks: rows like those that were learnt from."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from pellucid.api import Run
from pellucid.architectures.gan import USUAL
from pellucid.core.constraints import OneOf, WholeNumber, constrained, require, validate
from pellucid.data import make_dataset
from pellucid.runs.fit import begin, fit
from pellucid.runs.plan import settle
from pellucid.sklearn.inputs import NO_TARGETS, as_rows, dtype_like
from pellucid.sklearn.parameters import described, documented, scaling


@documented
@dataclass(eq=False, repr=False)
class GAN(BaseEstimator):
    """Generative adversarial network: a generator of rows, trained against a critic that tells them from real ones.

    Rows are vectors, or images of shape (rows, height, width) or (rows, height, width, channels).

    Args:
        {parameters}

    Attributes:
        loss_curve_: the critic's loss of each epoch, the mean over its steps.
        n_iter_: epochs of the last fit.
        run_: the training as a `pellucid.Run`.

    Example:
        >>> from sklearn.datasets import make_moons
        >>> x, _ = make_moons(200, noise=0.05, random_state=0)
        >>> GAN(max_iter=2, random_state=0).fit(x).sample(5).shape
        (5, 2)

    Source: Goodfellow et al., Generative adversarial nets, 2014; Arjovsky, Chintala, Bottou, Wasserstein GAN, 2017.
    """

    loss: str = constrained("wasserstein", OneOf(tuple(USUAL)), "the game of generator and critic")
    _: KW_ONLY
    latent: int | None = described(None, "numbers of noise that the generator starts from; by default by the rows")
    max_iter: int = constrained(100, WholeNumber(1), "epochs")
    batch_size: int = constrained(64, WholeNumber(1), "rows of an update of the critic; all where there are fewer")
    critic_steps: int | None = described(None, "critic updates to one of the generator; by default by the loss")
    solver: Any = described(
        None, "optimiser of both: a name, a table or an object; by default Adam with the loss's rate"
    )
    random_state: Any = described(None, "seed of initial weights, order of the rows and noise")
    scale_inputs: str = scaling("auto")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows.

        Args:
            X: the rows.
            y: ignored.

        Returns:
            The estimator.
        """
        validate(self)
        rows, _ = as_rows(self, X, NO_TARGETS, None, reset=True, axes=(2, 3, 4))
        random = check_random_state(self.random_state)
        steps = self.critic_steps or min(USUAL[self.loss].critic_steps, len(rows))
        settings: dict[str, Any] = {
            "loss": self.loss,
            "epochs": int(self.max_iter),
            "batch_size": max(1, min(int(self.batch_size), len(rows) // steps)),
            "critic_steps": steps,
            "seed": int(random.randint(np.iinfo(np.int32).max)),
            "record_every": 0,
            "name": type(self).__name__,
        }
        if self.solver is not None:
            settings["optimizer"] = self.solver
        network: dict[str, Any] = {"name": "wgan" if self.loss == "wasserstein" else "gan"}
        if self.latent is not None:
            network["latent"] = self.latent
        scaling: Any = self.scale_inputs
        data = make_dataset(rows, task="generation", held_out=None, preprocessing=scaling)
        self.run_ = Run.of(fit(begin(settle(network, data, settings)), progress=False))
        self.loss_curve_ = self.run_.history.epochs["loss"].tolist()
        self.n_iter_ = len(self.loss_curve_)
        return self

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Generate rows, in the units of the data.

        Args:
            n_samples: how many, at least 1.
            random_state: seed of the noise; by default that of the estimator.

        Returns:
            Shape (n_samples, …) as the rows of ``fit``.
        """
        check_is_fitted(self)
        require(n_samples, WholeNumber(1), "n_samples")
        random = check_random_state(self.random_state if random_state is None else random_state)
        return self.run_.sample(int(n_samples), int(random.randint(np.iinfo(np.int32).max)))

    def score_samples(self, X: Any) -> np.ndarray:
        """Score rows by the critic, higher for more real ones.

        Args:
            X: the rows.

        Returns:
            Shape (rows,).
        """
        check_is_fitted(self)
        rows, _ = as_rows(self, X, NO_TARGETS, None, reset=False, axes=(2, 3, 4))
        return self.run_.score(rows).astype(dtype_like(X))

    def __getstate__(self) -> dict[str, Any]:
        plain: Any = dict(super().__getstate__())  # pyright: ignore[reportArgumentType, reportCallIssue]
        if "run_" in plain:  # without its rows, and without the state from which it could be resumed
            plain["run_"] = replace(plain["run_"], training=None, data=None)
        return plain

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
