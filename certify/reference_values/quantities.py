"""The table of quantities: for each its name, theorem, inputs, enclosure and exact comparison. Adding one is one entry.

An enclosure comes from `certify.enclosures`: it holds the real number for any number of bits. A comparison answers on
which side of a rational c the number lies, exactly; a quantity without one cannot decide a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from certify import enclosures
from certify.errors import BadInput
from certify.interval import Interval
from certify.reference_values import comparisons, exact_signs
from certify.reference_values.exact_signs import Comparison, side
from certify.reference_values.inputs import Inputs
from certify.reference_values.parameters import nearest_names
from certify.reference_values.rounding import Real

__all__ = ["QUANTITIES", "Quantity", "find", "real"]

Enclose = Callable[[Inputs, int], Interval]
Compare = Callable[[Inputs, Fraction], Comparison]

ROW = ("scores", "kept")
VALUES = ("scores", "kept", "value")
BLOCKS = ("scores", "kept", "blocks")


@dataclass(frozen=True, slots=True)
class Quantity:
    """`enclose(inputs, bits)` holds the number; `compare(inputs, c)` tells its side of a rational c."""

    name: str
    theorem: str
    meaning: str
    needs: tuple[str, ...]
    enclose: Enclose
    compare: Compare | None = None
    optional: tuple[str, ...] = ()


def find(name: str) -> Quantity:
    """The quantity of that name. Raises BadInput that suggests the nearest."""
    if name not in QUANTITIES:
        raise BadInput(f"there is no quantity {name!r}; {nearest_names(name, QUANTITIES)}")
    return QUANTITIES[name]


def real(quantity: Quantity, inputs: Inputs, max_bits: int) -> Real:
    """The quantity on these inputs, as a number that can be rounded."""

    def against(c: Fraction) -> int | None:
        return None if quantity.compare is None else side(quantity.compare(inputs, c), max_bits)

    return Real(quantity.name, lambda bits: quantity.enclose(inputs, bits), against, max_bits)


def _of_row(enclose: Callable[..., Interval], compare: Callable[..., Comparison]) -> tuple[Enclose, Compare]:
    return lambda i, bits: enclose(i.row, i.kept, bits), lambda i, c: compare(i.row, i.kept, c)


def _of_values(enclose: Callable[..., Interval]) -> Enclose:
    return lambda i, bits: enclose(i.row_with_values, i.kept, bits=bits)


def _of_top(enclose: Callable[..., Any]) -> Callable[[Inputs, Any], Any]:
    return lambda i, last: enclose(i.row, i.row.top(i.checked_k()), last)


def _blocks(part: str, **options: Any) -> Enclose:
    bound = enclosures.block_moment_bound if options else enclosures.block_bound
    return lambda i, bits: getattr(bound(i.row, i.kept, i["blocks"], bits=bits, **options), part)


def _log_sum_exp(*, upper: bool) -> Enclose:
    def enclose(i: Inputs, bits: int) -> Interval:
        enclosures.tail_mass_from_log_sum_exp(i["kept_lse"], i["all_lse"], i.get("error", 0.0), bits)  # checks them
        return enclosures.tail_mass_from_log_sum_exp(comparisons.worst_difference(i, upper=upper), 0, 0, bits)

    return enclose


def _perturbed(function: Callable[..., Any], *, upper: bool) -> Callable[[Inputs, Any], Any]:
    return lambda i, last: function(exact_signs.perturbed_row(i.row, i.kept, i.radii(), up=upper), i.kept, last)


def _dot_product_radius(i: Inputs, bits: int) -> Interval:
    name = i.get("accumulator", "float32")
    return enclosures.dot_product_radius(i["query"], i.one_key(), accumulator=name, bits=bits)[0]


def _score_radius(i: Inputs, bits: int) -> Interval:
    formats = {name: i.get(name, "float32") for name in ("accumulator", "stored")}
    return enclosures.score_radius(i["query"], i.one_key(), scale=i.get("scale"), bits=bits, **formats)[0]


_TABLE = (
    Quantity(
        "tail_mass",
        "T1",
        "τ, the softmax mass of the keys not kept",
        ROW,
        *_of_row(enclosures.tail_mass, exact_signs.tail_mass),
    ),
    Quantity(
        "total_variation",
        "T1",
        "TV(P, P̂) = ½Σ|p − p̂|",
        ROW,
        # It is τ by T1; summed from its definition it cancels as τ → 0.
        *_of_row(enclosures.tail_mass, exact_signs.tail_mass),
    ),
    Quantity("kl", "T2", "KL(P̂‖P), nats", ROW, *_of_row(enclosures.kl, exact_signs.kl)),
    Quantity(
        "renyi", "T3", "Rényi divergence of any order α > 0, nats", ROW, *_of_row(enclosures.renyi, exact_signs.kl)
    ),
    Quantity(
        "chi_squared",
        "T3",
        "χ²(P̂‖P) = τ/(1−τ)",
        ROW,
        *_of_row(enclosures.chi_squared, exact_signs.chi_squared),
    ),
    Quantity(
        "squared_hellinger",
        "T3",
        "H² = 1 − √(1−τ)",
        ROW,
        *_of_row(enclosures.squared_hellinger, exact_signs.hellinger),
    ),
    Quantity(
        "pinsker",
        "T3",
        "√(KL/2), Pinsker's bound on τ",
        ROW,
        *_of_row(lambda *a: enclosures.pinsker(enclosures.kl(*a)), exact_signs.pinsker),
    ),
    Quantity(
        "bretagnolle_huber",
        "T3",
        "√(1 − e^{−KL}), a bound on τ",
        ROW,
        # It is √τ by T2, and that does not cancel.
        *_of_row(lambda *a: enclosures.tail_mass(*a).sqrt(), exact_signs.bretagnolle_huber),
    ),
    Quantity(
        "optimal_tail_mass",
        "T4",
        "the least τ of any k keys, that of the true top-k",
        ("scores", "k"),
        _of_top(enclosures.tail_mass),
        _of_top(exact_signs.tail_mass),
    ),
    Quantity(
        "tail_mass_from_log_sum_exp_lower",
        "T5",
        "the least τ that two log-sum-exps allow",
        ("kept_lse", "all_lse"),
        _log_sum_exp(upper=False),
        comparisons.log_sum_exp(upper=False),
        ("error",),
    ),
    Quantity(
        "tail_mass_from_log_sum_exp_upper",
        "T5",
        "the largest τ that two log-sum-exps allow",
        ("kept_lse", "all_lse"),
        _log_sum_exp(upper=True),
        comparisons.log_sum_exp(upper=True),
        ("error",),
    ),
    Quantity(
        "gap",
        "T6",
        "Δ = s_(k) − s_(k+1) of a kept true top-k, nats",
        ROW,
        lambda i, bits: enclosures.gap_of(i.row, i.kept, bits),
        comparisons.gap,
    ),
    Quantity(
        "gap_bound",
        "T6",
        "the single-gap bound on τ",
        ("gap", "k", "n"),
        lambda i, bits: enclosures.gap_bound(i["gap"], k=i["k"], n=i["n"], bits=bits),
        comparisons.gap_bound,
    ),
    Quantity(
        "sufficient_gap",
        "T6",
        "the gap whose bound is ε, nats",
        ("eps", "k", "n"),
        lambda i, bits: enclosures.sufficient_gap(i["eps"], k=i["k"], n=i["n"], bits=bits),
        comparisons.sufficient_gap,
    ),
    Quantity(
        "multi_gap_bound",
        "T7",
        "the bound on τ from the largest scores",
        ("top_scores", "k", "n"),
        lambda i, bits: enclosures.multi_gap_bound(
            i.wide("top_scores").tolist(), k=i["k"], n=i["n"], unseen_upper=i.get("unseen_upper"), bits=bits
        ),
        comparisons.multi_gap_bound,
        ("unseen_upper",),
    ),
    Quantity(
        "block_bound_lower",
        "T8",
        "the blockwise lower bound on τ",
        BLOCKS,
        _blocks("lower"),
        comparisons.blockwise("extremes", upper=False),
    ),
    Quantity(
        "block_bound_upper",
        "T8",
        "the blockwise upper bound on τ",
        BLOCKS,
        _blocks("upper"),
        comparisons.blockwise("extremes", upper=True),
    ),
    Quantity(
        "block_mean_bound_lower",
        "T9",
        "Jensen's lower bound on τ from block means",
        BLOCKS,
        _blocks("lower", variance=False),
        comparisons.blockwise("mean", upper=False),
    ),
    Quantity(
        "block_mean_bound_upper",
        "T9",
        "the chord's upper bound on τ from block means",
        BLOCKS,
        _blocks("upper", variance=False),
        comparisons.blockwise("mean", upper=True),
    ),
    Quantity(
        "block_variance_bound_upper",
        "T9",
        "Bennett's upper bound on τ from block means and variances",
        BLOCKS,
        _blocks("upper", variance=True),
        comparisons.blockwise("variance", upper=True),
    ),
    Quantity("output_error", "T10", "‖o − ô‖₂", VALUES, _of_values(enclosures.output_error), comparisons.output_error),
    Quantity(
        "norm_bound",
        "T11",
        "2τ·max‖v‖, a bound on ‖o − ô‖",
        VALUES,
        _of_values(enclosures.norm_bound),
        comparisons.norm_bound,
    ),
    Quantity(
        "recentred_norm_bound",
        "T11",
        "τ(max_H‖v − c‖ + max_T‖v − c‖), a bound on ‖o − ô‖",
        (*VALUES, "centre"),
        lambda i, bits: enclosures.norm_bound(i.row_with_values, i.kept, centre=i["centre"], bits=bits),
        comparisons.recentred_norm_bound,
    ),
    Quantity(
        "diameter_bound",
        "T12",
        "τ·max‖v_i − v_j‖ over i kept, j not; a bound on ‖o − ô‖",
        VALUES,
        _of_values(enclosures.diameter_bound),
        comparisons.diameter_bound,
    ),
    Quantity(
        "variance_bound",
        "T13",
        "√(τ/(1−τ)·Var_P(V)), a bound on ‖o − ô‖",
        VALUES,
        _of_values(enclosures.variance_bound),
        comparisons.variance_bound,
    ),
    Quantity(
        "best_output_bound",
        "T14",
        "the least of T11, T12 and T13",
        VALUES,
        _of_values(enclosures.best_output_bound),
        comparisons.best_output_bound,
    ),
    Quantity(
        "best_partition",
        "T15",
        "the least diameter between two sides of the values",
        ("value",),
        lambda i, bits: enclosures.best_partition(i["value"], bits).diameter,
        comparisons.best_partition,
    ),
    # No exact test is known for Φ: a tie ends in UndecidedRounding.
    Quantity(
        "gaussian_tail_mass",
        "T16",
        "Φ(Φ_c⁻¹(κ) − σ), the limit of τ for a kept share κ",
        ("kappa", "sigma"),
        lambda i, bits: enclosures.gaussian_tail_mass(i["kappa"], i["sigma"], bits),
    ),
    Quantity(
        "gaussian_fraction",
        "T17",
        "Φ_c(σ + Φ⁻¹(ε)), the limit of k_ε/n; half of all rows or more miss ε with it",
        ("sigma", "eps"),
        lambda i, bits: enclosures.gaussian_fraction(i["sigma"], i["eps"], bits),
    ),
    Quantity(
        "smallest_k",
        "T21",
        "the least k whose true top-k leaves τ ≤ ε",
        ("scores", "eps"),
        lambda i, bits: Interval.point(comparisons.smallest_k(i), bits),
        lambda i, c: exact_signs.rational(Fraction(comparisons.smallest_k(i)), c),
    ),
    Quantity(
        "perturbed_tail_mass_lower",
        "T22",
        "the least τ of scores within the radius",
        (*ROW, "radius"),
        _perturbed(enclosures.tail_mass, upper=False),
        _perturbed(exact_signs.tail_mass, upper=False),
    ),
    Quantity(
        "perturbed_tail_mass_upper",
        "T22",
        "the largest τ of scores within the radius",
        (*ROW, "radius"),
        _perturbed(enclosures.tail_mass, upper=True),
        _perturbed(exact_signs.tail_mass, upper=True),
    ),
    Quantity(
        "perturbation_total_variation",
        "T22",
        "tanh(δ/2), the most that attention moves",
        ("radius",),
        lambda i, bits: enclosures.perturbation_total_variation(i["radius"], bits),
        comparisons.perturbation_total_variation,
    ),
    Quantity(
        "dot_product_radius",
        "T22",
        "γ_d Σ|q_l k_l| + 2dη, the error of a float dot product",
        ("query", "key"),
        _dot_product_radius,
        comparisons.point(_dot_product_radius),
        ("accumulator",),
    ),
    Quantity(
        "score_radius",
        "T22",
        "the error of a stored score q·k·scale, nats",
        ("query", "key"),
        _score_radius,
        comparisons.point(_score_radius),
        ("scale", "accumulator", "stored"),
    ),
)

QUANTITIES: Mapping[str, Quantity] = {quantity.name: quantity for quantity in _TABLE}
