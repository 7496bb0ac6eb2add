"""Inputs on which a well-known mistake shows, with the wrong answer and its name (the last section of the theory).

A trap is a range of answers that the mistake leads to and the truth lies outside of: the wrong number, computed with
this package's own enclosures, give or take 2^−9 of it, so that the mistake is seen in any of the four formats. A lower
or an upper bound that is true is never in a trap, nor is a correctly rounded value; the grading sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, inf, nan

import numpy as np

from certify import elementary, enclosures
from certify.interval import Interval
from certify.reference_values.families import generated
from certify.reference_values.record import Trap
from certify.reference_values.suite.case import Case, row

__all__ = ["traps"]

BITS = 192
_SLACK = 2.0**-9
ANY = ("value", "lower", "upper")
TOO_LOW = ("value", "upper")  # a lower bound that low is true
TOO_HIGH = ("value", "lower")


def near(name: str, wrong: Interval | float, answer: tuple[str, ...] = ANY) -> Trap:
    centre = wrong if isinstance(wrong, float) else float(wrong.lower)
    reach = abs(centre) * _SLACK
    return Trap(name, answer, centre - reach, centre + reach)


def zero(name: str) -> Trap:
    return Trap(name, TOO_LOW, 0.0, 0.0)


def traps() -> Iterator[Case]:
    yield from _of_the_tail()
    yield from _of_bounds()
    yield from _of_floats()
    yield from _of_padding()
    yield from _of_queries()
    yield from _of_budgets()


def _of_the_tail() -> Iterator[Case]:
    base_2 = Interval.point(Fraction(-1, 2), BITS) * elementary.log(Interval.point(2, BITS))
    yield Case(
        "log-sum-exp-in-base-2",
        "tail_mass_from_log_sum_exp_upper",
        {"kept_lse": 1.0, "all_lse": 1.5},
        (near("log-sum-exp in base 2", 1 - elementary.exp(base_2), TOO_LOW),),
    )
    inputs = row([0.5, -0.25, 1.0, 0.0, -1.5], [2, 0])
    tau, kl = (f(inputs["scores"], inputs["kept"], BITS) for f in (enclosures.tail_mass, enclosures.kl))
    directions = "KL in the wrong direction"
    yield Case(
        "kl-in-the-wrong-direction",
        "kl",
        inputs,
        (Trap(directions, TOO_HIGH, inf, inf), near(directions, -(1 - tau) * kl, TOO_LOW)),
    )
    bits = near("KL in bits, not nats", kl / elementary.log(Interval.point(2, BITS)), TOO_HIGH)
    yield Case("kl-in-bits", "kl", inputs, (bits,))


def _of_bounds() -> Iterator[Case]:
    inputs = row([2.0, 0.0, 0.1, 0.2, 0.3], [0], blocks=np.array([0, 1, 1, 1, 1]))
    once = elementary.exp(Interval.point(0.3, BITS)) / elementary.exp(Interval.point(2, BITS))
    yield Case(
        "missing-block-multiplicity",
        "block_bound_upper",
        inputs,
        (near("missing block multiplicity", once / (1 + once), TOO_LOW),),
    )
    inputs = row([2.0, 0.0, 3.0, -1.0, 1.0], [0], blocks=np.array([0, 1, 1, 1, 1]))
    found = enclosures.block_moment_bound(inputs["scores"], inputs["kept"], inputs["blocks"], bits=BITS)
    yield Case(
        "block-mean-used-as-upper-bound",
        "block_mean_bound_upper",
        inputs,
        (near("block mean used as upper bound", found.lower, TOO_LOW),),
    )
    wrong = enclosures.gap_bound(4.5, k=1, n=4, bits=BITS)
    yield Case(
        "gap-bound-on-a-set-that-is-not-the-top-k",
        "tail_mass",
        row([0.0, 5.0, 0.5, -1.0], [0]),
        (near("gap bound on a set that is not the top-k", wrong, TOO_LOW),),
    )
    inputs = row([1.0, 0.0, 0.5], [0], value=np.array([[0.0, 0.0], [1.0, 0.0], [1.25, 0.0]]))
    wrong = enclosures.tail_mass(inputs["scores"], inputs["kept"], BITS) * Fraction(1, 4)
    yield Case("diameter-over-the-tail-only", "diameter_bound", inputs, (near("diameter over T only", wrong, TOO_LOW),))


def _of_floats() -> Iterator[Case]:
    cancelled = "1 − Σ_H p (cancellation)"
    yield Case(
        "one-minus-the-kept-mass",
        "tail_mass",
        row([0.0, -46.0, -47.0], [0]),
        (
            Trap(cancelled, TOO_LOW, -(2.0**-50), 0.0),
            Trap(cancelled, TOO_HIGH, 2.0**-54, 2.0**-50),
            Trap(f"{cancelled} in binary32", TOO_LOW, -(2.0**-20), -(2.0**-50)),
            Trap(f"{cancelled} in binary32", TOO_HIGH, 2.0**-25, 2.0**-20),
        ),
    )
    yield Case(
        "a-float32-softmax-that-does-not-sum-to-1",
        "tail_mass",
        row([0.0] * 93, range(31)),
        # 1/93 in binary32 is below 1/93 by more than a third of its last place
        (
            Trap(
                "Σ_T p from a float32 softmax that does not sum to 1",
                ("upper",),
                2 / 3 * (1 - 2.0**-20),
                2 / 3 * (1 - 2.0**-26),
            ),
        ),
    )
    yield Case(
        "exp-underflow-counted-as-zero",
        "tail_mass",
        row([0.0, -800.0], [0]),
        (zero("exp underflow counted as zero in an upper bound"),),
    )
    yield Case("flush-to-zero", "tail_mass", row([0.0, -713.8], [0]), (zero("flush-to-zero hardware mode"),))
    yield Case(
        "nan-compares-false-and-passes",
        "tail_mass",
        row([-800.0, -801.0], [0]),
        (Trap("NaN compares false and “passes”", ANY, nan, nan),),
    )


def _of_padding() -> Iterator[Case]:
    yield Case(
        "maximum-over-a-padded-row",
        "tail_mass",
        row([-800.0, -801.0, -800.5, None], [0]),
        (zero("max over a padded row"), Trap("max over a padded row", ANY, nan, nan)),
    )
    yield Case(
        "n-from-the-padded-length",
        "tail_mass",
        row([0.0] * 4 + [None] * 4, [0, 1]),
        (near("n taken from the padded length", 0.75, TOO_HIGH),),
    )


def _of_queries() -> Iterator[Case]:
    query, key = (
        np.array([1.5, -2.0, 0.5, 1.0]),
        np.array([[2.0, -1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.5], [1.0, 0.0, 1.0, 0.0]]),
    )
    kept = np.array([True, False, False])
    unscaled = enclosures.tail_mass(key @ query, kept, BITS)
    yield Case(
        "missing-scale",
        "tail_mass",
        {"query": query, "key": key, "kept": kept},
        (near("missing scale", unscaled, TOO_LOW),),
    )
    heads = [np.array([4.0, 0.0]), np.array([0.0, 1.0])]
    key = np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.25]])
    taus = [enclosures.tail_mass(key @ head, kept, BITS) for head in heads]
    pooled = (taus[0] + taus[1]) / 2
    for place, answer in enumerate((TOO_HIGH, TOO_LOW)):
        yield Case(
            f"heads-pooled-under-grouped-queries-{place}",
            "tail_mass",
            {"query": heads[place], "key": key, "scale": 1.0, "kept": kept},
            (near("heads pooled under grouped queries", pooled, answer),),
        )


def _of_budgets() -> Iterator[Case]:
    scores = np.array([0.0, -0.25, -0.5, -0.75, -1.0, -1.25, -1.5, -1.75, -2.0, -2.25, -2.5])
    yield Case(
        "budget-rounded-down",
        "smallest_k",
        {"scores": scores, "eps": 0.2},
        (Trap("budget rounded down", TOO_LOW, 5.0, 5.0),),
    )
    # ε is the float below τ of the top two keys, so that a τ rounded down meets it: two keys seem enough.
    scores = np.array([0.0, -1.0, -2.0, -4.0])
    tau = enclosures.tail_mass(scores, np.arange(4) < 2, BITS)
    eps = float(tau.lower)
    while not Interval.point(eps, BITS) < tau:
        eps = np.nextafter(eps, 0.0)
    yield Case(
        "eps-compared-with-a-tau-that-was-rounded-down",
        "smallest_k",
        {"scores": scores, "eps": float(eps)},
        (Trap("ε compared with a float τ that was rounded down", TOO_LOW, 2.0, 2.0),),
    )
    # 64 scores of standard deviation 2: the rule is a limit of large n, and this draw needs more keys than it says.
    scores = generated(("scores",), "normal", 2, n=64)["scores"]
    rule = float(ceil((enclosures.gaussian_fraction(2.0, 0.0625, BITS) * 64).upper))
    yield Case(
        "design-rule-used-as-a-guarantee",
        "smallest_k",
        {"scores": scores, "eps": 0.0625},
        (Trap("design rule used as a guarantee", TOO_LOW, rule, rule),),
    )
