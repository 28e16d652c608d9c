"""A Dask cluster of two workers, one of which is killed while it makes trials."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue
from pellucid.sweeps import Range
from pellucid.sweeps.cluster import DaskCluster

pytestmark = pytest.mark.filterwarnings(  # Dask closes some sockets late where a worker is killed or none answers
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
IRIS = pel.load_dataset("iris")
SPACE = {"learning_rate": Range(1e-3, 1e-1, log=True)}
SHORT = {"trials": 8, "epochs": 3, "seeds": 1, "progress": False}


@pytest.fixture(scope="module")
def cluster():
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def test_trials_of_a_worker_that_is_killed_are_made_by_another(cluster, tmp_path):
    pids = [worker.pid for worker in cluster.workers.values()]

    def kill():
        deadline = time.monotonic() + 60
        while not any(state.processing for state in cluster.scheduler.workers.values()):
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    spread = pel.sweep((4,), IRIS, space=SPACE, cluster=cluster.scheduler_address, folder=tmp_path / "sweep", **SHORT)
    killer.join()
    here = pel.sweep((4,), IRIS, space=SPACE, **SHORT)
    assert len((tmp_path / "sweep" / "trials.jsonl").read_bytes().splitlines()) == 8
    for one, other in zip(spread.trials, here.trials, strict=True):
        assert one.point == other.point
        np.testing.assert_allclose(one.losses, other.losses, rtol=1e-5)


def test_where_no_scheduler_answers(monkeypatch):
    monkeypatch.setattr("pellucid.sweeps.cluster.TIMEOUT", 0.2)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(InvalidValue, match="no Dask scheduler answers"):
            DaskCluster(address)
