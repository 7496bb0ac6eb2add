"""A derivation as a page of mathematics: Unicode for the terminal, LaTeX for paper."""

from __future__ import annotations

import sympy as sp

from proofs.ledger import Theorem, evidence_of
from proofs.symbolic.derivation import Chain, Derivation, Relation

_UNICODE_RELATION: dict[Relation, str] = {"=": "=", "<=": "≤", ">=": "≥"}
_LATEX_RELATION: dict[Relation, str] = {"=": "=", "<=": r"\le", ">=": r"\ge"}
_TEXT_SYMBOLS = {
    "−": "-",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "Σ": r"$\Sigma$",
    "√": r"$\surd$",
    "‖": r"$\Vert$",
}


def unicode_page(theorem: Theorem) -> str:
    """The theorem's derivations, readable in a terminal of 120 columns or more."""
    parts = [
        f"{theorem.id}  {theorem.title}",
        theorem.plain,
        *(f"  needs: {hypothesis}" for hypothesis in theorem.hypotheses),
    ]
    for place in theorem.evidence["symbolic"]:
        parts.append(_unicode_derivation(evidence_of(place)))
    if not theorem.evidence["symbolic"]:
        parts.append(f"no derivation: {theorem.open['symbolic']}")
    return "\n".join(parts) + "\n"


def latex_page(theorem: Theorem) -> str:
    """The same as a LaTeX fragment that needs amsmath and amssymb and a Unicode engine."""
    parts = [rf"\section*{{{theorem.id}. {theorem.title}}}", rf"\[{theorem.latex}\]"]
    parts += [_latex_derivation(evidence_of(place)) for place in theorem.evidence["symbolic"]]
    return "\n".join(parts) + "\n"


def _unicode_derivation(derivation: Derivation) -> str:
    lines = ["", f"── {derivation.title} ──"]
    lines += [_unicode_equation(name, value, "is") for name, value in _named(derivation)]
    if derivation.setting.unit_interval:
        lines.append(
            "  between 0 and 1: " + ", ".join(sp.pretty(symbol) for symbol in derivation.setting.unit_interval)
        )
    for links in derivation.chains:
        lines += ["", f"  {links.name}", *_unicode_chain(links)]
    lines += ["", *(f"  assumed, not derived: {text}" for text in derivation.assumed)]
    return "\n".join(lines)


def _unicode_chain(links: Chain) -> list[str]:
    lines = [_indented(sp.pretty(links.steps[0].lhs, use_unicode=True, wrap_line=False), "      ")]
    for step in links.steps:
        body = sp.pretty(step.rhs, use_unicode=True, wrap_line=False)
        lines.append(f"    {_UNICODE_RELATION[step.relation]}     {{ {step.reason}; checked by {step.rule} }}")
        lines.append(_indented(body, "      "))
    return lines


def _unicode_equation(name: sp.Expr, value: sp.Expr, verb: str) -> str:
    return f"  {sp.pretty(name)} {verb}\n{_indented(sp.pretty(value, wrap_line=False), '      ')}"


def _indented(text: str, margin: str) -> str:
    return "\n".join(margin + line for line in text.splitlines())


def _named(derivation: Derivation) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """The names that the derivation's chains use, with what they stand for."""
    setting = derivation.setting
    used: set[sp.Symbol] = set()
    for links in derivation.chains:
        for step in links.steps:
            used |= step.lhs.free_symbols | step.rhs.free_symbols
    return tuple(
        (name, value)
        for name, value in (*setting.definitions, *setting.abbreviations)
        if name.free_symbols & used or name == 1
    )


def _latex_derivation(derivation: Derivation) -> str:
    parts = [rf"\subsection*{{{_latex_text(derivation.title)}}}"]
    parts += [rf"\[{sp.latex(name)} := {sp.latex(value)}\]" for name, value in _named(derivation)]
    for links in derivation.chains:
        rows = [rf"& {sp.latex(links.steps[0].lhs)}"]
        for step in links.steps:
            rows.append(
                rf"{_LATEX_RELATION[step.relation]}\;& {sp.latex(step.rhs)} && \text{{{_latex_text(step.reason)}}}"
            )
        body = " \\\\\n".join(rows)
        parts.append(rf"\paragraph{{{_latex_text(links.name)}}}" + "\n\\begin{align*}\n" + body + "\n\\end{align*}")
    parts += [rf"Assumed, not derived: {_latex_text(text)}." for text in derivation.assumed]
    return "\n".join(parts)


def _latex_text(text: str) -> str:
    for plain in ("\\", "_", "^", "{", "}", "&", "%", "#"):
        text = text.replace(plain, r"\textbackslash{}" if plain == "\\" else {"^": r"\^{}"}.get(plain, "\\" + plain))
    for symbol, command in _TEXT_SYMBOLS.items():
        text = text.replace(symbol, command)
    return text
