"""σ of measured scores, and the test that says when a Gaussian does not describe them."""

import numpy as np
import pytest
from flint import arb

from certify.bundle import load_inputs
from certify.design_rule import fit, scores_of
from certify.design_rule.fitting import _cdf_estimate
from certify.errors import BadScores
from certify.examples import example
from tests.certify.normal_against_arb import survival


def gaussian(rows: int, n: int, sigma: float = 2.0, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(3.0, sigma, (rows, n))


@pytest.mark.parametrize("n", [8, 20, 175, 2000])
def test_gaussian_rows_are_rejected_one_time_in_twenty(n: int) -> None:
    found = fit(gaussian(1500, n))
    assert 0.03 < found.rejected < 0.075
    assert found.applies
    assert "describes" in found.verdict
    assert found.sigma_low < found.sigma < found.sigma_high
    assert abs(found.sigma - 2.0) < 0.15
    assert (found.rows, found.keys) == (1500, n)


@pytest.mark.parametrize("shape", ["exponential", "two clusters", "heavy"])
def test_other_rows_are_rejected(shape: str) -> None:
    r = np.random.default_rng(1)
    rows = {
        "exponential": r.exponential(1.0, (200, 300)),
        "two clusters": np.where(r.random((200, 300)) < 0.1, 6.0, 0.0) + r.normal(0, 1, (200, 300)),
        "heavy": r.standard_t(2, (200, 300)),
    }[shape]
    found = fit(rows)
    assert found.rejected > 0.9
    assert not found.applies
    assert "promises nothing" in found.verdict


def test_each_row_has_its_own_mean_and_masked_keys_are_left_out() -> None:
    rows = gaussian(300, 200) + np.arange(300)[:, None] * 100
    rows[:, ::2] = -np.inf
    found = fit(rows.reshape(3, 100, 200))
    assert found.applies
    assert found.keys == 100
    assert abs(found.sigma - 2.0) < 0.05


def test_the_shipped_attention_is_not_gaussian() -> None:
    found = fit(scores_of(*load_inputs(example("minilm-attention.safetensors"))))
    assert not found.applies
    assert found.rows == 768
    assert 1.0 < found.sigma < 1.6


def test_query_and_key_give_the_scores() -> None:
    header, inputs = load_inputs(example("minilm-attention-query-key.safetensors"))
    scores = scores_of(header, inputs)
    query, key = inputs["query"].astype(float), inputs["key"].astype(float)
    scale = query.shape[-1] ** -0.5 if header.scale is None else header.scale
    group = header.kv_groups
    if query.ndim > 2:
        assert np.isclose(scores[0, -1, 3, 5], query[0, -1, 3] @ key[0, (query.shape[1] - 1) // group, 5] * scale)
    assert scores.shape[:-1] == query.shape[:-1]


def test_the_normal_distribution_inside() -> None:
    x = np.linspace(-6, 6, 400)
    for place, value in zip(x.tolist(), _cdf_estimate(x).tolist(), strict=True):
        assert abs(survival(-arb(place)) - value) < 1e-6


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 50)), "row 0: all scores are 0.0; there is no spread to fit"),
        (np.arange(7.0), "row 0: 7 unmasked keys say nothing about a spread"),
        (np.array(1.0), "give rows of scores"),
        (np.full((1, 20), np.nan), "NaN|nan"),
    ],
)
def test_rows_that_cannot_be_fitted(rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]], message: str) -> None:
    with pytest.raises(BadScores, match=message):
        fit(rows)
