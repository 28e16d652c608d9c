r"""LaTeX from the formulas of the docstrings, so that each formula is written once."""

import re

SYMBOLS = {
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "δ": r"\delta ",
    "ε": r"\varepsilon ",
    "η": r"\eta ",
    "θ": r"\theta ",
    "λ": r"\lambda ",
    "μ": r"\mu ",
    "ρ": r"\rho ",
    "σ": r"\sigma ",
    "τ": r"\tau ",
    "φ": r"\varphi ",
    "Φ": r"\Phi ",
    "π": r"\pi ",
    "Δ": r"\Delta ",
    "Σ": r"\sum ",
    "Π": r"\prod ",
    "∂": r"\partial ",
    "∇": r"\nabla ",
    "−": "-",
    "·": r"\cdot ",
    "×": r"\times ",
    "≤": r"\leq ",
    "≥": r"\geq ",
    "≠": r"\neq ",
    "←": r"\leftarrow ",
    "½": r"\tfrac12 ",
    "∞": r"\infty ",
    "⊙": r"\odot ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "…": r"\dots ",
    "′": "'",
    "ŷ": r"\hat y",
    "ρ̂": r"\hat\rho ",
    "m̂": r"\hat m",
    "v̂": r"\hat v",
    "x̂": r"\hat x",
    "~": r"\sim ",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
}
RAISED = str.maketrans("²³¹⁺⁻ᵀᵗ", "231+-Tt")
LOWERED = str.maketrans("₀₁₂", "012")
FUNCTIONS = ("argmax", "cosh", "softmax", "tanh", "sign", "log", "max", "min", "cos", "exp")
"""Longer names before those they contain."""

_NAMES = "|".join(FUNCTIONS)
_BRACKET = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_PLAIN = rf"(?!(?:{_NAMES})(?![a-z]))(?!d[A-Za-z](?![a-z]))[A-Za-z]{{2,}}"
_TERM = (
    r"(?:Σ_\w )?(?:fan in|fan out|"
    rf"[\w.ŷ\u0302₀-₂']*{_BRACKET}|√?[\w.ŷ\u0302₀-₂]+(?:\^−?\w+|\^{{[^}}]*}}|_\w+)?)[²ᵗ]?"
)
_TOKEN = re.compile(
    rf"(?P<top>{_TERM}) / (?P<bottom>{_TERM})"
    r"|[_^](?:\{(?P<braced>[^}]*)\}|(?P<floor>⌊[^⌋]*⌋)|(?P<script>−?[\w]+(?:,\w+)*))"
    r"|√(?:\((?P<under>(?:[^()]|\([^()]*\))*)\)|(?P<root>\ŵ?))"
    r"|\|(?P<bars>[^|]+)\||(?P<raised>[²³¹⁺⁻ᵀᵗ]+)|(?P<lowered>[₀₁₂]+)"
    rf"|(?P<function>{_NAMES})(?![a-z])|(?P<words> ?{_PLAIN}(?:[ -](?:a )?{_PLAIN})* ?)|(?P<any>\w\u0302|.)"
)


def as_latex(formula: str) -> str:
    r"""A formula in Unicode, as LaTeX; parts divided by semicolons become lines.

    Example:
        >>> as_latex("1 / (1 + e^−z)"), as_latex("z if z > 0, else α z")
        ('\\frac{1}{1 + e^{-z}}', 'z\\text{ if }z > 0,\\text{ else }\\alpha z')
    """
    formula = re.sub(r"\^\(([^()]*)\)", r"^{\1}", formula)
    lines = [_line(line.strip()) for line in formula.split(";")]
    return lines[0] if len(lines) == 1 else r"\begin{gathered}" + r" \\ ".join(lines) + r"\end{gathered}"


def _line(text: str) -> str:
    return re.sub(r" +", " ", "".join(_token(match) for match in _TOKEN.finditer(text))).strip()


def _token(match: re.Match[str]) -> str:
    part = match.groupdict()
    kind = match.lastgroup
    if kind == "bottom":
        top, bottom = (_line(_bare(part[place])) for place in ("top", "bottom"))
        return rf"\frac{{{top}}}{{{bottom}}}"
    if kind in ("braced", "floor", "script"):
        inside = part[kind]
        letters = kind == "script" and inside.isascii() and inside.isalpha()
        content = _line(inside) if not letters else inside if len(inside) < 3 else rf"\text{{{inside}}}"
        return f"{match.group()[0]}{{{content}}}"
    if kind in ("under", "root"):
        return rf"\sqrt{{{_line(part[kind])}}}"
    if kind == "bars":
        return rf"\lvert {_line(part[kind])}\rvert "
    if kind == "raised":
        return f"^{{{match.group().translate(RAISED)}}}"
    if kind == "lowered":
        return f"_{{{match.group().translate(LOWERED)}}}"
    if kind == "function":
        name = match.group()
        return rf"\operatorname{{{name}}}" if name in ("argmax", "softmax", "sign") else rf"\{name} "
    if kind == "words":
        return rf"\text{{{match.group()}}}"
    return SYMBOLS.get(match.group(), match.group())


def _bare(text: str) -> str:
    """A numerator or denominator without the brackets that only hold it together."""
    return text[1:-1] if re.fullmatch(_BRACKET, text) else text
