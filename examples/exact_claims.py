"""True claims about one attention row, from Arb balls (python-flint) at 200 bits, and the refutation of false ones.

Every comparison between balls is certain or raises: a claim is never written, and never called false, on a guess. This
room shares nothing with the `certify` package that will audit what it writes.

A row is given by `logits` and `ranks`, both lists of n balls: the logits carry the weights e^s; the ranks are exact
numbers in the same order as the logits, from which the top-k is chosen (at level `scores` the two are the same; at
level `query-key` a logit is q·k/√d, irrational, and its rank is q·k, exact).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

BITS = 200
ctx.prec = BITS

Balls = list[arb]


@dataclass(frozen=True)
class Row:
    """logits, ranks: n balls; value [n, dv] a matrix of exact balls."""

    logits: Balls
    ranks: Balls
    value: arb_mat


@dataclass(frozen=True)
class Claims:
    """The claims that a bundle makes about one row. Natural logarithm; Euclidean norm."""

    tv_upper: float
    tv_lower: float
    kl_upper: float
    output_error_upper: float
    smallest_k_for: float


@dataclass(frozen=True)
class Truth:
    """Enclosures of tail mass τ (T1), KL(P̂‖P) (T2) and ‖o − ô‖₂ for one row and one kept set."""

    tail_mass: arb
    kl: arb
    output_error: arb


def exact_matrix(array: NDArray[Any]) -> arb_mat:
    """Floats [rows, columns] of any float dtype up to 64 bits as balls of radius 0."""
    return arb_mat(np.asarray(array, dtype=np.float64).tolist())


def row_from_scores(scores: NDArray[Any], value: NDArray[Any]) -> Row:
    """scores [n], value [n, dv]: the floats are the logits, exactly."""
    logits = [arb(float(score)) for score in scores]
    return Row(logits, logits, exact_matrix(value))


def row_from_query_key(query: NDArray[Any], key: NDArray[Any], value: NDArray[Any]) -> Row:
    """query [d], key [n, d], value [n, dv]: the logits are the real numbers q·k/√d."""
    dots = (exact_matrix(key) * exact_matrix(query[:, None])).entries()
    if not all(dot.is_exact() for dot in dots):
        raise ArithmeticError(f"a dot product needs more than {BITS} bits: raise BITS")
    root = arb(len(query)).sqrt()
    return Row([dot / root for dot in dots], dots, exact_matrix(value))


def top_k(row: Row, k: int) -> NDArray[np.bool_]:
    """The k keys of largest rank, ties to the lower index, as a mask [n]."""
    kept = np.zeros(len(row.ranks), dtype=np.bool_)
    kept[_order(row)[:k]] = True
    return kept


def smallest_k(row: Row, eps: float) -> int:
    """The smallest k whose top-k leaves a tail mass ≤ eps."""
    weights = [row.logits[i].exp() for i in _order(row)]
    total = sum(weights, arb(0))
    tail = total
    for k, weight in enumerate(weights, start=1):
        tail -= weight
        if k == len(weights) or at_most(tail / total, eps):
            return k
    raise ArithmeticError("unreachable: keeping every key leaves no tail")


def truth(row: Row, kept: NDArray[np.bool_]) -> Truth:
    """Enclosures of everything that is claimed about `kept`, a mask [n] with at least one key."""
    n = len(row.logits)
    weights = [logit.exp() for logit in row.logits]
    kept_weights = [weight if keep else arb(0) for weight, keep in zip(weights, kept, strict=True)]
    tail_sum = sum((weight for weight, keep in zip(weights, kept, strict=True) if not keep), arb(0))
    kept_sum = sum(kept_weights, arb(0))
    total = kept_sum + tail_sum
    output = arb_mat(1, n, weights) * row.value / total
    kept_output = arb_mat(1, n, kept_weights) * row.value / kept_sum
    squares = sum((x * x for x in (output - kept_output).entries()), arb(0))
    return Truth(tail_sum / total, (total / kept_sum).log(), squares.nonnegative_part().sqrt())


def claims(row: Row, kept: NDArray[np.bool_], eps: float | None, slack: float) -> Claims:
    """True claims for `kept`, each the nearest float64 on the safe side of the truth widened by the factor 1 ± slack.

    slack 0 gives the sharpest claim that a float64 can carry; 2⁻²⁴ is what a sound float kernel might give. eps None
    claims of a top-k that it is the smallest for its own tv_upper. Raises ArithmeticError where that is not true.
    """
    true = truth(row, kept)
    tv_upper = float_above(true.tail_mass * (1 + arb(slack)))
    made = Claims(
        tv_upper=tv_upper,
        tv_lower=float_below(true.tail_mass * (1 - arb(slack))),
        kl_upper=float_above(true.kl * (1 + arb(slack))),
        output_error_upper=float_above(true.output_error * (1 + arb(slack))),
        smallest_k_for=tv_upper if eps is None else eps,
    )
    if false := false_claims(row, kept, made) - {"top_k"}:
        raise ArithmeticError(f"{sorted(false)} would be false for k = {int(kept.sum())}, eps = {eps}")
    return made


def false_claims(row: Row, kept: NDArray[np.bool_], made: Claims) -> set[str]:
    """The names of the claims that are certainly false, `top_k` (kept is the true top-k) among them."""
    true = truth(row, kept)
    k = int(kept.sum())
    smaller = k > 1 and at_most(truth(row, top_k(row, k - 1)).tail_mass, made.smallest_k_for)
    holds = {
        "tv_upper": at_most(true.tail_mass, made.tv_upper),
        "tv_lower": at_least(true.tail_mass, made.tv_lower),
        "kl_upper": at_most(true.kl, made.kl_upper),
        "output_error_upper": at_most(true.output_error, made.output_error_upper),
        "smallest_k_for": at_most(true.tail_mass, made.smallest_k_for) and not smaller,
        "top_k": bool(np.array_equal(kept, top_k(row, k))),
    }
    return {name for name, true_claim in holds.items() if not true_claim}


def at_most(ball: arb, bound: float) -> bool:
    """Is the number in `ball` ≤ bound? Raises ArithmeticError where the ball is too wide to tell."""
    limit = arb(bound)
    if ball <= limit:
        return True
    if ball > limit:
        return False
    raise ArithmeticError(f"{ball} against {bound.hex()} is undecided at {BITS} bits: raise BITS")


def at_least(ball: arb, bound: float) -> bool:
    """Is the number in `ball` ≥ bound? Raises ArithmeticError where the ball is too wide to tell."""
    return at_most(-ball, -bound)


def float_above(ball: arb) -> float:
    """The smallest float64 ≥ everything in the ball."""
    if not ball.is_finite():
        raise ArithmeticError(f"no float64 is known to be above {ball}")
    candidate = math.nextafter(float(ball.upper()), -math.inf)
    while not ball <= arb(candidate):
        candidate = math.nextafter(candidate, math.inf)
    return candidate


def float_below(ball: arb) -> float:
    """The largest float64 ≤ everything in the ball."""
    return -float_above(-ball)


def _order(row: Row) -> list[int]:
    # exact ranks are totally ordered, and the sort is stable: equal ranks stay in the order of their index
    return sorted(range(len(row.ranks)), key=lambda i: -row.ranks[i])
