"""What an explanation holds: every number of one example, its gradients, its checks."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pellucid.core.errors import UnknownName
from pellucid.explanations.difference import Check
from pellucid.explanations.gates import Through
from pellucid.explanations.update import Update


@dataclass(frozen=True)
class LayerNumbers:
    """One layer: what it gave, what came back to it, its parameters and their gradients.

    Attributes:
        name: as in ``run.summary``.
        kind: what it is: the name of the layer, or of the activation.
        reads: what it reads.
        output: z of a map, a of an activation, without the batch axis.
        gradient: ∂L/∂output; None where nothing comes back.
        params: arrays by name.
        grads: ∂L/∂ each of them.
        activation: whether it is an activation alone.
    """

    name: str
    kind: str
    reads: tuple[str, ...]
    output: np.ndarray
    gradient: np.ndarray | None
    params: dict[str, np.ndarray]
    grads: dict[str, np.ndarray]
    activation: bool


class Term(NamedTuple):
    """One way from a weight to the loss: by one output of its layer, or one time of a recurrent one."""

    place: tuple[int, ...]
    z: float
    a: float | None
    """The activation of z, where there is one that acts on z alone."""
    dL_da: float | None  # noqa: N815
    da_dz: float | None
    dL_dz: float  # noqa: N815
    dz_dw: float

    @property
    def product(self) -> float:
        """∂L/∂z · ∂z/∂w."""
        return self.dL_dz * self.dz_dw


class Input(NamedTuple):
    """One summand of z = Σ w·∂z/∂w + b."""

    name: str
    """``w``; ``r`` for a weight of the state of a recurrent layer."""
    index: tuple[int, ...]  # pyright: ignore[reportIncompatibleMethodOverride]
    weight: float
    value: float
    """∂z/∂w: what the weight is multiplied by."""


@dataclass(frozen=True)
class Coupled:
    """The last step back through an activation in which every a depends on every z (softmax), factor by factor.

    Attributes:
        layer: the activation's name.
        z: its inputs.
        a: its outputs.
        dL_da: ∂L/∂a, the gradient of the loss as it is written.
        jacobian: ∂a_k/∂z_j, row k, column j.
        product: Σ_k ∂L/∂a_k · ∂a_k/∂z_j.
        fused: ∂L/∂z as backpropagation takes it, in one stable step where loss and activation pair up.
        paired: whether they do.
    """

    layer: str
    z: np.ndarray
    a: np.ndarray
    dL_da: np.ndarray  # noqa: N815
    jacobian: np.ndarray
    product: np.ndarray
    fused: np.ndarray
    paired: bool

    @property
    def difference(self) -> float:
        """The largest difference between the product and the fused gradient."""
        return float(abs(self.product - self.fused).max())


@dataclass(frozen=True)
class Chosen:
    """The weight that is followed through the chain rule, and its neuron.

    Attributes:
        layer: the layer's name.
        activation: the name of the activation after it, or None.
        function: what that activation is, or None; of a gate, the gate's.
        parameter: the name of its array.
        index: its place there.
        place: the output of the layer (of a recurrent layer: time and column) at which the forward sum is shown.
        weight: its value.
        inputs: the summands of z at ``place``, largest first.
        bias: what is added to them.
        z: their sum.
        terms: the ways to the loss, largest first.
        gradient: ∂L/∂w, the sum over the terms.
        update: what the optimiser makes of it.
    """

    layer: str
    activation: str | None
    function: str | None
    parameter: str
    index: tuple[int, ...]
    place: tuple[int, ...]
    weight: float
    inputs: tuple[Input, ...]
    bias: float
    z: float
    terms: tuple[Term, ...]
    gradient: float
    update: Update


@dataclass(frozen=True)
class Attribution:
    """Which inputs moved the answer.

    Attributes:
        output: the number that is taken as the answer, in words.
        value: its value f(x).
        baseline: its value f(x₀) for an input of 0 as the network sees it.
        gradient: x · ∂f/∂x.
        integrated: integrated gradients; they sum to f(x) − f(x₀).
        points: points of the integral.
    """

    output: str
    value: float
    baseline: float
    gradient: np.ndarray
    integrated: np.ndarray
    points: int

    @property
    def completeness_error(self) -> float:
        """How far the sum of the integrated gradients is from f(x) − f(x₀), relative to it."""
        difference = self.value - self.baseline
        return float(abs(self.integrated.sum() - difference) / max(abs(difference), 1e-300))


@dataclass(frozen=True)
class LossNumbers:
    """The loss of the example: its name, value, and gradient for the prediction."""

    name: str
    formula: str
    value: float
    prediction: np.ndarray
    target: np.ndarray
    gradient: np.ndarray


@dataclass(frozen=True)
class Facts:
    """What the example is: words for the head of a page."""

    title: str
    target: str
    prediction: str
    remarks: tuple[str, ...]
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """One example through a network, with every number; what `explain` returns.

    Printed, it is a text; ``to_dict()``, ``to_markdown()``, ``to_latex()`` and ``to_html()`` give it in other forms.

    Attributes:
        facts: what the example is.
        x: the example as the network sees it.
        x_gradient: ∂L/∂x.
        layers: every layer, in order.
        loss: the loss.
        chosen: the weight that is followed, its neuron and its update.
        checks: every derivative that was compared with central differences, those of the chosen weight first.
        chosen_checks: how many those are.
        coupled: both factors at a softmax that ends the network; None where it ends otherwise.
        attribution: which inputs moved the answer; None for an input of whole numbers (words).
        recurrent: gates and state over time of each recurrent layer.
    """

    facts: Facts
    x: np.ndarray
    x_gradient: np.ndarray
    layers: tuple[LayerNumbers, ...]
    loss: LossNumbers
    chosen: Chosen
    checks: tuple[Check, ...]
    chosen_checks: int
    coupled: Coupled | None = None
    attribution: Attribution | None = None
    recurrent: tuple[Through, ...] = field(default=())

    @property
    def worst_error(self) -> float:
        """The largest relative error between chain rule and central differences."""
        return max((check.error for check in self.checks if check.status == "checked"), default=0.0)

    def left_out(self, status: str) -> list[Check]:
        """The derivatives that could not be compared: ``"kink"`` or ``"surrogate"``."""
        return [check for check in self.checks if check.status == status]

    def layer(self, name: str) -> LayerNumbers:
        """The layer of that name.

        Raises:
            UnknownName: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise UnknownName(f"no layer is named {name!r}. Layers: {', '.join(one.name for one in self.layers)}.")

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON-like data."""
        from pellucid.explanations.render import as_dict

        return as_dict(self)

    def to_markdown(self) -> str:
        """Markdown with LaTeX formulas."""
        from pellucid.explanations.render import as_markdown

        return as_markdown(self)

    def to_latex(self) -> str:
        """A LaTeX document."""
        from pellucid.explanations.render import as_latex

        return as_latex(self)

    def to_html(self) -> str:
        """A self-contained HTML page."""
        from pellucid.explanations.page import as_html

        return as_html(self)

    def __str__(self) -> str:
        from pellucid.explanations.render import as_text

        return as_text(self)
