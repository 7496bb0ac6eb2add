"""Every rule accepts and rejects, through `certify.audit`: claims just above, just below and exactly at the truth.

The float next to a truth is found by Arb. Exact ties are rows whose truth is a fraction by construction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from flint import arb

import certify
from certify import Certificate, Verdict
from certify.auditor import FLOAT64, Finding
from certify.exponential_sum import EXACT
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS, random_row
from tests.certify.arb_truth import encloses

VALID, INVALID, UNDECIDED = Verdict.VALID, Verdict.INVALID, Verdict.UNDECIDED
INF = np.inf
UPPER_CLAIMS = ("tv_upper", "kl_upper", "output_error_upper")


def finding(claim: str, amount: float | None, budget: dict[str, int] | None = None, **parts: Any) -> Finding:
    """One claim about one row, judged; scores, kept, query, mask and bias are given without their row dimension."""
    for name in ("scores", "kept", "query", "mask", "bias"):
        if name in parts:
            parts[name] = np.asarray(parts[name])[None]
    claimed = {"top_k": True} if claim == "top_k" else {claim: np.array([amount], dtype=np.float64)}
    audit = certify.audit(Certificate(**parts, **claimed), **(budget or {}))
    (found,) = audit.rows[0].findings
    assert audit.exit_code == {VALID: 0, INVALID: 1, UNDECIDED: 3}[found.verdict]
    return found


def neighbours(truth: arb) -> tuple[float, float]:
    """The largest float proved below the truth and the smallest proved above it."""
    below = above = float(truth.mid())
    while not arb(below) < truth:
        below = math.nextafter(below, -INF)
    while not arb(above) > truth:
        above = math.nextafter(above, INF)
    while arb(math.nextafter(below, INF)) < truth:
        below = math.nextafter(below, INF)
    while arb(math.nextafter(above, -INF)) > truth:
        above = math.nextafter(above, -INF)
    return below, above


def check_neighbours(truths: dict[str, arb], **parts: Any) -> None:
    for claim, truth in truths.items():
        below, above = neighbours(truth)
        expected = (INVALID, VALID) if claim in UPPER_CLAIMS else (VALID, INVALID)
        for amount, verdict in zip((below, above), expected, strict=True):
            found = finding(claim, amount, **parts)
            assert found.verdict is verdict, (claim, amount.hex(), found)
            assert encloses(found.enclosure, truth)


class TestNextToTheTruth:
    @pytest.mark.parametrize("name", ROWS)
    def test_scores(self, name: str) -> None:
        scores, kept = ROWS[name]
        values = np.random.default_rng(len(scores)).normal(size=(len(scores), 2))
        tau = arb_truth.tail_mass(scores, kept)
        check_neighbours(
            {"tv_upper": tau, "tv_lower": tau, "kl_upper": arb_truth.kl(scores, kept)}, scores=scores, kept=kept
        )
        error = arb_truth.output_error(scores, kept, values)
        if name == "far beyond underflow":
            return  # its error is the float nearest to it but for e^(−1e30): see TestTies
        check_neighbours({"output_error_upper": error}, scores=scores, kept=kept, value=values)

    @pytest.mark.parametrize(
        ("d", "scale", "softcap"),
        [(4, None, None), (9, None, None), (3, None, None), (3, 0.3, None), (3, None, 2.0), (4, -1.5, 0.5)],
    )
    @pytest.mark.parametrize("hidden", [False, True])
    def test_query_key(self, d: int, scale: float | None, softcap: float | None, hidden: bool) -> None:
        rng = np.random.default_rng(d)
        query, key, values = rng.normal(size=d) * 2, rng.normal(size=(6, d)), rng.normal(size=(6, 2))
        kept = np.array([True, False, True, False, False, True])
        mask, bias = np.ones(6, dtype=bool), np.zeros(6)
        if hidden:
            mask[1], bias[2], bias[3] = False, -INF, 0.7
        logits = [
            arb_truth.logit(query, key[i], scale, bias=bias[i], softcap=softcap) if mask[i] and bias[i] > -INF else None
            for i in range(6)
        ]
        tau, divergence, weights = arb_truth.shares_of_logits(logits, kept)

        def mean(keys: list[int]) -> list[arb]:
            mass = arb_truth.total([weights[i] for i in keys])
            return [arb_truth.total([weights[i] * arb(values[i, c]) for i in keys]) / mass for c in range(2)]

        pairs = zip(mean(list(range(6))), mean(np.flatnonzero(kept).tolist()), strict=True)
        error = arb_truth.norm([a - b for a, b in pairs])
        parts = {"query": query, "key": key, "kept": kept, "scale": scale, "softcap": softcap, "level": "query-key"}
        if hidden:
            parts |= {"mask": mask, "bias": bias}
        check_neighbours({"tv_upper": tau, "tv_lower": tau, "kl_upper": divergence}, **parts)
        check_neighbours({"output_error_upper": error}, value=values, **parts)

    def test_far_claims_are_settled_by_the_first_pass(self) -> None:
        scores, kept = random_row(3, 300, 40)
        tau = float(arb_truth.tail_mass(scores, kept).mid())
        for factor, verdict in ((1 + 1e-9, VALID), (1 - 1e-9, INVALID)):
            found = finding("tv_upper", tau * factor, scores=scores, kept=kept)
            assert (found.verdict, found.decided_by) == (verdict, FLOAT64)


class TestTies:
    @pytest.mark.parametrize("shift", [0.0, 1e6, -1e30, 5e-324])
    @pytest.mark.parametrize(("n", "k"), [(8, 2), (8, 7), (2, 1), (64, 48)])
    def test_all_equal_scores(self, shift: float, n: int, k: int) -> None:
        """τ = (n − k)/n, a float here."""
        scores, kept, share = np.full(n, shift), np.arange(n) < k, (n - k) / n
        for claim, worse in (("tv_upper", 0.0), ("tv_lower", 1.0)):
            tie = finding(claim, share, scores=scores, kept=kept)
            assert (tie.verdict, tie.decided_by) == (VALID, EXACT)
            assert finding(claim, math.nextafter(share, worse), scores=scores, kept=kept).verdict is INVALID
            assert finding(claim, math.nextafter(share, 1 - worse), scores=scores, kept=kept).verdict is VALID

    def test_kept_sets_that_mirror_their_tail(self) -> None:
        """Duplicated scores, a kept set that is no top-k, masked keys: τ = ½ whatever e^0.3 is."""
        for scores, kept in (([0.3, 7.0, 0.3, 7.0], [0, 3]), ([0.3, 7.0, 0.3, 7.0, -INF, -INF], [1, 2, 4])):
            parts = {"scores": np.array(scores), "kept": np.isin(np.arange(len(scores)), kept)}
            for claim in ("tv_upper", "tv_lower"):
                found = finding(claim, 0.5, **parts)
                assert (found.verdict, found.decided_by) == (VALID, EXACT)
            assert finding("tv_upper", math.nextafter(0.5, 0), **parts).verdict is INVALID

    def test_the_row_on_which_precision_first_never_ends(self) -> None:
        parts = {"scores": np.array([0.0, 0.0, -1e30]), "kept": np.array([True, False, False])}
        upper, lower = finding("tv_upper", 0.5, **parts), finding("tv_lower", 0.5, **parts)
        assert (upper.verdict, upper.decided_by) == (INVALID, EXACT)
        assert (lower.verdict, lower.decided_by) == (VALID, EXACT)
        assert finding("tv_upper", math.nextafter(0.5, 1), **parts).verdict is VALID

    @pytest.mark.parametrize("claim", ["tv_upper", "kl_upper", "output_error_upper"])
    def test_zero(self, claim: str) -> None:
        """A wholly masked tail has τ = 0 exactly, a score of −1e30 does not."""
        kept, value = np.array([True, False]), np.array([[0.0], [1.0]])
        for dropped, verdict in ((-INF, VALID), (-1e30, INVALID), (-1e3, INVALID)):
            assert finding(claim, 0.0, scores=[1.0, dropped], kept=kept, value=value).verdict is verdict
        assert finding(claim, -5e-324, scores=[1.0, -INF], kept=kept, value=value).verdict is INVALID
        assert finding(claim, 5e-324, scores=[1.0, -1e30], kept=kept, value=value).verdict is VALID

    def test_claims_at_and_beyond_the_ends(self) -> None:
        for scores in ([0.0, 1e30], [0.0, 1e3], [0.0, 0.0]):
            parts = {"scores": np.array(scores), "kept": np.array([True, False])}
            for claim, amount, verdict in (
                ("tv_upper", 1.0, VALID),
                ("tv_lower", 1.0, INVALID),
                ("tv_upper", 7.0, VALID),
                ("tv_lower", 7.0, INVALID),
                ("tv_upper", 0.0, INVALID),
                ("tv_lower", 0.0, VALID),
                ("tv_upper", -1.0, INVALID),
                ("tv_lower", -1.0, VALID),
                ("kl_upper", -1.0, INVALID),
                ("kl_upper", 1e300, VALID),
            ):
                assert finding(claim, amount, **parts).verdict is verdict, (scores, claim, amount)

    @pytest.mark.parametrize("softcap", [None, 4.0])
    @pytest.mark.parametrize("d", [3, 4])
    def test_equal_dot_products(self, d: int, softcap: float | None) -> None:
        """q = (1, …, 1): permuted keys have equal scores, also where 1/√d is irrational and behind a tanh."""
        key = np.zeros((4, d))
        key[:, :3] = [[1.0, 2.0, 0.1], [0.1, 2.0, 1.0], [2.0, 0.1, 1.0], [2.0, 1.0, 0.1]]
        parts = {
            "query": np.ones(d),
            "key": key,
            "kept": np.array([True, False, False, False]),
            "level": "query-key",
            "softcap": softcap,
        }
        for claim in ("tv_upper", "tv_lower"):
            found = finding(claim, 0.75, **parts)
            assert (found.verdict, found.decided_by) == (VALID, EXACT)
        assert finding("tv_upper", math.nextafter(0.75, 0), **parts).verdict is INVALID
        assert finding("tv_lower", math.nextafter(0.75, 1), **parts).verdict is INVALID
        assert finding("top_k", None, **parts).verdict is VALID

    def test_ties_next_to_each_other_in_one_bit(self) -> None:
        """Scores (0, 5e-324): no tie, though every float64 weight is equal."""
        parts = {"scores": np.array([0.0, 5e-324]), "kept": np.array([True, False])}
        assert finding("tv_upper", 0.5, **parts).verdict is INVALID
        assert finding("tv_lower", 0.5, **parts).verdict is VALID


HALVES = np.array([True, True, False, False])
EQUAL_SCORES = {
    "scores": np.zeros(4),
    "kept": HALVES,
    "value": np.array([[0.0], [1.0], [4.0], [4.0]]),
}  # o = 9/4, ô = 1/2
# The tail is the kept set moved by (3, 4), with the same weights, whatever e^0.3 is: ‖o − ô‖ = ½·5.
MIRROR = {
    "scores": np.array([0.3, 7.0, 0.3, 7.0]),
    "kept": HALVES,
    "value": np.array([[0.5, 5.0], [0.75, -1.0], [3.5, 9.0], [3.75, 3.0]]),
}


class TestOutputErrorTies:
    def test_a_rational_error(self) -> None:
        for amount, verdict in ((1.75, VALID), (math.nextafter(1.75, 0), INVALID), (math.nextafter(1.75, 2), VALID)):
            found = finding("output_error_upper", amount, **EQUAL_SCORES)
            assert found.verdict is verdict
        assert finding("output_error_upper", 1.75, **EQUAL_SCORES).decided_by in (EXACT, "mpmath.iv 128 bits")

    def test_an_error_that_is_rational_though_its_weights_are_not(self) -> None:
        found = finding("output_error_upper", 2.5, **MIRROR)
        assert (found.verdict, found.decided_by) == (VALID, EXACT)
        assert finding("output_error_upper", math.nextafter(2.5, 0), **MIRROR).verdict is INVALID
        assert finding("output_error_upper", math.nextafter(2.5, 3), **MIRROR).verdict is VALID

    def test_an_error_of_exactly_zero(self) -> None:
        """Equal values: the two means are equal for any weights. One last bit off, they are not."""
        parts = {"scores": np.array([0.3, 1.0, -2.0]), "kept": np.array([False, True, False])}
        same = np.full((3, 2), 0.1)
        found = finding("output_error_upper", 0.0, value=same, **parts)
        assert (found.verdict, found.decided_by) == (VALID, EXACT)
        same[0, 1] = math.nextafter(0.1, 1)
        assert finding("output_error_upper", 0.0, value=same, **parts).verdict is INVALID

    def test_zero_behind_a_softcap(self) -> None:
        """No exponential has to be multiplied out to see that every coefficient is 0."""
        parts = {
            "query": np.ones(2),
            "key": np.array([[1.0, 0], [0, 0.5], [2.0, 2]]),
            "level": "query-key",
            "softcap": 3.0,
        }
        kept = np.array([False, True, False])
        assert finding("output_error_upper", 0.0, value=np.ones((3, 1)), kept=kept, **parts).verdict is VALID
        value = np.array([[1.0], [1.0], [2.0]])
        assert finding("output_error_upper", 0.0, value=value, kept=kept, **parts).verdict is INVALID

    def test_zero_is_seen_with_few_bits(self) -> None:
        parts = {"scores": np.array([0.3, 1.0, -2.0]), "kept": np.array([False, True, False]), "value": np.ones((3, 1))}
        assert finding("output_error_upper", 0.0, {"max_bits": 64}, **parts).verdict is VALID

    def test_an_error_that_only_an_expansion_tells_from_its_claim(self) -> None:
        """Scores (0, −1e308), the second kept, values 1 and 2: the error is 1 − e^(−1e308)."""
        parts = {"scores": np.array([0.0, -1e308]), "kept": np.array([False, True]), "value": np.array([[1.0], [2.0]])}
        assert finding("output_error_upper", 1.0, **parts).verdict is VALID
        assert finding("output_error_upper", math.nextafter(1.0, 0), **parts).verdict is INVALID

    def test_the_budget_of_terms(self) -> None:
        found = finding("output_error_upper", 2.5, {"max_terms": 9}, **MIRROR)
        assert found.verdict is UNDECIDED
        assert found.decided_by.startswith("budget:")
        assert found.decided_by.endswith("the limit is 9")

    def test_values_that_never_matter(self) -> None:
        """A masked key's value moves nothing, however large."""
        value = np.array([[0.0], [1.0], [1e300]])
        parts = {"scores": np.array([0.0, 0.0, -INF]), "kept": np.array([True, False, True]), "value": value}
        assert finding("output_error_upper", 0.5, **parts).verdict is VALID
        assert finding("output_error_upper", math.nextafter(0.5, 0), **parts).verdict is INVALID

    def test_values_near_the_largest_float(self) -> None:
        """Equal values up there overflow the float64 pass; it may not refute what is true."""
        scores = np.array([-1.4729081740033338, -0.32581989598610556, -0.9642386253599565, 1.1976924252692551])
        parts = {"scores": scores, "kept": np.array([False, True, False, True])}
        value = np.full((4, 1), float(np.finfo(np.float64).max))
        assert finding("output_error_upper", 1.0, value=value, **parts).verdict is VALID


class TestSmallestK:
    EIGHT = np.zeros(8)  # τ of k kept is (8 − k)/8

    @pytest.mark.parametrize(
        ("k", "eps", "verdict", "why"),
        [
            (6, 0.25, VALID, ""),
            (6, 0.3, VALID, ""),
            (6, math.nextafter(0.375, 0), VALID, ""),
            (6, 0.375, INVALID, "already meets"),
            (6, 0.9, INVALID, "already meets"),
            (6, math.nextafter(0.25, 0), INVALID, ""),
            (1, 0.875, VALID, ""),
            (1, 0.99, VALID, ""),
            (1, 0.8, INVALID, ""),
            (8, 1e-300, VALID, ""),
            (8, 0.125, INVALID, "already meets"),
        ],
    )
    def test_equal_scores(self, k: int, eps: float, verdict: Verdict, why: str) -> None:
        found = finding("smallest_k_for", eps, scores=self.EIGHT, kept=np.arange(8) < k)
        assert found.verdict is verdict
        assert why in found.reason

    @pytest.mark.parametrize("name", ["random", "duplicated scores", "random at −40", "shift 1e6", "not the top"])
    def test_next_to_the_truth(self, name: str) -> None:
        """ε between τ of the top-k and τ of the top-(k−1), at the floats next to each."""
        scores, _ = ROWS[name]
        order = np.argsort(-scores, kind="stable")
        for k in range(2, len(scores)):
            kept, fewer = (np.isin(np.arange(len(scores)), order[:size]) for size in (k, k - 1))
            own, smaller = arb_truth.tail_mass(scores, kept), arb_truth.tail_mass(scores, fewer)
            (own_below, own_above), (below, above) = neighbours(own), neighbours(smaller)
            for eps, verdict in ((own_below, INVALID), (own_above, VALID), (below, VALID), (above, INVALID)):
                assert finding("smallest_k_for", eps, scores=scores, kept=kept).verdict is verdict, (k, eps.hex())

    def test_a_kept_set_that_is_not_the_top(self) -> None:
        """ε is judged for the set as it is: τ = 0.5… with the best two dropped, and the top-1 would have met it."""
        found = finding("smallest_k_for", 0.6, scores=np.array([0.0, 0.0, 1.0]), kept=np.array([True, True, False]))
        assert found.verdict is INVALID
        assert "already meets" in found.reason

    def test_undecided_is_about_one_of_the_two(self) -> None:
        scores, kept = random_row(3, 30, 10)
        below, _ = neighbours(arb_truth.tail_mass(scores, kept))
        found = finding("smallest_k_for", below, {"max_bits": 30}, scores=scores, kept=kept)
        assert found.verdict is not VALID


class TestTopK:
    @pytest.mark.parametrize(
        ("scores", "kept", "verdict"),
        [
            ([3.0, 2.0, 1.0], [0, 1], VALID),
            ([3.0, 2.0, 1.0], [0, 2], INVALID),
            ([1.0, 1.0, 1.0], [2], VALID),
            ([1.0, math.nextafter(1.0, 2.0)], [0], INVALID),
            ([0.0, 5e-324], [0], INVALID),
            ([0.0, -5e-324], [0], VALID),
            ([-0.0, 0.0], [0], VALID),
            ([1.0, -INF, -INF], [0, 1], VALID),
            ([1.0, -INF, 0.5], [0, 1], INVALID),
            ([1e308, -1e308], [0], VALID),
            ([1e308, -1e308], [1], INVALID),
            ([0.0], [0], VALID),
        ],
    )
    def test_scores(self, scores: list[float], kept: list[int], verdict: Verdict) -> None:
        mask = np.isin(np.arange(len(scores)), kept)
        assert finding("top_k", None, scores=np.array(scores), kept=mask).verdict is verdict

    @pytest.mark.parametrize("softcap", [None, 1.0, 50.0])
    def test_dot_products_that_float64_cannot_tell_apart(self, softcap: float | None) -> None:
        key = np.array([[1.0, 2.0**-60], [1.0, 0.0]])
        for kept, verdict in (([True, False], VALID), ([False, True], INVALID)):
            found = finding(
                "top_k", None, query=np.ones(2), key=key, kept=np.array(kept), level="query-key", softcap=softcap
            )
            assert (found.verdict, found.decided_by) == (verdict, EXACT)

    def test_a_negative_scale_turns_the_order(self) -> None:
        parts = {"query": np.ones(1), "key": np.array([[1.0], [2.0]]), "level": "query-key"}
        for scale, verdict in ((1.0, INVALID), (-1.0, VALID)):
            assert finding("top_k", None, kept=np.array([True, False]), scale=scale, **parts).verdict is verdict


class TestBudgets:
    @pytest.mark.parametrize("claim", ["tv_upper", "tv_lower", "kl_upper", "output_error_upper"])
    def test_too_few_bits_leave_a_near_tie_undecided(self, claim: str) -> None:
        """Seventeen right digits against twenty bits; enough bits decide it."""
        scores, kept = random_row(5, 40, 9)
        value = np.random.default_rng(2).normal(size=(40, 1))
        truth = {
            "kl_upper": arb_truth.kl(scores, kept),
            "output_error_upper": arb_truth.output_error(scores, kept, value),
        }.get(claim, arb_truth.tail_mass(scores, kept))
        below, _ = neighbours(truth)
        parts = {"scores": scores, "kept": kept, "value": value}
        short = finding(claim, below, {"max_bits": 20, "max_terms": 0}, **parts)
        assert short.verdict is UNDECIDED
        assert short.decided_by.startswith("budget: 20 bits were not enough")
        assert encloses(short.enclosure, truth)
        assert finding(claim, below, {"max_bits": 200}, **parts).verdict is (VALID if claim == "tv_lower" else INVALID)

    def test_unknown_is_never_a_pass(self) -> None:
        """A claim that only thousands of bits can refute stays undecided with fewer, and is refuted with them."""
        scores, kept = np.array([0.0, 0.0, -3000.0]), np.array([True, False, False])
        assert finding("kl_upper", 0.6931471805599453, {"max_bits": 30}, scores=scores, kept=kept).verdict is UNDECIDED
        assert finding("kl_upper", 0.6931471805599453, scores=scores, kept=kept).verdict is INVALID


class TestFormatsAndGroups:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
    def test_scores_of_every_format_are_exact_numbers(self, dtype: Any) -> None:
        scores = np.array([0.1, 0.7, -0.3, 2.2]).astype(dtype)
        kept = np.array([True, False, False, True])
        tau = arb_truth.tail_mass(scores.astype(np.float64), kept)
        check_neighbours({"tv_upper": tau, "tv_lower": tau}, scores=scores, kept=kept)

    def test_each_query_head_meets_its_own_keys(self) -> None:
        """Four query heads over two key heads, two queries each: rows (h, m) use key head h // 2."""
        rng = np.random.default_rng(0)
        query, key = rng.normal(size=(4, 2, 3)), rng.normal(size=(2, 5, 3))
        value = rng.normal(size=(2, 5, 2))
        kept = rng.random((4, 2, 5)) < 0.5
        kept[..., 0] = True
        tau = np.empty((4, 2), dtype=object)
        error = np.empty((4, 2), dtype=object)
        for h, m in np.ndindex(4, 2):
            logits = [arb_truth.logit(query[h, m], vector, None) for vector in key[h // 2]]
            tau[h, m], _, weights = arb_truth.shares_of_logits(logits, kept[h, m])
            means = []
            for keys in (range(5), np.flatnonzero(kept[h, m]).tolist()):
                mass = arb_truth.total([weights[i] for i in keys])
                column = value[h // 2]
                means.append([arb_truth.total([weights[i] * arb(column[i, c]) for i in keys]) / mass for c in range(2)])
            error[h, m] = arb_truth.norm([a - b for a, b in zip(*means, strict=True)])
        parts = {"query": query, "key": key, "value": value, "kept": kept, "kv_groups": 2, "level": "query-key"}
        for side, verdict in ((0, INVALID), (1, VALID)):
            claims = {
                "tv_upper": np.array([neighbours(t)[side] for t in tau.ravel()]).reshape(4, 2),
                "output_error_upper": np.array([neighbours(e)[side] for e in error.ravel()]).reshape(4, 2),
            }
            for row in certify.audit(Certificate(**parts, **claims)).rows:
                lossless = kept[row.position].all()
                for found in row.findings:
                    assert found.verdict is verdict, (row.position, lossless)
