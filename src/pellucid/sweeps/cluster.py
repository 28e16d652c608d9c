"""Trials on a Dask cluster that exists: its scheduler hands them out, and again where a worker dies."""

import warnings
from collections.abc import Iterator, Sequence

from pellucid.core.errors import InvalidValue, MissingExtra
from pellucid.sweeps.progress import Bar
from pellucid.sweeps.trainer import Numbered, Trainer
from pellucid.sweeps.trial import Trial

TIMEOUT = 10
"""Seconds to wait for the scheduler to answer."""


class DaskCluster:
    """The workers of a Dask scheduler.

    Args:
        address: of the scheduler, such as ``"tcp://10.0.0.5:8786"``.

    Raises:
        InvalidValue: nothing answers there, or there are no workers.
        MissingExtra: Dask is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            from dask import distributed
        except ImportError as error:
            raise MissingExtra("dask", "cluster", "a cluster") from error
        self._distributed = distributed
        try:
            self._client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InvalidValue(
                f"no Dask scheduler answers at {address!r} ({error}). Start one with `dask scheduler`, and a worker on "
                "each machine with `dask worker ADDRESS`."
            ) from error
        if not self.workers:
            self._client.close()
            raise InvalidValue(
                f"the Dask scheduler at {address!r} has no workers. Start some: `dask worker {address}`."
            )

    @property
    def workers(self) -> int:
        """Number of worker processes."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def __enter__(self) -> "DaskCluster":
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def trials(self, trainer: Trainer, batches: Sequence[Sequence[Numbered]], bar: Bar) -> Iterator[list[Trial]]:
        """Make the trials, yielding those of each batch as it ends."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            # A task, not data scattered: where the worker that keeps it dies, the scheduler makes it again.
            shared = self._client.submit(_given, trainer, pure=False)
            futures = [self._client.submit(_train, shared, list(batch), pure=False) for batch in batches]
        try:
            for future in self._distributed.as_completed(futures, loop=self._client.loop):
                yield future.result()
        finally:
            self._client.cancel([*futures, shared])


def _given(trainer: Trainer) -> Trainer:
    return trainer


def _train(trainer: Trainer, batch: list[Numbered]) -> list[Trial]:
    return trainer.train(batch)
