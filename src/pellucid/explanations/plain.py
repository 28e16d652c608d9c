"""An explanation as plain data for JSON."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from pellucid.explanations.explanation import Explanation, Gate, LayerNumbers, OutputNumbers, RecurrentNumbers

MAX_NUMBERS = 10_000
"""Most numbers of an array of weights; larger ones are given by shape and gradient norm."""


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """Every number as JSON-like data.

    Args:
        explanation: the explanation.
    """
    facts, chosen, attribution = explanation.facts, explanation.chosen, explanation.attribution
    others = [_plain(entry) for entry in explanation.inputs[1:]]
    return {
        "title": facts.title,
        "target": facts.target,
        "prediction": facts.prediction,
        "answer": dict(facts.answer),
        "remarks": list(facts.remarks),
        "worst_relative_error": explanation.worst_error,
        "compared": explanation.compared,
        "left_out": {status: len(explanation.left_out(status)) for status in ("kink", "surrogate")},
        "x": _plain(explanation.x),
        "raw": _plain(explanation.inputs[0].raw),
        "dL_dx": _plain(explanation.x_gradient),
        **({"other_inputs": others} if others else {}),
        "layers": [_layer(layer) for layer in explanation.layers],
        "loss": _plain(explanation.loss),
        **({"outputs": [_output(one) for one in explanation.outputs]} if explanation.outputs else {}),
        "chosen": _plain(chosen)
        | {
            "terms": [_plain(term) | {"product": term.product} for term in chosen.terms],
            "update": _plain(chosen.update)
            | {
                "lines": [{"text": line.text, "latex": line.latex, "value": line.value} for line in chosen.update.lines]
            },
        },
        "softmax": _plain(explanation.coupled),
        "checks": [_plain(check) for check in explanation.checks],
        "attribution": None
        if attribution is None
        else _plain(attribution) | {"completeness_error": attribution.completeness_error},
        "through_time": [_over_time(layer) for layer in explanation.recurrent],
    }


def _output(output: OutputNumbers) -> dict[str, Any]:
    facts = output.facts
    words = {"name": output.name, "target": facts.target, "prediction": facts.prediction, "answer": dict(facts.answer)}
    return words | {"loss": _plain(output.loss), "weight": output.weight}


def _layer(layer: LayerNumbers) -> dict[str, Any]:
    arrays = {
        name: {"values": _plain(array), "gradient": _plain(layer.grads[name])}
        if array.size <= MAX_NUMBERS
        else {"shape": list(array.shape), "gradient_norm": float(np.linalg.norm(layer.grads[name]))}
        for name, array in layer.params.items()
    }
    return {
        "name": layer.name,
        "kind": layer.kind,
        "reads": list(layer.reads),
        "output": _plain(layer.output),
        "dL_doutput": _plain(layer.gradient),
        "parameters": arrays,
    }


def _over_time(layer: RecurrentNumbers) -> dict[str, Any]:
    gates: dict[str, Gate] = {gate.name: gate for gate in layer.gates}
    arrays = {name: _plain(getattr(layer, name)) for name in ("layer", "kind", "state", "cell")}
    return arrays | {"gates": {name: _plain(gate._asdict()) for name, gate in gates.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in fields(value) if field.name not in ("update", "lines", "function")]
        function = getattr(getattr(value, "function", None), "name", None)
        named = {} if not hasattr(value, "function") else {"function": function}
        return {name: _plain(getattr(value, name)) for name in shown} | named
    if isinstance(value, dict):
        return {key: _plain(element) for key, element in value.items()}
    return [_plain(element) for element in value] if isinstance(value, tuple | list) else value
