"""The numbers of an explanation: passes, followed weight, update, checks."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from pellucid.core.errors import UnknownName, did_you_mean
from pellucid.core.formula import Line
from pellucid.report import html, latex, markdown, terminal
from pellucid.report.document import Document

Status = Literal["checked", "kink", "surrogate"]


@dataclass(frozen=True)
class InputNumbers:
    """One input of the network.

    Attributes:
        name: as the network calls it.
        x: the example as the network reads it: scaled, without the batch axis.
        raw: the example in the units of the data.
        gradient: ∂L/∂x.
        mask: True at real steps of a padded sequence, shape (time,); None without padding.
        tokens: True where an `Embedding` looks its numbers up.
    """

    name: str
    x: np.ndarray
    raw: np.ndarray
    gradient: np.ndarray
    mask: np.ndarray | None = None
    tokens: bool = False


@dataclass(frozen=True)
class LayerNumbers:
    """One layer: its output, the gradient that reaches it, its parameters and their gradients.

    Attributes:
        name: as in ``run.summary``.
        kind: the registered name of the layer, or of the activation.
        formula: what the layer computes.
        reads: the names of what it reads.
        output: z of a map, a of an activation, without the batch axis.
        gradient: ∂L/∂output; None where no gradient arrives.
        params: arrays by name.
        grads: ∂L/∂ each of them.
        activation: True for an activation alone.
    """

    name: str
    kind: str
    formula: str
    reads: tuple[str, ...]
    output: np.ndarray
    gradient: np.ndarray | None
    params: dict[str, np.ndarray]
    grads: dict[str, np.ndarray]
    activation: bool


class Gate(NamedTuple):
    """One gate of a recurrent layer over time; arrays of shape (time, units).

    Attributes:
        name: ``"input"``, ``"forget"``, ``"candidate"``, ….
        activation: the name of its activation.
        z: its pre-activation.
        a: its value.
        gradient: ∂L/∂z.
        derivative: ∂a/∂z.
    """

    name: str
    activation: str
    z: np.ndarray
    a: np.ndarray
    gradient: np.ndarray
    derivative: np.ndarray


@dataclass(frozen=True)
class RecurrentNumbers:
    """A recurrent layer over time.

    Attributes:
        layer: its name.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        x: what it reads, (time, features).
        gates: its gates, in the order of the columns of its weights.
        previous: the state before each step, (time, units).
        state: the state after each step, (time, units).
        cell: the memory cell of an LSTM after each step, (time, units); None for other layers.
        mask: False at padded steps, (time,).
    """

    layer: str
    kind: str
    x: np.ndarray
    gates: tuple[Gate, ...]
    previous: np.ndarray
    state: np.ndarray
    cell: np.ndarray | None
    mask: np.ndarray

    @property
    def gradient_norms(self) -> np.ndarray:
        """‖∂L/∂z‖ over the gates, (time, units)."""
        return np.linalg.norm(np.stack([gate.gradient for gate in self.gates]), axis=0)


@dataclass(frozen=True)
class Term:
    """One path from a weight to the loss, through one output of its layer or one time step.

    Attributes:
        index: the index of the output; (time, column) in a recurrent layer.
        z: the pre-activation there.
        dL_dz: ∂L/∂z.
        dz_dw: ∂z/∂w.
        a: the activation of z; None without an elementwise activation.
        dL_da: ∂L/∂a, or None.
        da_dz: ∂a/∂z, or None.
    """

    index: tuple[int, ...]
    z: float
    dL_dz: float  # noqa: N815
    dz_dw: float
    a: float | None = None
    dL_da: float | None = None  # noqa: N815
    da_dz: float | None = None

    @property
    def product(self) -> float:
        """∂L/∂z · ∂z/∂w."""
        return self.dL_dz * self.dz_dw


@dataclass(frozen=True)
class Summand:
    """One summand w · ∂z/∂w of a pre-activation.

    Attributes:
        name: ``"w"``; ``"r"`` for a recurrent weight.
        index: its index in that array.
        weight: the weight.
        value: ∂z/∂w, the number that the weight multiplies.
    """

    name: str
    index: tuple[int, ...]
    weight: float
    value: float

    @property
    def product(self) -> float:
        """Weight times value."""
        return self.weight * self.value


@dataclass(frozen=True)
class Coupled:
    """The backward step through a final softmax, in which every a depends on every z.

    Attributes:
        layer: the activation's name.
        row: the step of a sequence; 0 for a single softmax.
        z: its inputs.
        a: its outputs.
        dL_da: ∂L/∂a, the gradient of the loss as its formula states it.
        jacobian: ∂a_k/∂z_j, row k, column j.
        product: Σ_k ∂L/∂a_k · ∂a_k/∂z_j.
        fused: ∂L/∂z as backpropagation computes it, in one stable step where loss and activation pair up.
        paired: True where they do.
    """

    layer: str
    row: int
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
class Update:
    """The next update of one weight, as if this example were the whole batch.

    Attributes:
        rule: the optimiser's name.
        source: the origin of rule and state, as a phrase.
        lines: the calculation.
        before: the weight.
        after: the weight after the update, as the optimiser itself computes it.
        params: every array after the update, by layer and name.
    """

    rule: str
    source: str
    lines: tuple[Line, ...]
    before: float
    after: float
    params: dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Chosen:
    """The weight followed through the chain rule, and its neuron.

    Attributes:
        layer: the layer's name.
        activation: the name of the activation after it, or None.
        function: the activation function, or None; in a recurrent layer, that of the gate.
        parameter: the name of the array.
        index: the index of the weight.
        output_index: the output of the layer (in a recurrent layer: time and column) whose sum is shown.
        weight: its value.
        summands: the summands of z at ``output_index``, largest first.
        bias: the bias added to them.
        z: their sum.
        terms: the paths to the loss, largest first.
        gradient: ∂L/∂w, the sum over the terms.
        update: the optimiser's next update of the weight.
    """

    layer: str
    activation: str | None
    function: Any
    parameter: str
    index: tuple[int, ...]
    output_index: tuple[int, ...]
    weight: float
    summands: tuple[Summand, ...]
    bias: float
    z: float
    terms: tuple[Term, ...]
    gradient: float
    update: Update


@dataclass(frozen=True)
class Check:
    """One derivative by the chain rule and by central differences.

    Attributes:
        of: the derivative, for example ``"∂L/∂dense_1.weights[3,4]"``.
        part: the array that it belongs to, for example ``"dense_1.weights"``.
        exact: by the chain rule.
        difference: by central differences.
        error: the relative error, ``|exact − difference| / max(|exact|, |difference|, resolution)``.
        resolution: the least gradient that differences of these values resolve to six digits in float64.
        status: ``"checked"``; or why it is left out: ``"kink"``, the function has no derivative there, or
            ``"surrogate"``, the layer's gradient is by design not the derivative (spiking neurons).
    """

    of: str
    part: str
    exact: float
    difference: float
    error: float
    resolution: float
    status: Status = "checked"


@dataclass(frozen=True)
class Attribution:
    """Attribution of the answer to the inputs.

    Attributes:
        output: the answer, in words.
        value: its value f(x).
        baseline: its value f(x₀) for an input of 0 as the network reads it.
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
        """Relative difference between the sum of the integrated gradients and f(x) − f(x₀)."""
        difference = self.value - self.baseline
        return float(abs(self.integrated.sum() - difference) / max(abs(difference), 1e-300))


@dataclass(frozen=True)
class LossNumbers:
    """The loss of the example.

    Attributes:
        name: of the loss.
        formula: its formula; the first line of its documentation where it states none.
        value: L.
        prediction: the network's output.
        target: the target as the loss reads it.
        gradient: ∂L/∂prediction.
        function: the loss itself.
    """

    name: str
    formula: str
    value: float
    prediction: np.ndarray
    target: np.ndarray
    gradient: np.ndarray
    function: Any = None


@dataclass(frozen=True)
class Facts:
    """The example in words.

    Attributes:
        title: of the page.
        task: as of a dataset.
        target: the true answer.
        prediction: the network's answer.
        remarks: how the numbers were computed.
        features: names of the inputs, or empty.
        classes: names of the classes, or empty.
        answer: the outputs by name, in the units of the target; empty where they have no names.
        output: the outputs in the units of the target.
        target_values: the target in the units of the data.
        words: each input in words, for tokens with known words; or empty.
    """

    title: str
    task: str
    target: str
    prediction: str
    remarks: tuple[str, ...]
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    answer: tuple[tuple[str, float], ...] = ()
    output: Any = None
    target_values: Any = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """One example through a network, with every number; the result of `explain`.

    Printed, it is a text; ``to_dict()``, ``to_markdown()``, ``to_latex()`` and ``to_html()`` give it in other forms.

    Attributes:
        facts: the example in words.
        inputs: what the network reads, and ∂L/∂ it.
        layers: every layer, in order.
        loss: the loss.
        chosen: the followed weight, its neuron and its update.
        checks: every derivative that was compared with central differences, those of the chosen weight first.
        chosen_checks: the number of those.
        coupled: both factors at a softmax that ends the network; None where it ends otherwise.
        attribution: the inputs that moved the answer; None for an input of whole numbers (words).
        recurrent: gates and state over time of each recurrent layer.
    """

    facts: Facts
    inputs: tuple[InputNumbers, ...]
    layers: tuple[LayerNumbers, ...]
    loss: LossNumbers
    chosen: Chosen
    checks: tuple[Check, ...]
    chosen_checks: int
    coupled: Coupled | None = None
    attribution: Attribution | None = None
    recurrent: tuple[RecurrentNumbers, ...] = ()

    @property
    def x(self) -> np.ndarray:
        """The (first) input as the network reads it."""
        return self.inputs[0].x

    @property
    def x_gradient(self) -> np.ndarray:
        """∂L/∂x."""
        return self.inputs[0].gradient

    @cached_property
    def compared(self) -> int:
        """The number of derivatives compared with central differences."""
        return sum(check.status == "checked" for check in self.checks)

    @cached_property
    def worst_error(self) -> float:
        """The largest relative error between chain rule and central differences."""
        return max((check.error for check in self.checks if check.status == "checked"), default=0.0)

    def left_out(self, status: Status) -> list[Check]:
        """Derivatives that could not be compared: ``"kink"`` or ``"surrogate"``."""
        return [check for check in self.checks if check.status == status]

    def layer(self, name: str) -> LayerNumbers:
        """The layer of that name.

        Raises:
            UnknownName: no such layer.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise UnknownName(f"no layer is named {name!r}.{did_you_mean(name, names)} Layers: {', '.join(names)}.")

    def to_dict(self) -> dict[str, Any]:
        """Every number as JSON-like data."""
        from pellucid.explanations.plain import as_dict

        return as_dict(self)

    def to_document(self) -> Document:
        """The explanation as a document, for the renderers of `pellucid.report`."""
        from pellucid.explanations.story import document

        return document(self)

    def to_markdown(self) -> str:
        """Markdown with LaTeX formulas."""
        return markdown.text(self.to_document())

    def to_latex(self) -> str:
        """A LaTeX document."""
        return latex.text(self.to_document())

    def to_html(self) -> str:
        """A self-contained HTML page."""
        return html.page(self.to_document())

    def __repr__(self) -> str:
        return f"<Explanation of {self.facts.title}: {self.facts.prediction}>"

    def __str__(self) -> str:
        return terminal.text(self.to_document()) + "\n"

    def _repr_html_(self) -> str:
        return html.fragment(self.to_document())
