"""LaTeX from the formulas of the docstrings, so that each formula is written once."""

import re

SYMBOLS = {
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\varepsilon ", "η": r"\eta ",
    "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ",
    "φ": r"\varphi ", "Φ": r"\Phi ", "π": r"\pi ", "Σ": r"\sum ", "Π": r"\prod ", "∂": r"\partial ", "∇": r"\nabla ",
    "−": "-", "·": r"\cdot ", "×": r"\times ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "←": r"\leftarrow ",
    "½": r"\tfrac12 ", "√": r"\sqrt ", "∞": r"\infty ", "⊙": r"\odot ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "…": r"\dots ", "′": "'", "ŷ": r"\hat y", "ρ̂": r"\hat\rho ", "m̂": r"\hat m", "v̂": r"\hat v", "x̂": r"\hat x",
    "²": "^2", "³": "^3", "ᵀ": r"^{\mathsf T}", "ᵗ": "^t", "₁": "_1", "₂": "_2", "₀": "_0", "~": r"\sim ",
    "‖": r"\Vert ", "%": r"\%", "{": r"\{", "}": r"\}", "#": r"\#", "&": r"\&",
}  # fmt: skip
FUNCTIONS = {"log", "max", "min", "cosh", "tanh", "cos", "exp", "argmax", "argmin"}
NAMED = {"argmax": r"\operatorname{argmax}", "argmin": r"\operatorname{argmin}"}
_TOKEN = re.compile(
    r"(?P<script>[_^](?:\{[^}]*\}|⌊[^⌋]*⌋|−?[\wα-ωη₀]+))|(?P<word>[A-Za-z]{2,}(?:[ -][A-Za-z]{2,})*)|(?P<root>√\((?P<under>[^()]*(?:\([^()]*\))?[^()]*)\)|√(?P<bare>[\ŵ]+))"
    r"|(?P<hat>[ρmvx]\u0302)|(?P<bars>\|[^|]+\|)|(?P<any>.)"
)


def as_latex(formula: str) -> str:
    """A formula in Unicode, as LaTeX.

    Example:
        >>> as_latex("a_i = e^{z_i} / Σ_j e^{z_j}"), as_latex("max(0, z)"), as_latex("z if z > 0, else α z")
        ('a_i = e^{z_i} / \\\\sum _j e^{z_j}', '\\\\max(0, z)', 'z\\\\text{ if }z > 0,\\\\text{ else }\\\\alpha  z')
    """
    lines = [_line(line.strip()) for line in formula.split(";")]
    return lines[0] if len(lines) == 1 else r"\begin{gathered}" + r" \\ ".join(lines) + r"\end{gathered}"


def _line(text: str) -> str:
    parts = []
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group()
        if match["script"]:
            inside = token[1:].removeprefix("{").removesuffix("}")
            parts.append(f"{token[0]}{{{_line(inside)}}}" if len(inside) > 1 else token)
        elif match["root"]:
            parts.append(rf"\sqrt{{{_line(match['under'] or match['bare'])}}}")
        elif match["bars"]:
            parts.append(rf"\lvert {_line(token[1:-1])}\rvert ")
        elif match["word"]:
            parts.append(NAMED.get(token, rf"\{token}") if token in FUNCTIONS else rf"\text{{ {token} }}")
        else:
            parts.append(SYMBOLS.get(token, token))
        del kind
    return re.sub(r" +", " ", "".join(parts)).strip()
