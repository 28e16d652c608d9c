r"""Formulas as data: written once, shown as text, LaTeX or MathML, and computed.

A formula is Python source over short names. It states what a class computes, on the class::

    class Sigmoid(Elementwise):
        formula = Formula("1 / (1 + exp(-z))")
        derivative_formula = Formula("a * (1 - a)")

and every page that shows it asks the class::

    >>> sigmoid = Formula("1 / (1 + exp(-z))")
    >>> sigmoid.text, sigmoid.latex
    ('1 / (1 + e^(−z))', '\\frac{1}{1 + e^{-z}}')
    >>> float(sigmoid.evaluate(z=0.0))
    0.5

**Names** are typeset by their spelling: ``beta1`` is β₁, ``mhat`` m̂, ``dL_dw`` ∂L/∂w, ``da_k_dz`` ∂a_k/∂z, ``fan_in``
the words "fan in"; the usual fields have their letters (``learning_rate`` η, ``strength`` λ; `LETTERS`). A formula may
choose another expression for a name: ``Formula("learning_rate * factor**t", learning_rate="eta0")``.

**Statements** stand one a line or divided by semicolons. A name that is read before it is assigned is replaced, ←::

    >>> print(Formula("v = beta * v + g; w = w - learning_rate * v"))
    v ← β · v + g; w ← w − η · v

**Indices**: ``y[j]`` is y_j, ``sum(j, y[j])`` Σ_j y_j; an index without a value runs over its whole axis, so
``softmax(z)[j] - y[j]`` evaluates to an array. ``yhat[y]`` takes the element whose number is y. Arrays are those of one
example.

**Conditions**: ``z if z > 0 else alpha * z``; a comparison among numbers is 1 or 0, shown in square brackets.

**Distributions**: ``w in U(-r, r)`` is "w ~ U(−r, r)" and evaluates to SciPy's distribution. ``N`` takes mean and
variance.

`Formula.fields` takes the values of names from the object that has the formula::

    >>> from pellucid.functions.activations import LeakyReLU
    >>> leaky = LeakyReLU(alpha=0.5)
    >>> float(leaky.formula.evaluate(z=-4.0, **leaky.formula.fields(leaky)))
    -2.0

`Formula.lines` and `Line` show a calculation, step by step with its numbers::

    >>> print(Line("dL_dz", "dL_da * da_dz", {"dL_da": -0.5, "da_dz": 0.2}))
    ∂L/∂z = ∂L/∂a · ∂a/∂z = −0.5 · 0.2 = −0.1
"""

import ast
import functools
import html
import math
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np

MINUS = "−"
CASES, COMPARISON, SUM, PRODUCT, POWER, ATOM = range(6)


class Math(NamedTuple):
    """An expression in three notations."""

    text: str
    latex: str
    mathml: str
    binds: int = ATOM
    """Its outermost operation, from `CASES` to `ATOM`: what binds less tightly than its surroundings is bracketed."""
    apart: bool = False
    """Whether it is set apart from other factors by a dot: a word, a number, a fraction ∂y/∂x."""

    @property
    def notations(self) -> tuple[str, str, str]:
        """Text, LaTeX and MathML."""
        return self.text, self.latex, self.mathml


# ------------------------------------------------------------------------------------------ symbols

_GREEK_NAMES = "alpha beta gamma delta epsilon eta theta lam mu pi rho sigma tau phi Delta Phi"
GREEK: dict[str, str] = dict(zip(_GREEK_NAMES.split(), "αβγδεηθλμπρστφΔΦ", strict=True))
LETTERS = {
    "learning_rate": "eta",
    "momentum": "beta",
    "decay": "rho",
    "weight_decay": "lam",
    "strength": "lam",
    "l1": "lam1",
    "l2": "lam2",
}
"""The usual letters of fields."""
_TEX = {"lam": r"\lambda", "epsilon": r"\varepsilon", "phi": r"\varphi"}
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_RAISABLE = "0123456789+t"
_RAISED = str.maketrans(_RAISABLE, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺ᵗ")
_DERIVATIVE = re.compile(r"d([A-Za-z](?:_[a-z0-9])?)_d([a-z](?:hat)?(?:_[a-z0-9])?)")
_SYMBOL = re.compile(rf"([A-Za-z]|{'|'.join(GREEK)})(hat)?(\d*)(?:_([a-z0-9]))?")


def symbol(name: str) -> Math:
    """Typeset a name: a letter with its index, a derivative, or words.

    Example:
        >>> [symbol(name).text for name in ("beta1", "yhat", "dL_da_k", "fan_in")]
        ['β₁', 'ŷ', '∂L/∂a_k', 'fan in']
    """
    name = LETTERS.get(name, name)
    if derivative := _DERIVATIVE.fullmatch(name):
        top, bottom = map(symbol, derivative.groups())
        d = "<mi>∂</mi>"
        return Math(
            f"∂{top.text}/∂{bottom.text}",
            rf"\frac{{\partial {top.latex}}}{{\partial {bottom.latex}}}",
            f"<mfrac><mrow>{d}{top.mathml}</mrow><mrow>{d}{bottom.mathml}</mrow></mfrac>",
            apart=True,
        )
    parts = _SYMBOL.fullmatch(name)
    if parts is None:
        return word(name.replace("_", " "))
    letter, hat, digits, index = parts.groups()
    text, latex = GREEK.get(letter, letter), _TEX.get(letter, f"\\{letter}" if letter in GREEK else letter)
    mathml = f"<mi>{text}</mi>"
    if hat:
        text, latex = unicodedata.normalize("NFC", text + "\u0302"), rf"\hat{{{latex}}}"
        mathml = f"<mover>{mathml}<mo>^</mo></mover>"
    typeset = Math(text, latex, mathml)
    for part in filter(None, (digits, index)):
        typeset = below(typeset, part)
    return typeset


def word(text: str) -> Math:
    """Words among symbols."""
    mathml = f"<mtext>{html.escape(text)}</mtext>".replace(" ", "\u00a0")
    return Math(text, rf"\text{{{tex(text)}}}", mathml, apart=True)


def tex(text: str) -> str:
    r"""Escape the characters that LaTeX reads as commands.

    >>> tex("dense_1 & 5 %")
    'dense\\_1 \\& 5 \\%'
    """
    return re.sub(r"([_&%#$])", r"\\\1", text)


def below(base: Math, index: str) -> Math:
    """Add an index to a symbol.

    >>> below(symbol("z"), "12").text, below(symbol("z"), "j").text
    ('z₁₂', 'z_j')
    """
    lowered = index.translate(_LOWERED) if index.isdigit() else f"_{index}"
    mathml = f"<msub>{base.mathml}<mi>{html.escape(index)}</mi></msub>"
    return Math(f"{base.text}{lowered}", f"{base.latex}_{{{index}}}", mathml, base.binds, base.apart)


def element(name: str, index: Iterable[Any]) -> str:
    """Name an element of an array.

    >>> element("w", (3, 4))
    'w[3,4]'
    """
    return f"{name}[{','.join(str(int(i)) for i in index)}]"


def number(value: float) -> Math:
    r"""Typeset a number to six digits.

    >>> number(-1.5e-7).text, number(-1.5e-7).latex
    ('−1.5e−07', '-1.5 \\times 10^{-7}')
    """
    text = f"{value + 0.0:.6g}"  # + 0.0: no −0
    mantissa, _, exponent = text.partition("e")
    latex, power = mantissa, ""
    if exponent:
        latex = rf"{mantissa} \times 10^{{{int(exponent)}}}"
        power = f"<mo>·</mo><msup><mn>10</mn><mn>{str(int(exponent)).replace('-', MINUS)}</mn></msup>"
    mathml = f"<mn>{mantissa.lstrip('-')}</mn>{power}"
    if value < 0:
        mathml = f"<mo form='prefix'>{MINUS}</mo>{mathml}"
    # A number below 0 or with a power of ten is bracketed where it stands in a product.
    binds = SUM if value < 0 else POWER if power else ATOM
    return Math(text.replace("-", MINUS), latex, f"<mrow>{mathml}</mrow>", binds, apart=True)


# ---------------------------------------------------------------------------------------- rendering

_PLUS_MINUS = {ast.Add: "+", ast.Sub: MINUS}
_COMPARISONS = {
    ast.Lt: ("<", "<", operator.lt),
    ast.LtE: ("≤", r"\leq", operator.le),
    ast.Gt: (">", ">", operator.gt),
    ast.GtE: ("≥", r"\geq", operator.ge),
    ast.Eq: ("=", "=", np.isclose),
    ast.NotEq: ("≠", r"\neq", operator.ne),
    ast.In: ("~", r"\sim", lambda value, distribution: distribution),
}
_ENCLOSED = {
    "sqrt": ("√(", ")", r"\sqrt{", "}", "<msqrt>", "</msqrt>"),
    "abs": ("|", "|", r"\left\vert ", r"\right\vert ", "<mrow><mo>|</mo>", "<mo>|</mo></mrow>"),
    "norm": ("‖", "‖", r"\left\Vert ", r"\right\Vert ", "<mrow><mo>‖</mo>", "<mo>‖</mo></mrow>"),
    "floor": ("⌊", "⌋", r"\lfloor ", r"\rfloor ", "<mrow><mo>⌊</mo>", "<mo>⌋</mo></mrow>"),
}
_COMMANDS = ("log", "tanh", "cosh", "cos", "max", "min")
"""Functions that LaTeX knows by name."""


def _sign(text: str, latex: str | None = None) -> Math:
    escaped = html.escape(text.strip())
    return Math(text, text.replace(MINUS, "-") if latex is None else latex, f"<mo>{escaped}</mo>")


def _chain(parts: Iterable[Math], binds: int, apart: bool = False) -> Math:
    text, latex, mathml = map("".join, zip(*(part.notations for part in parts), strict=True))
    return Math(text, latex, f"<mrow>{mathml}</mrow>", binds, apart)


def _bracketed(part: Math, level: int) -> Math:
    if part.binds >= level:
        return part
    opening, closing = "[]" if part.binds == COMPARISON else "()"
    return Math(
        f"{opening}{part.text}{closing}",
        rf"\left{opening}{part.latex}\right{closing}",
        f"<mrow><mo>{opening}</mo>{part.mathml}<mo>{closing}</mo></mrow>",
    )


def _leading(part: Math) -> Math:
    """The first factor of a product, in which a negative number or symbol needs no brackets."""
    return part if part.text.startswith(MINUS) and " " not in part.text else _bracketed(part, PRODUCT)


def _render(node: ast.expr, names: Mapping[str, Math]) -> Math:
    render = functools.partial(_render, names=names)
    match node:
        case ast.Name(id=name):
            return names[name] if name in names else symbol(name)
        case ast.Constant(value=value):
            return number(cast(float, value))
        case ast.Attribute(value=value, attr="T"):
            inner = _bracketed(render(value), ATOM)
            return Math(f"{inner.text}ᵀ", f"{inner.latex}^T", f"<msup>{inner.mathml}<mi>T</mi></msup>", POWER)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _chain((_sign(MINUS), _bracketed(render(operand), PRODUCT)), SUM)
        case ast.Subscript(value=value, slice=index):
            parts = [render(each) for each in (index.elts if isinstance(index, ast.Tuple) else [index])]
            base = _bracketed(render(value), ATOM)
            text, latex, mathml = map("".join, zip(*(part.notations for part in parts), strict=True))
            text = text if all(part.binds == ATOM for part in parts) else f"({text})"
            mathml = f"<msub>{base.mathml}<mrow>{mathml}</mrow></msub>"
            return Math(f"{base.text}_{text}", f"{base.latex}_{{{latex}}}", mathml)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            other = render(orelse)
            otherwise = word(", " if isinstance(orelse, ast.IfExp) else ", else ")
            parts = (_bracketed(render(body), COMPARISON), word(" if "), render(test), otherwise, other)
            return _chain(parts, CASES)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            parts = [_bracketed(render(left), SUM)]
            for op, comparator in zip(ops, comparators, strict=True):
                text, latex, _ = _COMPARISONS[type(op)]
                parts += [_sign(f" {text} ", f" {latex} "), _bracketed(render(comparator), SUM)]
            return _chain(parts, COMPARISON)
        case ast.BinOp():
            return _operation(node, render(node.left), render(node.right))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(names.get(name), name, [render(each) for each in args])
    raise ValueError(f"a formula has no notation for {ast.unparse(node)!r}")


def _operation(node: ast.BinOp, left: Math, right: Math) -> Math:
    match node.op:
        case ast.Div() if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            text = f"{left.text}/{right.text}".replace("1/2", "½")
            mathml = f"<mfrac>{left.mathml}{right.mathml}</mfrac>"
            return Math(text, rf"\frac{{{left.latex}}}{{{right.latex}}}", mathml, apart=True)
        case ast.Div():
            return Math(
                f"{_leading(left).text} / {_bracketed(right, POWER).text}",
                rf"\frac{{{left.latex}}}{{{right.latex}}}",
                f"<mfrac><mrow>{left.mathml}</mrow><mrow>{right.mathml}</mrow></mfrac>",
                PRODUCT,
            )
        case ast.Pow():
            base, exponent = _bracketed(left, ATOM), right.text.replace(" ", "")
            raised = f"^{right.text}" if right.binds == ATOM else f"^({right.text})"
            if set(exponent) <= set(_RAISABLE):
                raised = exponent.translate(_RAISED)
            mathml = f"<msup><mrow>{base.mathml}</mrow><mrow>{right.mathml}</mrow></msup>"
            return Math(base.text + raised, f"{base.latex}^{{{right.latex}}}", mathml, POWER, base.apart)
        case ast.MatMult():
            return _chain((_bracketed(left, POWER), _sign("·", r" \cdot "), _bracketed(right, POWER)), PRODUCT)
        case ast.Mult():
            left, right = _leading(left), _bracketed(right, PRODUCT + right.text.startswith(MINUS))
            times = r" \cdot " if (left.apart and not left.text[0].isdigit()) or right.apart else r" \, "
            return _chain((left, _sign(" · ", times), right), PRODUCT, right.apart)
    # What stands on the right of a minus is bracketed where it is a sum or a negative number.
    sign = _PLUS_MINUS[type(node.op)]
    right = _bracketed(right, SUM + (sign == MINUS or right.text.startswith(MINUS)))
    return _chain((_bracketed(left, SUM), _sign(f" {sign} "), right), SUM)


def _call(head: Math | None, name: str, arguments: list[Math]) -> Math:
    inner = arguments[-1]
    if name in _ENCLOSED:
        before, after, *rest = _ENCLOSED[name]
        if name == "sqrt" and inner.binds == ATOM:
            before, after = "√", ""
        return Math(before + inner.text + after, rest[0] + inner.latex + rest[1], rest[2] + inner.mathml + rest[3])
    if name == "exp":
        raised = inner.text if inner.binds == ATOM and "_" not in inner.text else f"({inner.text})"
        return Math(f"e^{raised}", f"e^{{{inner.latex}}}", f"<msup><mi>e</mi><mrow>{inner.mathml}</mrow></msup>")
    if name == "sum":
        sigma, body = Math("Σ", r"\sum", "<mo>∑</mo>"), _bracketed(inner, PRODUCT)
        if len(arguments) == 2:
            sigma = below(sigma, arguments[0].text)
        return _chain((sigma, _sign(" "), body), POWER if body.binds >= POWER else PRODUCT)
    if head is None:
        letters = symbol(name)
        latex = rf"\{name}" if name in _COMMANDS else rf"\operatorname{{{name}}}" if letters.apart else letters.latex
        head = letters._replace(latex=latex, mathml=f"<mi>{letters.text}</mi>")
    listed = [part for argument in arguments for part in (_sign(", "), argument)][1:]
    opening, closing = (Math(c, side + c, f"<mo>{c}</mo>") for c, side in (("(", r"\left"), (")", r"\right")))
    return _chain((head, opening, *listed, closing), ATOM)


# --------------------------------------------------------------------------------------- evaluation


def _distribution(make: Callable[..., Any]) -> Callable[..., Any]:
    def function(*values: Any) -> Any:
        from scipy import stats  # most of a second, which only evaluating a distribution needs

        return make(stats, *map(float, values))

    return function


def _special(name: str) -> Callable[[Any], Any]:
    def function(values: Any) -> Any:
        from scipy import special  # a tenth of a second, which no start should wait for

        return getattr(special, name)(values)

    return function


FUNCTIONS: dict[str, Any] = {
    **{name: getattr(np, name) for name in ("exp", "log", "tanh", "cosh", "cos", "sqrt", "abs", "sign", "floor")},
    **{name: getattr(np, name) for name in ("argmax", "mean")},
    "max": lambda *values: functools.reduce(np.maximum, values),
    "min": lambda *values: functools.reduce(np.minimum, values),
    "norm": np.linalg.norm,
    "sigma": _special("expit"),
    "Phi": _special("ndtr"),
    "phi": lambda z: np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "softmax": _special("softmax"),
    "N": _distribution(lambda stats, mean, variance: stats.norm(mean, math.sqrt(variance))),
    "U": _distribution(lambda stats, low, high: stats.uniform(low, high - low)),
    "truncated_N": _distribution(lambda stats, mean, std, limit: stats.truncnorm(-limit / std, limit / std, mean, std)),
}
"""The functions of formulas, on NumPy arrays; beside them ``sum``."""
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}


class _Evaluation:
    """One evaluation: the values of names, and an axis for each index that runs."""

    def __init__(self, body: list[ast.stmt], values: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = {"pi": np.asarray(math.pi)}
        self.values |= {name: value if callable(value) else np.asarray(value) for name, value in values.items()}
        self.assigned: dict[str, Any] = {}
        self.summed: list[str] = []
        nodes = [node for statement in body for node in ast.walk(statement)]
        subscripts = [node for node in nodes if isinstance(node, ast.Subscript)]
        targets = {name for node in body if isinstance(node, ast.Assign) for name in _names(node.targets[0])[:1]}
        indices = [name for node in subscripts for name in _names(node.slice) if name not in self.values]
        self.letters = list(dict.fromkeys(indices))
        for node in nodes:
            if isinstance(node, ast.Call) and len(node.args) == 2 and _names(node.func) == ["sum"]:
                self.summed += _names(node.args[0])
        for node in subscripts:
            if not targets.intersection(_names(node.value)):
                self._size(node)

    def _size(self, node: ast.Subscript) -> None:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part, size in zip(parts, np.shape(self.value(node.value)), strict=False):
            if isinstance(part, ast.Name) and part.id in self.letters:
                shape = [size if letter == part.id else 1 for letter in self.letters]
                self.values[part.id] = np.arange(size).reshape(shape)

    def statement(self, node: ast.stmt) -> Any:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            value = self.value(node.value)
            if isinstance(target, ast.Subscript):
                self.assigned[cast(ast.Name, target.value).id] = value
            else:
                self.values[cast(ast.Name, target).id] = value
        else:
            value = self.value(cast(ast.Expr, node).value)
        if not self.letters or np.ndim(value) != len(self.letters):
            return value
        shape = zip(self.letters, np.shape(value), strict=True)
        return np.squeeze(value, tuple(k for k, (letter, n) in enumerate(shape) if n == 1 and letter in self.summed))

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name):
                return self.values[name]
            case ast.Constant(value=value):
                return np.asarray(value)
            case ast.Attribute(value=value, attr="T"):
                return self.value(value).T
            case ast.UnaryOp(operand=operand):
                return -self.value(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](self.value(left), self.value(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return np.where(self.value(test), self.value(body), self.value(orelse))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                first = None if isinstance(ops[0], ast.In) else self.value(left)
                sides = [first, *map(self.value, comparators)]
                tests = [_COMPARISONS[type(op)][2](*pair) for op, *pair in zip(ops, sides, sides[1:], strict=False)]
                return functools.reduce(operator.and_, tests)
            case ast.Subscript(value=ast.Name(id=name)) if name in self.assigned:
                return self.assigned[name]
            case ast.Subscript(value=value, slice=index):
                parts = index.elts if isinstance(index, ast.Tuple) else [index]
                return self.value(value)[tuple(self.value(part) for part in parts)]
            case ast.Call(func=ast.Name(id="sum"), args=[body]):
                return np.sum(self.value(body))
            case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=letter), body]):
                return np.sum(self.value(body), axis=self.letters.index(letter), keepdims=True)
            case ast.Call(func=ast.Name(id=name), args=args):
                return (self.values | FUNCTIONS)[name](*map(self.value, args))
        raise ValueError(f"a formula cannot compute {ast.unparse(node)!r}")


def _names(node: ast.AST) -> list[str]:
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]


# ------------------------------------------------------------------------------------- the formula


class Formula:
    """A formula: Python source that is typeset and evaluated.

    Args:
        source: statements, one a line or divided by semicolons; see the module.
        symbols: the expression that is shown for a name, where its spelling does not say it.

    Example:
        >>> step = Formula("m = beta1 * m + (1 - beta1) * g; w = w - learning_rate * m")
        >>> {name: float(value) for name, value in step.results(m=0, g=1, w=1, beta1=0.9, learning_rate=0.1).items()}
        {'m': 0.09999999999999998, 'w': 0.99}
    """

    def __init__(self, source: str, **symbols: str) -> None:
        self.source = source
        self._body = ast.parse(source).body
        self._symbols = symbols

    @functools.cached_property
    def _shown(self) -> dict[str, Math]:
        return {name: _render(ast.parse(shown, mode="eval").body, {}) for name, shown in self._symbols.items()}

    @functools.cached_property
    def _statements(self) -> tuple[tuple[Math | None, Math, bool], ...]:
        """Left side, right side, and whether the left side is replaced, of each statement."""
        statements, read, assigned = [], set[str](), set[str]()
        for node in self._body:
            expression = cast(ast.Assign | ast.Expr, node).value
            read |= {name for name in _names(expression) if name not in assigned}
            right = _render(expression, self._shown)
            if isinstance(node, ast.Assign):
                target = node.targets[0]
                assigned |= set(_names(target)[:1])
                statements.append((_render(target, self._shown), right, _names(target)[0] in read))
            else:
                statements.append((None, right, False))
        return tuple(statements)

    def _lines(self, notation: int, equal: str, becomes: str) -> list[str]:
        return [
            (left.notations[notation] + (becomes if replaced else equal) if left else "") + right.notations[notation]
            for left, right, replaced in self._statements
        ]

    @property
    def text(self) -> str:
        """In Unicode, statements divided by semicolons."""
        return "; ".join(self._lines(0, " = ", " ← "))

    @property
    def latex(self) -> str:
        """In LaTeX, without dollar signs; several statements are lines below each other."""
        lines = self._lines(1, " = ", r" \leftarrow ")
        return "".join(lines) if len(lines) < 2 else r"\begin{gathered}" + r" \\ ".join(lines) + r"\end{gathered}"

    @property
    def mathml(self) -> str:
        """As MathML, one element a statement."""
        lines = self._lines(2, "<mo>=</mo>", "<mo>←</mo>")
        return " ".join(f"<math displaystyle='true'><mrow>{line}</mrow></math>" for line in lines)

    def __bool__(self) -> bool:
        return bool(self._body)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Formula({self.source!r})"

    def results(self, **values: Any) -> dict[str, Any]:
        """Compute every statement; what it assigns by name, a last expression under ``""``.

        Args:
            values: numbers, arrays or functions by name.
        """
        evaluation, results = _Evaluation(self._body, values), {}
        with np.errstate(all="ignore"):  # both sides of a condition are computed
            for node in self._body:
                name = _names(node.targets[0])[0] if isinstance(node, ast.Assign) else ""
                results[name] = evaluation.statement(node)
        return results

    def evaluate(self, **values: Any) -> Any:
        """Compute the last statement.

        Args:
            values: numbers, arrays or functions by name.
        """
        return list(self.results(**values).values())[-1]

    def fields(self, item: Any) -> dict[str, Any]:
        """The values of an object's fields that the formula reads, by name."""
        names = {name for node in self._body for name in _names(node)}
        return {name: getattr(item, name) for name in names if hasattr(item, name)}

    def lines(self, numbers: Mapping[str, float], left: str = "") -> tuple["Line", ...]:
        """The calculation with its numbers, a line for each statement."""
        numbers, lines = dict(numbers), []
        for node, (target, _, becomes) in zip(self._body, self._statements, strict=True):
            source = ast.unparse(cast(ast.Assign | ast.Expr, node).value)
            line = Line(target or left, Formula(source, **self._symbols), dict(numbers), becomes)
            if isinstance(node, ast.Assign):
                numbers[_names(node.targets[0])[0]] = line.value
            lines.append(line)
        return tuple(lines)


UNSTATED = Formula("")
"""The formula, false and without text, of a custom class that states none."""


@dataclass(frozen=True)
class Line:
    """One line of a calculation: formula, numbers, value.

    Args:
        left: what is computed, a name or typeset.
        formula: the expression, or its source; a single number is shown as a value alone.
        numbers: the values of its names.
        becomes: whether the old value of ``left`` is replaced (←).
    """

    left: str | Math
    formula: Formula | str
    numbers: Mapping[str, float]
    becomes: bool = False

    @functools.cached_property
    def _expression(self) -> Formula:
        return Formula(self.formula) if isinstance(self.formula, str) else self.formula

    @functools.cached_property
    def value(self) -> float:
        """The number that it comes to."""
        return float(self._expression.evaluate(**self.numbers))

    @functools.cached_property
    def parts(self) -> tuple[Math, ...]:
        """Left side, formula, formula with numbers, value; without repetitions."""
        ((_, formula, _),) = self._expression._statements
        node = cast(ast.Expr, self._expression._body[0]).value
        filled = _render(node, self._expression._shown | {name: number(value) for name, value in self.numbers.items()})
        sides = [symbol(self.left) if isinstance(self.left, str) else self.left]
        for side in (formula, filled, number(self.value)):
            if side.text != sides[-1].text:
                sides.append(side)
        return tuple(sides)

    def _joined(self, notation: int, becomes: str) -> str:
        head, *rest = (part.notations[notation] for part in self.parts)
        return head + (becomes if self.becomes else " = ") + " = ".join(rest)

    @property
    def text(self) -> str:
        """In Unicode."""
        return self._joined(0, " ← ")

    @property
    def latex(self) -> str:
        """In LaTeX, without dollar signs."""
        return self._joined(1, r" \leftarrow ")

    @property
    def aligned(self) -> str:
        """In LaTeX, for an ``align`` environment: a line for each equals sign."""
        head, first, *rest = (part.latex for part in self.parts)
        sign = r"\leftarrow" if self.becomes else "="
        return f"{head} &{sign} {first}" + "".join(f" \\\\\n &= {side}" for side in rest)

    @property
    def mathml(self) -> str:
        """As MathML elements, between which a line may break."""
        head, *rest = self.parts
        signs = ["←" if self.becomes else "="] + ["="] * len(rest)
        pieces = [head.mathml, *(f"<mo>{sign}</mo>{side.mathml}" for sign, side in zip(signs, rest, strict=False))]
        return " ".join(f"<math displaystyle='true'><mrow>{piece}</mrow></math>" for piece in pieces)

    def __str__(self) -> str:
        return self.text
