"""Predictions as columns of text and numbers."""

from collections.abc import Sequence
from typing import Any


def prediction_columns(loaded: Any, x: Any) -> dict[str, Sequence[Any]]:
    """The predictions as columns of text and numbers."""
    import numpy as np

    if loaded.facts.task == "reconstruction":
        return {"error": np.round(loaded.reconstruction_errors(x).astype(float), 6).tolist()}
    outputs, mask = loaded.outputs(x), loaded.mask_of(x)
    if not loaded.facts.heads:
        return _columns_of(loaded, outputs, mask)
    masks = dict(zip(outputs, mask or (None,) * len(outputs), strict=True))
    columns = {}
    for name, array in outputs.items():
        own = _columns_of(loaded.output(name), array, masks[name])
        columns |= {name if column == "prediction" else f"{name} {column}": values for column, values in own.items()}
    return columns


def _columns_of(loaded: Any, outputs: Any, mask: Any) -> dict[str, Sequence[Any]]:
    """The predictions of one output."""
    import numpy as np

    from pellucid.data.targets import AS_ROWS

    task, names = loaded.facts.task, loaded.facts.targets
    if task == "transcription":
        return {"prediction": loaded.facts.written(loaded.program.loss.decode(outputs, mask))}
    if task in AS_ROWS:
        predictions = loaded.predictions_of(outputs, mask)
        steps = predictions.reshape(len(predictions), predictions.shape[1], -1)
        numbers = range(1, steps.shape[2] + 1)
        return {
            f"step_{t + 1}" + f"_{k}" * (steps.shape[2] > 1): steps[:, t, k - 1].tolist()
            for t in range(steps.shape[1])
            for k in numbers
        }
    if task == "regression":
        if outputs.shape[1] == 1:
            return {"prediction": outputs[:, 0].tolist()}
        names = names or tuple(f"prediction_{i + 1}" for i in range(outputs.shape[1]))
        return dict(zip(names, outputs.T.tolist(), strict=True))
    predictions = loaded.predictions_of(outputs)
    if task == "multilabel":
        labels = names or tuple(f"label_{i + 1}" for i in range(predictions.shape[1]))
        return dict(zip(labels, predictions.T.tolist(), strict=True))
    likeliest = outputs.max(axis=1) if task == "multiclass" else outputs[:, 0]
    if loaded.gives_probabilities and task == "binary":
        likeliest = np.maximum(likeliest, 1 - likeliest)
    name = "probability" if loaded.gives_probabilities else "score"
    return {"prediction": predictions.tolist(), name: np.round(likeliest.astype(float), 6).tolist()}
