"""The run of a fitted estimator: the same network, history and rows, to be explained, diagnosed and proved."""

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.api import Run
from pellucid.core.errors import InvalidValue
from pellucid.core.precision import double_precision
from pellucid.core.registry import describe
from pellucid.functions.regularizers import L2
from pellucid.optimizers import Adam
from pellucid.runs.fit import begin, score_held_out
from pellucid.runs.plan import settle
from pellucid.sklearn.model import Model
from pellucid.training import History


def run_of(model: Model) -> Run:
    """Make the run of a fitted model.

    Raises:
        InvalidValue: the model was pickled, which left its rows behind.
    """
    if model.data is None:
        raise InvalidValue(
            "a pickled estimator leaves its training rows behind, and a run is made from them. Fit it again; or keep "
            "the run itself, by run_.save(folder) before pickling, and load it by pellucid.load(folder)."
        )
    program, rows = model.program, len(model.data.train)
    lbfgs = model.optimizer is None
    metric = program.metric if model.data.task != "multilabel" else None
    settings = {
        "loss": program.loss,
        "metric": None if metric is None else describe(metric),
        "optimizer": Adam() if lbfgs else model.optimizer,
        "epochs": max(1, _epochs_of(model)),
        "batch_size": "all" if program.batch_size >= rows else program.batch_size,
        "shuffle": program.shuffle,
        "seed": model.seed,
        "precision": program.network.precision,
        "scale_targets": "none",  # the dataset holds the scaling already
        "record_every": 0,
        "name": "estimator",
    }
    strength = float(model.state.regularizer.strength) / (program.batch_size * program.scale)
    if strength:
        settings["regularizer"] = L2(strength)
    plan = settle(program.network, replace(model.data, scaling=None), settings)
    with double_precision(program.network.precision == "float64"):
        run = Run.of(begin(plan))
        training = run.training
        assert training is not None
        state = training.state._replace(params=model.state.params, layer_state=model.state.layer_state)
        training.state = state
        training.history = _history(model, training.program, rows)
        notes = (*run.notes.choices, *_remarks(lbfgs))
        run = replace(
            run,
            params=state.params,
            layer_state=state.layer_state,
            history=training.history,
            notes=replace(run.notes, choices=notes),
        )
        score_held_out(run)
    return run


def _epochs_of(model: Model) -> int:
    return model.epochs if model.records is None else len(model.records) // model.steps_per_epoch


def _remarks(lbfgs: bool) -> tuple[str, ...]:
    text = "fitted by L-BFGS, of which there is no history; what is trained again takes adam"
    return (text,) if lbfgs else ()


def _history(model: Model, program: Any, rows: int) -> History:
    """The history of the last fit: loss, metric and rate of each step, and what was measured of the validation part."""
    history = History.begin(program, rows)
    if model.records is not None and model.measures is not None:
        history.step_rows = np.ascontiguousarray(model.records[:, :3])
        if model.data is not None and model.data.held_out is not None:
            history.held_out = model.measures
    return history
