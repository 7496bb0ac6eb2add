"""T10–T15 against the definitions in Arb: values, that bounds bound and are attained, that wrong ones do not."""

from itertools import product

import numpy as np
import pytest
from flint import arb

from certify import enclosures
from certify.errors import BadValues
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS
from tests.certify.arb_truth import encloses, end, is_tight

EVERY_ROW = pytest.mark.parametrize("name", ROWS)
KINDS = ("normal", "one direction", "huge and tiny", "denormal", "all equal", "zero")


def values_for(n: int, kind: str, width: int = 3) -> np.ndarray:
    rng = np.random.default_rng(n)
    normal = rng.normal(size=(n, width))
    return {
        "normal": normal,
        "one direction": np.abs(normal[:, :1]) + 1e3,
        "huge and tiny": normal * 10.0 ** rng.integers(-200, 100, (n, width)),
        "denormal": np.round(normal * 10) * 5e-324,
        "all equal": np.full((n, width), 1 / 3),
        "zero": np.zeros((n, width)),
    }[kind]


@EVERY_ROW
@pytest.mark.parametrize("kind", KINDS)
def test_output_error(name: str, kind: str) -> None:
    scores, kept = ROWS[name]
    values = values_for(len(scores), kind)
    truth = arb_truth.output_error(scores, kept, values)
    for bits in (53, 300, 1500):
        assert encloses(enclosures.output_error(scores, kept, values, bits), truth)
    if kind == "normal":  # the means differ there, so nothing cancels
        assert is_tight(enclosures.output_error(scores, kept, values, 128), 108)
    if truth.is_zero():
        assert enclosures.output_error(scores, kept, values).upper == 0


@EVERY_ROW
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_against_arb_and_that_they_bound(name: str, kind: str) -> None:
    scores, kept = ROWS[name]
    values = values_for(len(scores), kind)
    error = arb_truth.output_error(scores, kept, values)
    centre = values.mean(axis=0)
    truths = {
        "norm": arb_truth.norm_bound(scores, kept, values),
        "centred": arb_truth.norm_bound(scores, kept, values, centre),
        "diameter": arb_truth.diameter_bound(scores, kept, values),
        "variance": arb_truth.variance_bound(scores, kept, values),
    }
    found = {
        "norm": enclosures.norm_bound(scores, kept, values, bits=400),
        "centred": enclosures.norm_bound(scores, kept, values, centre=centre, bits=400),
        "diameter": enclosures.diameter_bound(scores, kept, values, bits=400),
        "variance": enclosures.variance_bound(scores, kept, values, bits=400),
    }
    for bound, made in found.items():
        assert encloses(made, truths[bound]), bound
        assert is_tight(made, 380) or (bound == "variance" and kind != "normal"), bound
        assert not end(made.upper) < error, bound
    best = enclosures.best_output_bound(scores, kept, values, 400)
    assert not end(best.upper) < error
    assert all(not end(best.lower) > end(found[b].upper) for b in ("norm", "diameter", "variance"))
    assert any(encloses(best, truths[b]) for b in ("norm", "diameter", "variance"))


def test_opposite_values_attain_norm_and_diameter() -> None:
    """v = ±1 on the two sides: ‖o − ô‖ = 2τ."""
    scores, kept, values = np.array([0.5, -1.0]), np.array([True, False]), np.array([[1.0], [-1.0]])
    error = arb_truth.output_error(scores, kept, values)
    for bound in (enclosures.norm_bound, enclosures.diameter_bound, enclosures.variance_bound):
        assert encloses(bound(scores, kept, values, bits=200), error), bound.__name__


def test_half_the_bounds_are_broken_by_that_witness() -> None:
    scores, kept, values = np.array([0.5, -1.0]), np.array([True, False]), np.array([[1.0], [-1.0]])
    error = arb_truth.output_error(scores, kept, values)
    assert end(enclosures.norm_bound(scores, kept, values).upper) * arb(0.999) < error


def test_the_diameter_of_the_tail_alone_is_no_bound() -> None:
    """'Diameter over T only': a tail of equal values has diameter 0, and the output still moves."""
    scores, kept = np.array([1.0, 0.0, 0.5]), np.array([True, False, False])
    values = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    tail_alone = arb_truth.tail_mass(scores, kept) * arb_truth.distance(values[1], values[2])
    assert tail_alone < arb_truth.output_error(scores, kept, values)
    assert not encloses(enclosures.diameter_bound(scores, kept, values), tail_alone)


def test_masked_keys_do_not_widen_any_bound() -> None:
    scores, kept = np.array([0.0, 1.0, -np.inf]), np.array([True, False, True])
    near, far = np.array([[0.0], [1.0], [0.5]]), np.array([[0.0], [1.0], [1e6]])
    for bound in (
        enclosures.norm_bound,
        enclosures.diameter_bound,
        enclosures.variance_bound,
        enclosures.output_error,
    ):
        assert bound(scores, kept, near, bits=100) == bound(scores, kept, far, bits=100), bound.__name__


def least_diameter(values: np.ndarray) -> arb:
    """The least diam_{H,T} over every non-trivial split, by trying all 2^(n−1) − 1 of them."""
    n = len(values)
    diameters = []
    for rest in product((False, True), repeat=n - 1):
        side = (True, *rest)
        if all(side):
            continue
        pairs = [(i, j) for i in range(n) for j in range(n) if side[i] and not side[j]]
        diameters.append(arb_truth.largest([arb_truth.distance(values[i], values[j]) for i, j in pairs]))
    return arb_truth.smallest(diameters)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3, 6])
def test_best_partition(n: int, kind: str) -> None:
    values = values_for(n, kind, width=2)
    found = enclosures.best_partition(values, 200)
    truth = least_diameter(values)
    assert encloses(found.diameter, truth)
    assert is_tight(found.diameter, 180)
    assert 0 < found.side.sum() < n
    held, dropped = np.flatnonzero(found.side), np.flatnonzero(~found.side)
    own = arb_truth.largest([arb_truth.distance(values[i], values[j]) for i in held for j in dropped])
    assert encloses(found.diameter, own)
    i, j = found.edge
    assert found.side[i] != found.side[j]
    assert encloses(found.diameter, arb_truth.distance(values[i], values[j]))


def test_bad_values_are_refused() -> None:
    scores, kept = ROWS["all kept"]
    for values, words in (
        (None, "needs values"),
        (np.zeros((2, 1)), r"needs \[3, dv\]"),
        (np.zeros(3), r"needs \[3, dv\]"),
        (np.array([[0.0], [np.nan], [1.0]]), "must be finite"),
    ):
        with pytest.raises(BadValues, match=words):
            enclosures.output_error(scores, kept, values)
    with pytest.raises(BadValues, match="the centre"):
        enclosures.norm_bound(scores, kept, np.zeros((3, 2)), centre=np.zeros(3))
    for values in (np.zeros((1, 2)), np.zeros(4), np.array([[0.0], [np.inf]])):
        with pytest.raises(BadValues, match="two finite value vectors"):
            enclosures.best_partition(values)
