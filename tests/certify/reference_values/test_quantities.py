"""The table: Arb confirms every quantity on drawn rows; the exact comparisons agree with the enclosures; bad input."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import certify
from certify.errors import BadInput, BadKept, BadScores, BadValues, CertifyError
from certify.reference_values import QUANTITIES, exact_signs
from certify.reference_values.families import FAMILIES, generated
from certify.reference_values.files import case
from certify.reference_values.inputs import Inputs
from certify.reference_values.quantities import real
from certify.reference_values.record import evaluated
from certify.reference_values.suite.draws import _SCALARS
from tests.certify.reference_values.arb_oracle import disagreements

INF = np.inf
DTYPES = ("float64", "float32", "float16", "bfloat16")


def drawn(name: str, family: str, seed: int) -> Inputs:
    """A row of 4 to 11 keys by seed; a gap needs the true top-k, which even seeds keep, and no masked key."""
    quantity = QUANTITIES[name]
    shape = {"n": 4 + seed % 8, "k": 1 + seed % 3, "width": 1 + seed % 3}
    if name in ("gap", "multi_gap_bound") and family == "masked":
        family = "uniform"
    seed *= 2 if name == "gap" else 1
    inputs = generated(quantity.needs + quantity.optional, family, seed, dtype=DTYPES[seed % 4], **shape)
    scalars = {name: value * (1 + seed % 5) / 4 for name, value in _SCALARS.items() if name in quantity.needs}
    if "kept_lse" in scalars:
        scalars["all_lse"] = scalars["kept_lse"] + 0.125 * (seed % 4)
    return Inputs.of(name, inputs | scalars, quantity.needs, quantity.optional)


@pytest.mark.parametrize("name", QUANTITIES)
def test_arb_confirms_drawn_values(name: str) -> None:
    for family in FAMILIES:
        for seed in range(6, 36):
            value = evaluated(QUANTITIES[name], drawn(name, family, seed), 25)
            assert not disagreements(case(value)), (family, seed)


@pytest.mark.parametrize("name", [name for name, quantity in QUANTITIES.items() if quantity.compare])
def test_the_exact_comparison_agrees_with_the_enclosure(name: str) -> None:
    """Just below, just above, far below and far above: strictly, unless the number is that rational."""
    told = 0
    for place, family in enumerate(FAMILIES):
        number = real(QUANTITIES[name], drawn(name, family, place), 4096)
        enclosure = number.enclose(160)
        low, high = (
            Fraction(int(end.man) * (-1 if end < 0 else 1)) * Fraction(2) ** int(end.exp)
            for end in (enclosure.lower, enclosure.upper)
        )
        if low == high:
            low, high = low - Fraction(1, 2**160), high + Fraction(1, 2**160)
        for c, expected in ((low - 1, 1), (low - (high - low), 1), (high + (high - low), -1), (high + 1, -1)):
            found = number.against(c)
            assert found in (expected, None), (name, family, c)
            told += found is not None
    assert told > 4


@pytest.mark.parametrize(
    ("name", "inputs", "exact"),
    [
        ("tail_mass", {"scores": [1.0, 1.0, 1.0]}, Fraction(2, 3)),
        ("total_variation", {"scores": [1.0, 1.0, 1.0]}, Fraction(2, 3)),
        ("kl", {"scores": [0.0, -INF]}, Fraction(0)),
        ("chi_squared", {"scores": [0.5] * 8}, Fraction(7)),
        ("squared_hellinger", {"scores": [0.5] * 4}, Fraction(1, 2)),
        ("pinsker", {"scores": [0.5, -INF]}, Fraction(0)),
        ("bretagnolle_huber", {"scores": [0.5] * 4 + [-INF]}, None),
        ("output_error", {"scores": [0.0, 0.0], "value": [[3.0, 0.0], [0.0, 4.0]]}, Fraction(5, 2)),
        ("norm_bound", {"scores": [0.0, 0.0], "value": [[3.0, 4.0], [0.0, 4.0]]}, Fraction(5)),
        ("diameter_bound", {"scores": [0.0, 0.0], "value": [[3.0, 0.0], [0.0, 4.0]]}, Fraction(5, 2)),
        ("variance_bound", {"scores": [0.0, 0.0], "value": [[3.0, 0.0], [0.0, 4.0]]}, Fraction(5, 2)),
        ("best_output_bound", {"scores": [0.0, 0.0], "value": [[3.0, 0.0], [0.0, 4.0]]}, Fraction(5, 2)),
    ],
)
def test_exact_rationals(name: str, inputs: dict[str, Any], exact: Fraction | None) -> None:
    given = {key: np.array(value) for key, value in inputs.items()}
    given["kept"] = np.arange(len(given["scores"])) < 1
    assert certify.reference(name, **given).exact == exact


def test_more_exact_rationals() -> None:
    """Shares of proportional sums; sums of two rational roots; what needs an optional input."""
    kept = np.array([True, True, False, False])
    assert certify.reference("tail_mass", scores=np.array([0.0, 1.0, 0.0, 1.0]), kept=kept).exact == Fraction(1, 2)
    shifted = {"scores": np.zeros(2), "kept": np.array([True, False]), "value": np.array([[3.0, 4.0], [6.0, 8.0]])}
    assert certify.reference("recentred_norm_bound", **shifted, centre=np.zeros(2)).exact == Fraction(15, 2)
    assert certify.reference("recentred_norm_bound", **shifted, centre=np.ones(2)).exact is None
    blocks = {"scores": np.array([0.0, 0.0, 0.0]), "kept": np.arange(3) < 1, "blocks": np.zeros(3, dtype=int)}
    for name in QUANTITIES:
        if name.startswith("block"):
            assert certify.reference(name, **blocks).exact == Fraction(2, 3)
    assert certify.reference("gap_bound", gap=0.0, k=3, n=10).exact == Fraction(7, 10)
    assert certify.reference("sufficient_gap", eps=0.5, k=2, n=4).exact == 0
    assert certify.reference("multi_gap_bound", top_scores=np.ones(3), k=2, n=9).exact == Fraction(7, 9)
    lse = {"kept_lse": 2.0, "all_lse": 2.0}
    assert certify.reference("tail_mass_from_log_sum_exp_upper", **lse).exact == 0
    assert certify.reference("tail_mass_from_log_sum_exp_lower", **lse, error=0.5).exact == 0
    assert certify.reference("perturbation_total_variation", radius=0.0).exact == 0
    row = {"scores": np.array([0.5, -0.5]), "kept": np.array([True, False]), "radius": 0.5}
    assert certify.reference("perturbed_tail_mass_upper", **row).exact == Fraction(1, 2)
    assert certify.reference("dot_product_radius", query=np.zeros(3), key=np.ones((1, 3))).exact == 6 * Fraction(
        1, 2**149
    )
    assert certify.reference("gaussian_tail_mass", kappa=1.0, sigma=2.0).exact == 0


def test_rows_from_dot_products() -> None:
    """The same real scores, given as such and as dot products; 1/√d, bias, mask and soft-cap are read."""
    query, key = np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [4.0, 4.0]])
    kept, mask = np.array([True, False, False, False]), np.array([True, True, True, False])
    bias = np.array([0.0, 0.25, -INF, 0.0])
    plain = certify.reference("kl", scores=np.array([0.5, 1.25, -INF, -INF]), kept=kept)
    dots = certify.reference("kl", query=query, key=key, scale=0.5, mask=mask, bias=bias, kept=kept)
    assert dots.enclosure == plain.enclosure
    assert not disagreements(case(dots))
    for more in ({}, {"scale": 0.125, "softcap": 3.0}, {"bias": bias}):
        assert not disagreements(
            case(certify.reference("tail_mass", query=query, key=key, kept=kept, **more, digits=30))
        )


def test_a_tie_of_soft_capped_scores_has_no_exact_test() -> None:
    """Their exponentials are no algebraic matter; equal scores are still equal."""
    query, key, kept = np.array([1.0]), np.array([[1.0], [1.0], [1.0]]), np.arange(3) < 1
    found = certify.reference("tail_mass", query=query, key=key, scale=1.0, softcap=5.0, kept=kept)
    assert found.exact == Fraction(2, 3)
    values = Inputs({"query": query, "key": key, "scale": 1.0, "softcap": 5.0, "kept": kept, "value": np.ones((3, 1))})
    assert exact_signs.output_error(values.row, kept, np.array([[1.0], [2.0], [3.0]]), Fraction(1)) is None


R = {"scores": np.array([0.0, 1.0]), "kept": np.array([True, False])}
V = R | {"value": np.ones((2, 2))}
DOT = {"query": np.ones(2), "key": np.ones((1, 2))}
DOTS = {"query": np.ones(2), "key": np.ones((2, 2)), "kept": R["kept"]}


@pytest.mark.parametrize(
    ("name", "inputs", "error", "message"),
    [
        ("tail_mas", R, BadInput, "there is no quantity 'tail_mas'; did you mean tail_mass"),
        ("hellinger", R, BadInput, "did you mean squared_hellinger"),
        ("xyzzy", R, BadInput, "there is tail_mass, total_variation"),
        ("kl", {"scores": R["scores"]}, BadInput, "kl needs scores, kept; give kept too"),
        ("gap_bound", {"gap": 1.0}, BadInput, "gap_bound needs gap, k, n; give k and n too"),
        ("kl", R | {"eps": 0.5}, BadInput, "kl takes no 'eps'; it takes scores, kept"),
        ("kl", R | {"scores": np.array([np.nan, 1.0])}, BadScores, "scores [0] is nan"),
        ("kl", R | {"scores": np.array([0.0, INF])}, BadScores, "scores [1] is inf"),
        ("kl", R | {"scores": np.array([1, 2])}, BadScores, "scores have dtype int64"),
        ("kl", R | {"scores": np.array([[0.0, 1.0]])}, BadScores, "scores has shape (1, 2)"),
        ("kl", R | {"scores": np.array([-INF, -INF])}, BadScores, "every score is -inf"),
        ("kl", R | {"kept": np.array([0, 1])}, BadKept, "give a bool mask"),
        ("kl", R | {"kept": np.array([False, False])}, BadKept, "holds no key with a finite score"),
        ("kl", R | {"kept": np.array([True])}, BadKept, "needs a bool mask of shape (2,)"),
        ("output_error", R | {"value": np.ones((3, 2))}, BadValues, "value has shape (3, 2); a row of 2 keys"),
        ("output_error", R | {"value": np.array([[1.0], [INF]])}, BadScores, "value [1, 0] is inf; numbers are finite"),
        ("recentred_norm_bound", V | {"centre": np.ones(3)}, BadValues, "the centre has shape (3,)"),
        ("optimal_tail_mass", {"scores": R["scores"], "k": 3}, BadInput, "k = 3 is outside 1..2"),
        ("optimal_tail_mass", {"scores": R["scores"], "k": 1.0}, BadInput, "k is 1.0; it is a whole number"),
        ("smallest_k", {"scores": R["scores"], "eps": 1.0}, BadInput, "eps = 1.0 is outside (0, 1)"),
        ("sufficient_gap", {"eps": 0.0, "k": 1, "n": 2}, BadInput, "eps = 0.0 is outside (0, 1)"),
        ("gap_bound", {"gap": np.nan, "k": 1, "n": 2}, BadInput, "gap is nan; it is a finite binary64"),
        ("gap_bound", {"gap": "1", "k": 1, "n": 2}, BadInput, "gap is '1'; it is a float"),
        ("gap_bound", {"gap": 2**53 + 1, "k": 1, "n": 2}, BadInput, "it is a finite binary64 number"),
        ("gap", R, BadKept, "the kept set is not a top-k"),
        ("block_bound_upper", R | {"blocks": np.array([0.0, 1.0])}, BadInput, "one whole number per key"),
        ("perturbed_tail_mass_upper", R | {"radius": -1.0}, BadInput, "radius = -1.0 is negative"),
        ("perturbation_total_variation", {"radius": -1.0}, BadInput, "reaches below zero"),
        ("dot_product_radius", {"query": np.ones(2), "key": np.ones((2, 2))}, BadInput, "key holds 2 vectors"),
        ("dot_product_radius", DOT | {"accumulator": "fp8"}, BadInput, "accumulator is 'fp8'; there is float16"),
        ("kl", DOTS | {"key": np.ones((2, 3))}, BadScores, "query has length 2 and the keys 3"),
        ("kl", DOTS | {"mask": np.array([False, False])}, BadScores, "every key is masked"),
        ("kl", DOTS | {"bias": np.ones(3)}, BadScores, "bias has shape (3,)"),
        ("kl", DOTS | {"softcap": 0.0}, BadInput, "softcap = 0.0 is not positive"),
        ("gaussian_fraction", {"sigma": 0.0, "eps": 0.1}, BadInput, "sigma = 0.0 is not positive"),
    ],
)
def test_bad_input(name: str, inputs: dict[str, Any], error: type[CertifyError], message: str) -> None:
    with pytest.raises(error) as caught:
        certify.reference(name, **inputs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_options() -> None:
    with pytest.raises(BadInput, match="max_bits = 1 leaves no precision"):
        certify.reference("kl", **R, max_bits=1)
    with pytest.raises(BadInput, match="digits = 5000 is outside"):
        certify.reference("kl", **R, digits=5000)
