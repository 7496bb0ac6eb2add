"""T1, T2, T3, T5 against the definitions in Arb, on rows that go wrong elsewhere."""

import numpy as np
import pytest
from flint import arb

from certify import enclosures
from certify.errors import BadInput, BadKept, BadScores
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS
from tests.certify.arb_truth import encloses, end, is_tight

BITS = (30, 128, 400)
EVERY_ROW = pytest.mark.parametrize("name", ROWS)


@EVERY_ROW
@pytest.mark.parametrize("bits", BITS)
def test_tail_mass(name: str, bits: int) -> None:
    scores, kept = ROWS[name]
    found = enclosures.tail_mass(scores, kept, bits)
    assert encloses(found, arb_truth.tail_mass(scores, kept))
    assert is_tight(found, bits - 20)
    assert 0 <= found.lower <= found.upper <= 1


@EVERY_ROW
def test_total_variation_is_the_tail_mass(name: str) -> None:
    """T1, both from its definition in Arb and between our own two routes."""
    scores, kept = ROWS[name]
    truth = arb_truth.total_variation(scores, kept)
    assert encloses(enclosures.total_variation(scores, kept, 200), truth)
    assert encloses(enclosures.tail_mass(scores, kept, 200), truth)


@EVERY_ROW
@pytest.mark.parametrize("bits", BITS)
def test_kl(name: str, bits: int) -> None:
    scores, kept = ROWS[name]
    found = enclosures.kl(scores, kept, bits)
    assert encloses(found, arb_truth.kl(scores, kept))
    assert is_tight(found, bits - 20)
    assert encloses(enclosures.renyi(scores, kept, bits), arb_truth.kl(scores, kept))


def test_kl_in_the_wrong_direction_is_another_number() -> None:
    """KL(P‖P̂) is +∞ as soon as weight is dropped; its finite part over the kept keys is negative and not our value."""
    scores, kept = ROWS["random"]
    tau = arb_truth.tail_mass(scores, kept)
    assert not encloses(enclosures.kl(scores, kept), (1 - tau) * (1 - tau).log())


@EVERY_ROW
@pytest.mark.parametrize("bits", BITS)
def test_chi_squared_and_hellinger(name: str, bits: int) -> None:
    scores, kept = ROWS[name]
    tail, held = arb_truth.masses(scores, kept)
    chi = enclosures.chi_squared(scores, kept, bits)
    assert encloses(chi, tail / held)
    assert is_tight(chi, bits - 20)
    hellinger = enclosures.squared_hellinger(scores, kept, bits)
    assert encloses(hellinger, 1 - (held / (tail + held)).sqrt())
    assert is_tight(hellinger, bits - 20) or arb_truth.tail_mass(scores, kept) > 0.99


@EVERY_ROW
def test_f_divergences_from_their_definition(name: str) -> None:
    """χ², squared Hellinger and KL as Σ p f(p̂/p); f of an interval must be an enclosure."""
    scores, kept = ROWS[name]
    if arb_truth.tail_mass(scores, kept) > 1 - arb(10) ** -300:
        return  # 1/(1 − τ) is out of any interval's reach there
    chi = enclosures.f_divergence(scores, kept, lambda x: (x - 1).square(), 1, 300)
    assert encloses(chi, arb_truth.f_divergence(scores, kept, lambda x: arb_truth.square(x - 1)))
    hellinger = enclosures.f_divergence(scores, kept, lambda x: (x.sqrt() - 1).square() / 2, 0.5, 300)
    assert encloses(hellinger, arb_truth.f_divergence(scores, kept, lambda x: arb_truth.square(x.sqrt() - 1) / 2))


@EVERY_ROW
def test_pinsker_and_bretagnolle_huber_are_upper_bounds(name: str) -> None:
    scores, kept = ROWS[name]
    tau, divergence = arb_truth.tail_mass(scores, kept), arb_truth.kl(scores, kept)
    pinsker = enclosures.pinsker(enclosures.kl(scores, kept))
    huber = enclosures.bretagnolle_huber(enclosures.kl(scores, kept))
    assert encloses(pinsker, arb_truth.root(divergence / 2))
    assert encloses(huber, arb_truth.root(1 - (-divergence).exp()))
    assert not end(pinsker.upper) < tau
    assert not end(huber.upper) < tau


@pytest.mark.parametrize("bits", BITS)
def test_tail_mass_from_log_sum_exp(bits: int) -> None:
    for kept_lse, all_lse in ((1.0, 1.5), (-3.0, 40.0), (2.0, 2.0 + 2**-40)):
        found = enclosures.tail_mass_from_log_sum_exp(kept_lse, all_lse, bits=bits)
        assert encloses(found, 1 - (arb(kept_lse) - arb(all_lse)).exp())
        assert end(found.upper) - end(found.lower) <= arb((1, 6 - bits))


def test_a_log_sum_exp_error_is_carried() -> None:
    """Every τ that LSEs within the error allow lies inside, and the ends are attained."""
    error = 2.0**-10
    found = enclosures.tail_mass_from_log_sum_exp(1.0, 1.5, error, bits=200)
    for own in (-error, 0.0, error):
        for other in (-error, 0.0, error):
            assert encloses(found, 1 - (arb(1.0) + own - arb(1.5) - other).exp())
    assert end(found.upper) - (1 - (arb(-0.5) - 2 * arb(error)).exp()) < arb((1, -190))
    assert (1 - (arb(-0.5) + 2 * arb(error)).exp()) - end(found.lower) < arb((1, -190))


def test_log_sum_exp_in_float32_is_taken() -> None:
    """Kernels return their log-sum-exp in float32; it is an exact number like any other."""
    found = enclosures.tail_mass_from_log_sum_exp(np.float32(0.1), np.float32(0.7))
    assert encloses(found, 1 - (arb(float(np.float32(0.1))) - arb(float(np.float32(0.7)))).exp())


def test_log_sum_exp_in_base_two_is_another_number() -> None:
    natural = enclosures.tail_mass_from_log_sum_exp(1.0, 1.5)
    assert not encloses(natural, 1 - arb(2) ** (arb(1.0) - arb(1.5)))


def test_contradicting_log_sum_exps_are_refused() -> None:
    with pytest.raises(BadInput, match="cannot outweigh the whole"):
        enclosures.tail_mass_from_log_sum_exp(1.0, 0.5, 0.1)
    assert enclosures.tail_mass_from_log_sum_exp(1.0, 0.9, 0.1).lower == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f4", ">f8"])
def test_every_float_format_and_stride(dtype: str) -> None:
    scores = np.array([0.5, -1.25, 3.0, 0.125, 2.0, -7.0], dtype=dtype)[::2]
    kept = np.array([True, True, False])
    assert encloses(enclosures.tail_mass(scores, kept), arb_truth.tail_mass([0.5, 3.0, 2.0], kept))


def test_bad_rows_are_refused() -> None:
    good = np.array([True, False])
    for scores, error, words in (
        ([0.0, np.nan], BadScores, "NaN"),
        ([0.0, np.inf], BadScores, r"\+inf"),
        ([-np.inf, -np.inf], BadScores, "no key is attended"),
        ([[0.0, 1.0]], BadScores, "one row at a time"),
        ([1, 2], BadScores, "integers are not logits"),
    ):
        with pytest.raises(error, match=words):
            enclosures.tail_mass(np.array(scores), good)
    for kept, words in (([False, False], "finite score"), ([True], "shape"), ([1, 0], "bool mask")):
        with pytest.raises(BadKept, match=words):
            enclosures.tail_mass(np.array([0.0, 1.0]), np.array(kept))
    with pytest.raises(BadKept, match="finite score"):
        enclosures.tail_mass(np.array([0.0, -np.inf]), np.array([False, True]))
