"""Edge cases by name: ties, masks, underflow, overflow, subnormal results, exact ties of rounding, extreme shifts."""

from __future__ import annotations

from collections.abc import Iterator
from math import ulp
from typing import Any

import numpy as np

from certify.reference_values.suite.case import Case, kept, row
from certify.scores import FLOAT_DTYPES

__all__ = ["edges"]

ROW_QUANTITIES = (
    "tail_mass",
    "total_variation",
    "kl",
    "chi_squared",
    "squared_hellinger",
    "pinsker",
    "bretagnolle_huber",
)

ROWS: dict[str, dict[str, Any]] = {
    "all-equal": row([0.0] * 6, [0, 1]),
    "half": row([2.5, 2.5], [1]),
    "duplicated-scores": row([1.5, 1.5, -2.0, -2.0, 1.5], [0, 3]),
    "not-the-top": row([0.0, 5.0, -1.0], [2]),
    "subnormal-scores": row([5e-324, 0.0, -5e-324, 2e-310, 1.0], [1, 3]),
    "a-last-bit-apart": row([1.0, 1.0 + ulp(1.0), 1.0], [0]),
    "spread-1e5": row([0.0, -1e5, -5e4, 3.0, 2.5], [3, 1]),
    "tail-far-above": row([0.0, -1e5, -5e4, 3.0], [1, 2]),
    "shift-1e6": row([1e6 + 1.5, 1e6 - 0.25, 1e6, 1e6 + 1.4], [0, 1]),
    "shift-minus-1e6": row([-1e6 + 1.5, -1e6 - 0.25, -1e6], [0]),
    "masked-on-both-sides": row([0.5, None, 1.0, None, 0.25], [0, 1]),
    "tail-wholly-masked": row([0.5, None, 1.0, None], [0, 2]),
    "one-key": row([-7.25], [0]),
    "all-kept": row([0.5, 0.25, 3.0], [0, 1, 2]),
    "far-beyond-underflow": row([0.0, 0.0, -1e30], [0, 1]),
    "the-largest-floats": row([1e308, -1e308, 1e308], [0, 2]),
    "tail-of-1e-20": row([0.0, -46.0, -47.0], [0]),
    "underflow-of-binary64": row([0.0, -745.5], [0]),
    "subnormal-in-binary64": row([0.0, -740.0], [0]),
    "subnormal-in-binary32": row([0.0, -100.0], [0]),
    "subnormal-in-binary16": row([0.0, -15.0], [0]),
    "kept-mass-of-1e-20": row([-46.0, 0.0], [0]),
    "odds-beyond-binary64": row([-800.0, 0.0], [0]),
    "odds-beyond-binary16": row([-12.0, 0.0], [0]),
}


def edges() -> Iterator[Case]:
    for name, inputs in ROWS.items():
        for quantity in ROW_QUANTITIES:
            yield Case(f"{name}/{quantity}", quantity, inputs)
    yield from _dtypes()
    yield from _exact_results()
    yield from _exact_ties()
    yield from _range_ends()
    yield from _scalars()
    yield from _dot_products()


def _dtypes() -> Iterator[Case]:
    """The same decimals in each dtype are different numbers, and so different results."""
    for name, dtype in FLOAT_DTYPES.items():
        inputs = row([0.1, -0.7, 1.3, 0.2], [0, 2])
        yield Case(f"dtype-{name}/tail_mass", "tail_mass", inputs | {"scores": inputs["scores"].astype(dtype)})


def _exact_results() -> Iterator[Case]:
    """Rational results, though every exponential in them is transcendental."""
    yield Case("third/tail_mass", "tail_mass", row([0.3, 0.3, 0.3], [0, 1]))
    yield Case("proportional/tail_mass", "tail_mass", row([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], [0, 1]))
    yield Case("equal-values/output_error", "output_error", row([0.3, 0.1, -2.0], [0], value=np.ones((3, 2))))
    yield Case("cancelling-values/output_error", "output_error",
               row([0.0, 1.0, 0.0, 1.0], [0, 1], value=np.array([[1.0], [2.0], [1.0], [2.0]])))  # fmt: skip
    yield Case("no-gap-needed/sufficient_gap", "sufficient_gap", {"eps": 0.5, "k": 4, "n": 8})
    yield Case("equal-log-sum-exps/lower", "tail_mass_from_log_sum_exp_lower", {"kept_lse": 2.5, "all_lse": 2.5})
    yield Case("pythagoras/best_partition", "best_partition", {"value": np.array([[0.0, 0.0], [3.0, 4.0]])})
    yield Case("zero-radius/perturbation_total_variation", "perturbation_total_variation", {"radius": 0.0})


def _half_difference(a: float, b: float) -> dict[str, Any]:
    """Two keys of equal score, one kept, values a and b: the output error is |a − b|/2 exactly."""
    return row([0.0, 0.0], [0], value=np.array([[a], [b]]))


def _exact_ties() -> Iterator[Case]:
    """Results exactly in the middle between two floats: to the even one."""
    for bits, name in ((53, "binary64"), (24, "binary32"), (11, "binary16"), (8, "bfloat16")):
        for end, side in ((1, "down"), (3, "up")):
            # (2^bits + end)/2 needs one bit more than the format has
            yield Case(f"tie-{name}-{side}/output_error", "output_error", _half_difference(-end, 2.0**bits))
    for bits in (53, 24, 11, 8):
        n = 1 << (bits + 1)
        inputs = {"gap": 0.0, "k": n // 4 + 1, "n": n}
        yield Case(f"tie-of-{bits}-bits/gap_bound", "gap_bound", inputs)
    least = 5e-324
    for multiple, name in ((1, "to-zero"), (3, "up"), (5, "down")):
        yield Case(f"subnormal-tie-{name}/output_error", "output_error", _half_difference(0.0, multiple * least))
    yield Case("subnormal-tie-binary32/output_error", "output_error", _half_difference(0.0, 2.0**-149))
    yield Case("subnormal-tie-binary16/output_error", "output_error", _half_difference(0.0, 2.0**-24))
    yield Case("subnormal-tie-bfloat16/output_error", "output_error", _half_difference(0.0, 2.0**-133))


def _range_ends() -> Iterator[Case]:
    """The distance |a − b| of two values, at the ends of each format's range."""

    def distance(name: str, a: float, b: float) -> Case:
        return Case(f"{name}/best_partition", "best_partition", {"value": np.array([[a], [b]])})

    for name, precision, beyond in (
        ("binary64", 53, 1024),
        ("binary32", 24, 128),
        ("binary16", 11, 16),
        ("bfloat16", 8, 128),
    ):
        largest = 2.0 ** (beyond - 1) * (2.0 - 2.0 ** (1 - precision))
        half_unit = 2.0 ** (beyond - precision - 1)
        yield distance(f"largest-{name}", largest, 0.0)
        yield distance(f"overflow-tie-{name}", largest, -half_unit)  # to infinity: the even neighbour
        yield distance(f"just-below-overflow-{name}", largest, -half_unit * (1 - 2.0**-20))
        yield distance(f"overflow-{name}", largest, -largest)
    yield distance("smallest-subnormal", 5e-324, 0.0)
    yield distance("sum-of-ends", 1e308, 5e-324)


def _scalars() -> Iterator[Case]:
    for name, gap, k, n in (
        ("k-is-n", 1.0, 5, 5),
        ("no-gap", 0.0, 1, 3),
        ("huge-gap", 1e4, 3, 1000),
        ("tiny-gap", 5e-324, 1, 2),
        ("long-context", 20.0, 64, 1 << 20),
    ):
        yield Case(f"{name}/gap_bound", "gap_bound", {"gap": gap, "k": k, "n": n})
    for name, eps in (("tiny-eps", 1e-300), ("eps-near-one", 1 - 2.0**-53), ("one-percent", 0.01)):
        yield Case(f"{name}/sufficient_gap", "sufficient_gap", {"eps": eps, "k": 16, "n": 4096})
    for name, radius in (("subnormal", 5e-324), ("tiny", 1e-10), ("one", 1.0), ("large", 50.0)):
        yield Case(f"{name}-radius/perturbation_total_variation", "perturbation_total_variation", {"radius": radius})
    for name, kept_lse, all_lse, error in (
        ("certain", 1.0, 1.5, 0.0),
        ("cancelling", 1.0, 1.0 + ulp(1.0), 0.0),
        ("with-error", 3.0, 3.25, 1e-6),
        ("error-beyond", 3.0, 3.0, 0.5),
    ):
        for side in ("lower", "upper"):
            inputs = {"kept_lse": kept_lse, "all_lse": all_lse, "error": error}
            yield Case(f"{name}/from_log_sum_exp_{side}", f"tail_mass_from_log_sum_exp_{side}", inputs)
    for name, sigma, eps in (
        ("usual", 2.0, 0.01),
        ("wide", 8.0, 1e-6),
        ("narrow", 0.01, 0.5),
        ("tiny-eps", 1.0, 1e-300),
    ):
        yield Case(f"{name}/gaussian_fraction", "gaussian_fraction", {"sigma": sigma, "eps": eps})
    for name, kappa, sigma in (("usual", 0.25, 2.0), ("all", 1.0, 2.0), ("few", 1e-9, 1.0), ("wide", 0.5, 30.0)):
        yield Case(f"{name}/gaussian_tail_mass", "gaussian_tail_mass", {"kappa": kappa, "sigma": sigma})
    vector, key = np.array([1.0, -2.5, 3e-5, 1e10]), np.array([[0.5, 0.25, -7.0, 1e-9]])
    for accumulator in FLOAT_DTYPES:
        dot = {"query": vector, "key": key, "accumulator": accumulator}
        yield Case(f"{accumulator}/dot_product_radius", "dot_product_radius", dot)
    yield Case(
        "one-over-root-3/score_radius",
        "score_radius",
        {"query": np.array([1.0, 2.0, 3.0]), "key": np.array([[0.5, -1.0, 4.0]])},
    )
    quarter: dict[str, Any] = {"query": vector, "key": key, "scale": 0.25, "accumulator": "float32"}
    yield Case("quarter/score_radius", "score_radius", quarter | {"stored": "bfloat16"})


def _dot_products() -> Iterator[Case]:
    """Scores that are the real numbers q·k·scale: no float holds them, and the order of keys may hang on that."""
    key = np.array([[2.0, -1.0, 0.5], [0.25, 1.0, 1.0], [1.0, 0.0, -3.0], [2.0, -1.0, 0.5]])
    plain: dict[str, Any] = {"query": np.array([1.5, -2.0, 0.5]), "key": key, "kept": kept(4, [0, 2])}
    ways: dict[str, dict[str, Any]] = {
        "one-over-root-3": {},
        "scaled": {"scale": 0.125},
        "biased-and-masked": {"bias": np.array([0.5, 0.0, -np.inf, 1.0]), "mask": np.array([True, True, True, False])},
        "soft-capped": {"scale": 1.0, "softcap": 2.5},
    }
    for name, more in ways.items():
        for quantity in ("tail_mass", "kl", "output_error"):
            value = {"value": key - 1.0} if quantity == "output_error" else {}
            yield Case(f"{name}/{quantity}", quantity, plain | more | value)
    # 1 + 2^-60 and 1 are dot products of floats, and the rounded ones are equal.
    near = np.array([[1.0, 2.0**-60], [1.0, 0.0]])
    inputs = {"query": np.ones(2), "key": near, "kept": kept(2, [0]), "scale": 1.0}
    yield Case("equal-when-rounded/tail_mass", "tail_mass", inputs)
