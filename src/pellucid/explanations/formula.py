"""A formula written once, shown as text, LaTeX and MathML, with symbols or with numbers put in, and computed.

A formula is a Python expression over the names of `SYMBOLS`::

    >>> line = Line("dL_dz", "dL_da * da_dz", {"dL_da": -0.5, "da_dz": 0.2})
    >>> print(line.text)
    ∂L/∂z = ∂L/∂a · ∂a/∂z = −0.5 · 0.2 = −0.1
"""

import ast
import functools
import html
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

MINUS = "−"


class Math(NamedTuple):
    """A formula in three notations, and how tightly it binds: 0 a sum, 1 a product, 2 a power, 3 an atom."""

    text: str
    latex: str
    mathml: str
    binds: int = 3

    @property
    def notations(self) -> tuple[str, str, str]:
        """Text, LaTeX and MathML."""
        return self.text, self.latex, self.mathml


def symbol(text: str, latex: str | None = None) -> Math:
    """A letter, or a word where it is longer."""
    return Math(text, latex or text, f"<mi>{html.escape(text)}</mi>")


def word(text: str) -> Math:
    """A word among symbols."""
    return Math(text, rf"\text{{{tex(text)}}}", f"<mtext>{html.escape(text)}</mtext>")


def tex(text: str) -> str:
    r"""Text with the characters escaped that LaTeX reads as commands.

    >>> tex("dense_1 & 5 %")
    'dense\\_1 \\& 5 \\%'
    """
    for character in "_&%#$":
        text = text.replace(character, "\\" + character)
    return text


def below(base: Math, index: str) -> Math:
    """A symbol with an index."""
    return Math(
        f"{base.text}{_subscript(index)}",
        f"{base.latex}_{{{index}}}",
        f"<msub>{base.mathml}<mi>{html.escape(index)}</mi></msub>",
    )


def gradient(top: Math, bottom: Math) -> Math:
    """∂top/∂bottom."""
    d = "<mi>∂</mi>"
    return Math(
        f"∂{top.text}/∂{bottom.text}",
        rf"\frac{{\partial {top.latex}}}{{\partial {bottom.latex}}}",
        f"<mfrac><mrow>{d}{top.mathml}</mrow><mrow>{d}{bottom.mathml}</mrow></mfrac>",
    )


def number(value: float) -> Math:
    r"""A number to six digits.

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
    # A number below 0 or with a power of ten is put in brackets where it stands in a product.
    return Math(text.replace("-", MINUS), latex, f"<mrow>{mathml}</mrow>", 0 if value < 0 else 2 if power else 3)


def place(name: str, index: Iterable[Any]) -> str:
    """An array's name with a place in it.

    >>> place("w", (3, 4))
    'w[3,4]'
    """
    return f"{name}[{','.join(str(int(i)) for i in index)}]"


def _subscript(index: str) -> str:
    digits = str.maketrans("0123456789+ky", "₀₁₂₃₄₅₆₇₈₉₊ₖᵧ")
    return index.translate(digits) if all(c in "0123456789ky" for c in index) else f"[{index}]"


_L, _z, _a, _w, _y = (symbol(letter) for letter in "Lzawy")
_hat_y, _hat_m, _hat_v = (
    Math(text, rf"\hat{{{letter}}}", f"<mover><mi>{letter}</mi><mo>^</mo></mover>")
    for text, letter in (("ŷ", "y"), ("m̂", "m"), ("v̂", "v"))
)
SYMBOLS: dict[str, Math] = {letter: symbol(letter) for letter in "Lzawygmvsutxbnhf"} | {
    "yhat": _hat_y,
    "mhat": _hat_m,
    "vhat": _hat_v,
    "yhat_y": below(_hat_y, "y"),
    "dL_da": gradient(_L, _a),
    "da_dz": gradient(_a, _z),
    "dL_dz": gradient(_L, _z),
    "dz_dw": gradient(_z, _w),
    "dL_dw": gradient(_L, _w),
    "dL_da_k": gradient(_L, below(_a, "k")),
    "da_k_dz": gradient(below(_a, "k"), _z),
    "dR_dw": gradient(symbol("R"), _w),
    "eta": symbol("η", r"\eta"),
    "beta": symbol("β", r"\beta"),
    "b1": below(symbol("β", r"\beta"), "1"),
    "b2": below(symbol("β", r"\beta"), "2"),
    "rho": symbol("ρ", r"\rho"),
    "eps": symbol("ε", r"\varepsilon"),
    "lam": symbol("λ", r"\lambda"),
    "l1": below(symbol("λ", r"\lambda"), "1"),
    "step": symbol("Δ", r"\Delta"),
    "c": symbol("c"),
    "delta": symbol("δ", r"\delta"),
}
FUNCTIONS = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "sqrt": math.sqrt,
    "max": max,
    "abs": abs,
    "sign": lambda x: math.copysign(1.0, x) if x else 0.0,
}
_OPERATORS = {
    ast.Add: (0, " + ", " + ", "<mo>+</mo>"),
    ast.Sub: (0, f" {MINUS} ", " - ", f"<mo>{MINUS}</mo>"),
    ast.Mult: (1, " · ", r" \cdot ", "<mo>·</mo>"),
}


@dataclass(frozen=True)
class Line:
    """One line of a calculation: what is computed, the formula, the formula with its numbers, the value.

    Args:
        name: what is computed, a name of `SYMBOLS`.
        source: the formula; where it is a single number, it is shown as a value alone.
        numbers: the values of its names.
        becomes: whether the old value of ``name`` is replaced (←).
        left: what stands on the left where it is no name of `SYMBOLS`.
    """

    name: str
    source: str
    numbers: dict[str, float]
    becomes: bool = False
    left: Math | None = None

    @functools.cached_property
    def value(self) -> float:
        """What it comes to."""
        # The sources are this package's own constants, never a user's text.
        return float(eval(compile(self._tree, "formula", "eval"), {"__builtins__": {}}, FUNCTIONS | self.numbers))

    @functools.cached_property
    def _tree(self) -> ast.Expression:
        return cast(ast.Expression, ast.parse(self.source, mode="eval"))

    @functools.cached_property
    def parts(self) -> tuple[Math, ...]:
        """The left side, the formula, the formula with numbers, the value; without what would say the same twice."""
        formula = _render(self._tree.body, {})
        filled = _render(self._tree.body, self.numbers)
        value = number(self.value)
        sides = [self.left or SYMBOLS[self.name]]
        for side in (formula, filled, value):
            if side.text != sides[-1].text:
                sides.append(side)
        return tuple(sides)

    def _joined(self, notation: int, first: str, equal: str) -> str:
        head, *rest = (part.notations[notation] for part in self.parts)
        return head + (first if self.becomes else equal) + equal.join(rest)

    @property
    def text(self) -> str:
        """In Unicode."""
        return self._joined(0, " ← ", " = ")

    @property
    def latex(self) -> str:
        """In LaTeX, without dollar signs."""
        return self._joined(1, r" \leftarrow ", " = ")

    @property
    def mathml(self) -> str:
        """As a MathML element; it may break before every equals sign."""
        head, *rest = self.parts
        signs = ["←" if self.becomes else "="] + ["="] * len(rest)
        pieces = [f"<math displaystyle='true'><mrow>{head.mathml}</mrow></math>"]
        pieces += [
            f"<math displaystyle='true'><mrow><mo>{sign}</mo>{side.mathml}</mrow></math>"
            for sign, side in zip(signs, rest, strict=False)
        ]
        return " ".join(pieces)


def _render(node: ast.expr, numbers: dict[str, float]) -> Math:
    if isinstance(node, ast.Name):
        return number(numbers[node.id]) if node.id in numbers else SYMBOLS[node.id]
    if isinstance(node, ast.Constant):
        return number(cast(float, node.value))
    if isinstance(node, ast.UnaryOp):
        inner = _bracketed(_render(node.operand, numbers), 1)
        return Math(
            f"{MINUS}{inner.text}", f"-{inner.latex}", f"<mrow><mo form='prefix'>{MINUS}</mo>{inner.mathml}</mrow>", 0
        )
    if isinstance(node, ast.BinOp):
        return _operation(node, _render(node.left, numbers), _render(node.right, numbers))
    call = cast(ast.Call, node)
    return _call(cast(ast.Name, call.func).id, [_render(one, numbers) for one in call.args])


def _operation(node: ast.BinOp, left: Math, right: Math) -> Math:
    if isinstance(node.op, ast.Div):
        return Math(
            f"{_leading(left, 1).text} / {_bracketed(right, 2).text}",
            rf"\frac{{{left.latex}}}{{{right.latex}}}",
            f"<mfrac><mrow>{left.mathml}</mrow><mrow>{right.mathml}</mrow></mfrac>",
            1,
        )
    if isinstance(node.op, ast.Pow):
        base = _bracketed(left, 3)
        return Math(
            base.text
            + (
                right.text.translate(str.maketrans("0123456789t", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵗ"))
                if right.text.isalnum()
                else f"^({right.text})"
            ),
            f"{base.latex}^{{{right.latex}}}",
            f"<msup><mrow>{base.mathml}</mrow>{right.mathml}</msup>",
            2,
        )
    level, *signs = _OPERATORS[type(node.op)]
    left = left if level == 0 else _leading(left, level)
    # What stands on the right of a minus is bracketed where it is a sum or a negative number.
    right = _bracketed(right, level + (isinstance(node.op, ast.Sub) or right.text.startswith(MINUS)))
    text, latex, mathml = (sign.join((left.notations[k], right.notations[k])) for k, sign in enumerate(signs))
    return Math(text, latex, f"<mrow>{mathml}</mrow>", level)


def _leading(part: Math, level: int) -> Math:
    """The first factor of a product, in which a negative number needs no brackets."""
    return part if part.text.startswith(MINUS) and " " not in part.text else _bracketed(part, level)


def _bracketed(part: Math, level: int) -> Math:
    if part.binds >= level:
        return part
    return Math(f"({part.text})", rf"\left({part.latex}\right)", f"<mrow><mo>(</mo>{part.mathml}<mo>)</mo></mrow>")


def _call(name: str, given: list[Math]) -> Math:
    if name == "sqrt":
        inner = given[0]
        text = f"√{inner.text}" if inner.binds == 3 else f"√({inner.text})"
        return Math(text, rf"\sqrt{{{inner.latex}}}", f"<msqrt>{inner.mathml}</msqrt>")
    if name == "exp":
        inner = given[0]
        return Math(f"e^({inner.text})", f"e^{{{inner.latex}}}", f"<msup><mi>e</mi><mrow>{inner.mathml}</mrow></msup>")
    if name == "abs":
        inner = given[0]
        return Math(
            f"|{inner.text}|", rf"\left|{inner.latex}\right|", f"<mrow><mo>|</mo>{inner.mathml}<mo>|</mo></mrow>"
        )
    shown = rf"\operatorname{{{name}}}" if name == "sign" else rf"\{name}"
    text, latex, mathml = (", ".join(one.notations[k] for one in given) for k in range(3))
    opening, closing = ("<mo stretchy='false'>" + bracket + "</mo>" for bracket in "()")
    mathml = f"<mrow><mi>{name}</mi>{opening}{mathml.replace(', ', '<mo>,</mo>')}{closing}</mrow>"
    return Math(f"{name}({text})", rf"{shown}\left({latex}\right)", mathml)
