"""`certify plan`: how many keys to keep when scores are Gaussian."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from certify.errors import BadInput
from certify.terminal import ResultConsole, progress_bar, until_the_reader_leaves

if TYPE_CHECKING:
    from certify.design_rule import Fit, Plan

__all__ = ["plan"]


def plan(
    eps: Annotated[float, typer.Option(help="The softmax mass that may be dropped, in (0, 1).")],
    n: Annotated[Optional[int], typer.Option("--n", help="How many keys a row has.")] = None,  # noqa: UP045
    sigma: Annotated[Optional[float], typer.Option(help="Standard deviation of the scores, in nats.")] = None,  # noqa: UP045
    delta: Annotated[float, typer.Option(help="The probability with which a row may miss ε.")] = 0.05,
    k: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--k", help="A budget of your own: what it guarantees."),
    ] = None,
    bundle: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Measure n and σ on the scores of this bundle, and whether they are Gaussian."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    picture: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also draw k/n against σ for this n and ε, as .svg or .png."),
    ] = None,
) -> None:
    """How many of n keys to keep so that the dropped mass is at most ε, for scores N(μ, σ²).

    Gives the large-n rule, which about half of all rows or more miss, and a k that is proved enough for all but a
    share δ of the rows. It is about the model: what a real row drops is decided by `certify audit`.
    """
    from certify import design_rule

    measured = None
    if bundle is not None:
        from certify.bundle import load_inputs

        measured = design_rule.fit(design_rule.scores_of(*load_inputs(bundle)))
        n = measured.keys if n is None else n
        sigma = measured.sigma if sigma is None else sigma
    if n is None or sigma is None:
        missing = "--n" if n is None else "--sigma"
        raise BadInput(f"{missing} is not given; say it, or give --bundle to measure it")
    found = design_rule.plan(n=n, sigma=sigma, eps=eps, delta=delta)
    own: dict[str, Any] = {}
    if k is not None:
        own = {
            "k": k,
            "failure_upper": design_rule.failure_probability(n=n, k=k, sigma=sigma, eps=eps),
            "smallest_eps": design_rule.smallest_eps(n=n, k=k, sigma=sigma, delta=delta),
            "smallest_sigma": design_rule.smallest_sigma(n=n, k=k, eps=eps, delta=delta),
        }
    if picture is not None:
        from certify.design_rule.picture import picture as draw

        with progress_bar("drawing", "points") as progress:
            draw(picture, panels=[(n, eps)], delta=delta, progress=progress)
    with until_the_reader_leaves():
        if as_json:
            sys.stdout.write(json.dumps(_record(found, measured, own), indent=2, ensure_ascii=False) + "\n")
        else:
            _print(found, measured, own)


def _record(found: Plan, measured: Fit | None, own: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "n": found.n,
        "sigma": found.sigma,
        "eps": found.eps,
        "delta": found.delta,
        "k_guaranteed": found.k_guaranteed,
        "failure_upper": found.failure_upper,
        "k_asymptotic": found.k_asymptotic,
        "fraction": found.fraction.digits(17),
        "warning": found.warning,
    }
    if own:
        record["budget"] = own
    if measured is not None:
        record["fit"] = {
            "rows": measured.rows,
            "keys": measured.keys,
            "sigma": measured.sigma,
            "sigma_low": measured.sigma_low,
            "sigma_high": measured.sigma_high,
            "distance": measured.distance,
            "rejected": measured.rejected,
            "applies": measured.applies,
        }
    return record


def _print(found: Plan, measured: Fit | None, own: dict[str, Any]) -> None:
    lines = []
    if measured is not None:
        lines += [
            f"measured on {measured.rows} rows of {measured.keys} keys: σ = {measured.sigma:.3g} nats (median), "
            f"{measured.sigma_low:.3g} to {measured.sigma_high:.3g} over 90 % of the rows",
            f"{measured.verdict}",
            "",
        ]
    lines.append(f"{found.n} keys, scores N(μ, {found.sigma:.6g}²), at most {found.eps:.6g} of the mass dropped")
    if found.k_guaranteed < found.n:
        lines.append(
            f"keep {found.k_guaranteed}: proved enough, P(τ > {found.eps:.6g}) ≤ {_up(found.failure_upper)} [T18]"
        )
    else:
        lines.append(f"keep all {found.n}: no smaller k could be proved to fail at most {found.delta:.6g} of the time")
    lines.append(f"the rule for n → ∞ says {found.k_asymptotic}: k/n → {found.fraction.digits(6)} [T17]")
    lines.append(f"warning: {found.warning}")
    if own:
        least_eps, least_sigma, risk = own["smallest_eps"], own["smallest_sigma"], own["failure_upper"]
        sure = f"with probability ≥ {1 - found.delta:.6g}"
        lines += [
            "",
            f"k = {own['k']}: "
            + (f"P(τ > {found.eps:.6g}) ≤ {_up(risk)} [T18]" if risk < 1 else "nothing could be proved"),
            f"  drops, {sure}, at most "
            + ("a mass for which no bound could be proved" if least_eps is None else f"ε = {_up(least_eps)}"),
            f"  drops, {sure}, at most {found.eps:.6g} "
            + ("for no σ up to 40 that could be proved" if least_sigma is None else f"where σ ≥ {least_sigma:.6g}"),
        ]
    console = ResultConsole()
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _up(bound: float) -> str:
    """Four digits of a float in [0, 1], rounded up."""
    if bound <= 0:
        return "0"
    from certify.interval import Interval

    digits = Interval.point(bound, 64).digits(4)
    return digits.strip("[]").split(", ")[1]
