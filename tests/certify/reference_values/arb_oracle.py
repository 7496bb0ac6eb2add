"""The second oracle: every field of a reference value, from Arb (python-flint), `decimal` and integers alone.

Nothing of the package is used: inputs are read from the JSON text, quantities are written from their definitions (those
of rows in `arb_truth.py`), roundings are integer divisions. `disagreements` names every field of a case that Arb does
not confirm. A tie can be approached by Arb and not decided: where a rational is claimed to be the exact value and
Arb's ball at 20000 bits holds it, that rational is what is rounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
from flint import arb, ctx

from tests.certify import arb_truth
from tests.certify.arb_truth import number, root, smallest, total

PRECISIONS = (300, 1300, 20000, 90000)
FORMATS = {
    "binary64": (53, -1074, 1024),
    "binary32": (24, -149, 128),
    "binary16": (11, -24, 16),
    "bfloat16": (8, -133, 128),
}
ROUNDOFFS = {"float16": (-11, -24), "bfloat16": (-8, -133), "float32": (-24, -149), "float64": (-53, -1074)}
FAR = 100_000  # numbers below 2^−FAR or above 2^FAR are rounded as these are

Given = dict[str, Any]


# Inputs, from the text of a file


def read_inputs(entry: Given) -> Given:
    """JSON inputs as floats, lists of floats, whole numbers and names."""

    def read(found: Any) -> Any:
        if isinstance(found, list):
            return [read(item) for item in found]
        return float.fromhex(found) if (isinstance(found, str) and not found[0].isalpha()) or found == "inf" else found

    return {name: read(found["data"] if isinstance(found, dict) else found) for name, found in entry["inputs"].items()}


def logits(given: Given) -> list[arb | None]:
    """The real scores; None for a masked key."""
    if "scores" in given:
        return [None if s == -inf else number(s) for s in given["scores"]]
    extras = zip(
        given["key"],
        given.get("bias", [0.0] * len(given["key"])),
        given.get("mask", [True] * len(given["key"])),
        strict=True,
    )
    return [
        arb_truth.logit(given["query"], key, given.get("scale"), bias=bias, softcap=given.get("softcap"))
        if attended and bias > -inf
        else None
        for key, bias, attended in extras
    ]


def sums(given: Given, moved: Callable[[arb, bool], arb] = lambda s, keep: s) -> tuple[arb, arb]:
    """(Σ_T e^s, Σ_H e^s) of scores that may be moved."""
    parts: tuple[list[arb], list[arb]] = ([], [])
    for s, keep in zip(logits(given), given["kept"], strict=True):
        if s is not None:
            parts[keep].append(moved(s, keep).exp())
    return total(parts[0]), total(parts[1])


def tail_mass(given: Given) -> arb:
    tail, held = sums(given)
    return tail / (tail + held)


def kl(given: Given) -> arb:
    tail, held = sums(given)
    return (tail / held).log1p()


def total_variation(given: Given) -> arb:
    """From its definition, unless that cancels to nothing at any precision that is tried."""
    if tail_mass(given) < arb((1, -PRECISIONS[-1])):
        return tail_mass(given)
    scores, kept = [-inf if s is None else s for s in given["scores"]], np.array(given["kept"])
    return arb_truth.total_variation(scores, kept)


def squared_hellinger(given: Given) -> arb:
    """1 − √(1 − τ); below, τ/2·(1 + τ/4 + …), of which two terms and a bound on the rest."""
    tau = tail_mass(given)
    if tau < arb((1, -PRECISIONS[-1])):
        return tau / 2 * (1 + tau / 4 + arb(0, tau))
    return 1 - (1 - tau).sqrt()


def bretagnolle_huber(given: Given) -> arb:
    """√(1 − e^{−KL}); below, √(KL·(1 − KL/2 + …))."""
    divergence = kl(given)
    if divergence < arb((1, -PRECISIONS[-1])):
        return root(divergence * (1 + arb(0, divergence)))
    return root(1 - (-divergence).exp())


def optimal_tail_mass(given: Given) -> arb:
    return smallest([tail_mass(given | {"kept": kept}) for kept in kept_sets(given["scores"], given["k"])])


def kept_sets(scores: list[float], k: int) -> list[list[bool]]:
    """Every set of k keys that holds weight."""
    keys = [i for i, s in enumerate(scores) if s > -inf]
    chosen = itertools.combinations(range(len(scores)), k)
    return [[i in chosen_keys for i in range(len(scores))] for chosen_keys in chosen if set(chosen_keys) & set(keys)]


# Bounds


def log_sum_exp(given: Given, way: int) -> arb:
    exact = Fraction(given["kept_lse"]) - Fraction(given["all_lse"]) - way * 2 * abs(Fraction(given.get("error", 0.0)))
    return -number(min(exact, Fraction(0))).expm1()


def gap(given: Given) -> arb:
    inside = [s for s, keep in zip(given["scores"], given["kept"], strict=True) if keep]
    outside = [s for s, keep in zip(given["scores"], given["kept"], strict=True) if not keep]
    return number(min(inside)) - number(max(outside))


def gap_bound(given: Given) -> arb:
    tail = (-number(given["gap"])).exp() * (given["n"] - given["k"])
    return tail / (tail + given["k"])


def sufficient_gap(given: Given) -> arb:
    eps = Fraction(given["eps"])
    return number((given["n"] - given["k"]) * (1 - eps) / (given["k"] * eps)).log()


def multi_gap_bound(given: Given) -> arb:
    known, k, n = given["top_scores"], given["k"], given["n"]
    unseen = arb_truth.weight(given.get("unseen_upper", known[-1])) * (n - len(known))
    weights = [arb_truth.weight(s) for s in known]
    return (total(weights[k:]) + unseen) / (total(weights) + unseen)


def blockwise(given: Given, tail_of: Callable[[list[Fraction], Fraction, Fraction], arb], *, upper: bool) -> arb:
    tail, held = arb(0), arb(0)
    keys = [
        (Fraction(s), b, keep)
        for s, b, keep in zip(given["scores"], given["blocks"], given["kept"], strict=True)
        if s > -inf
    ]
    for label in {b for _, b, _ in keys}:
        inside = [s for s, b, _ in keys if b == label]
        dropped = [s for s, b, keep in keys if b == label and not keep]
        if dropped:
            tail += tail_of(dropped, min(inside), max(inside))
        held += number(min(inside) if upper else max(inside)).exp() * (len(inside) - len(dropped))
    return tail / (tail + held)


def extremes(*, upper: bool) -> Callable[[list[Fraction], Fraction, Fraction], arb]:
    return lambda dropped, low, high: number(high if upper else low).exp() * len(dropped)


def jensen(dropped: list[Fraction], low: Fraction, high: Fraction) -> arb:
    return number(sum(dropped) / Fraction(len(dropped))).exp() * len(dropped)


def chord(dropped: list[Fraction], low: Fraction, high: Fraction) -> arb:
    """Key by key: each score lies on the chord's segment."""
    if low == high:
        return jensen(dropped, low, high)
    slope = (number(high).exp() - number(low).exp()) / number(high - low)
    return total([number(low).exp() + slope * number(s - low) for s in dropped])


def bennett(dropped: list[Fraction], low: Fraction, high: Fraction) -> arb:
    count = len(dropped)
    mean = sum(dropped) / Fraction(count)
    beta, variance = high - mean, sum((s - mean) ** 2 for s in dropped) / Fraction(count)
    if not beta:
        return jensen(dropped, low, high)
    spread = number(variance) * number(beta).exp() + number(beta**2) * number(-variance / beta).exp()
    return count * number(mean).exp() * spread / number(variance + beta**2)


# Outputs


def exact_distance(a: Any, b: Any) -> arb:
    return number(sum(((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(a, b, strict=True)), Fraction(0))).sqrt()


def output_error(given: Given) -> arb:
    """‖o − ô‖ from both weighted means, whatever the scores come from."""
    weights = [arb(0) if s is None else s.exp() for s in logits(given)]
    kept = [w if keep else arb(0) for w, keep in zip(weights, given["kept"], strict=True)]
    differences = []
    for column in zip(*given["value"], strict=True):
        full, held = (
            total([w * number(v) for w, v in zip(chosen, column, strict=True)]) / total(chosen)
            for chosen in (weights, kept)
        )
        differences.append(full - held)
    return arb_truth.norm(differences)


def of_values(function: Callable[..., arb], *more: str) -> Callable[[Given], arb]:
    return lambda g: function(g["scores"], np.array(g["kept"]), g["value"], *(g[name] for name in more))


def best_output_bound(given: Given) -> arb:
    bounds = (arb_truth.norm_bound, arb_truth.diameter_bound, arb_truth.variance_bound)
    return smallest([of_values(bound)(given) for bound in bounds])


def best_partition(given: Given) -> arb:
    """The least diameter over every split, by trying them all."""
    value = [[Fraction(x) for x in row] for row in given["value"]]
    n = len(value)
    apart = [[sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for b in value] for a in value]
    rank = {x: place for place, x in enumerate(sorted({x for row in apart for x in row}))}
    table = np.array([[rank[x] for x in row] for row in apart])
    least = len(rank)
    for code in range(1, 1 << (n - 1)):
        side = np.array([code >> i & 1 for i in range(n)], dtype=bool)
        least = min(least, int(table[side][:, ~side].max()))
    return number(next(x for x, place in rank.items() if place == least)).sqrt()


# Rounding of scores


def perturbed(given: Given, way: int) -> arb:
    delta = number(given["radius"])
    tail, held = sums(given, lambda s, keep: s - way * delta if keep else s + way * delta)
    return tail / (tail + held)


def dot_radius(given: Given, name: str) -> tuple[arb, Fraction, Fraction]:
    """(γ_d Σ|q_l k_l| + 2dη, u, η)."""
    power, least = ROUNDOFFS[name]
    u, eta, d = Fraction(2) ** power, Fraction(2) ** least, len(given["query"])
    products = sum(abs(Fraction(a) * Fraction(b)) for a, b in zip(given["query"], given["key"][0], strict=True))
    return number(d * u / (1 - d * u) * products + 2 * d * eta), u, eta


def score_radius(given: Given) -> arb:
    """What each rounding may add: product with the scale (relative e of a rounded 1/√d), then storing."""
    radius, u, eta = dot_radius(given, given.get("accumulator", "float32"))
    power, least = ROUNDOFFS[given.get("stored", "float32")]
    dot = number(abs(arb_truth.dot(given["query"], given["key"][0])))
    scale = 1 / number(float(len(given["query"]))).sqrt() if "scale" not in given else abs(number(given["scale"]))
    e = Fraction(0) if "scale" in given else 2 * u + 4 * u * u
    grown = number((1 + e) * (1 + u))
    computed = scale * ((dot + radius) * grown - dot) + number(eta)
    return computed + number(Fraction(2) ** power) * (scale * dot + computed) + number(Fraction(2) ** least)


def smallest_k(given: Given) -> arb:
    """The first k that Arb proves enough; and Arb proves one fewer too few."""
    ordered = sorted((s for s in given["scores"] if s > -inf), reverse=True)
    for k in range(1, len(ordered) + 1):
        tau = tail_mass({"scores": ordered, "kept": [i < k for i in range(len(ordered))]})
        if tau <= number(given["eps"]):
            return arb(k)
        assert tau > number(given["eps"]), "Arb cannot tell τ from ε"
    raise AssertionError("all keys together leave more than ε")


def survival(x: arb) -> arb:
    return (x / arb(2).sqrt()).erfc() / 2


def survival_quantile(p: arb) -> arb:
    return arb(2).sqrt() * ((1 - 2 * p).erfinv() if p > 1e-5 else (2 * p).erfcinv())


def gaussian_tail_mass(given: Given) -> arb:
    if given["kappa"] == 1:
        return arb(0)
    return survival(number(given["sigma"]) - survival_quantile(number(given["kappa"])))


TRUTHS: dict[str, Callable[[Given], arb]] = {
    "tail_mass": tail_mass,
    "total_variation": total_variation,
    "kl": kl,
    "renyi": kl,
    "chi_squared": lambda g: sums(g)[0] / sums(g)[1],
    "squared_hellinger": squared_hellinger,
    "pinsker": lambda g: root(kl(g) / 2),
    "bretagnolle_huber": bretagnolle_huber,
    "optimal_tail_mass": optimal_tail_mass,
    "tail_mass_from_log_sum_exp_lower": lambda g: log_sum_exp(g, -1),
    "tail_mass_from_log_sum_exp_upper": lambda g: log_sum_exp(g, 1),
    "gap": gap,
    "gap_bound": gap_bound,
    "sufficient_gap": sufficient_gap,
    "multi_gap_bound": multi_gap_bound,
    "block_bound_lower": lambda g: blockwise(g, extremes(upper=False), upper=False),
    "block_bound_upper": lambda g: blockwise(g, extremes(upper=True), upper=True),
    "block_mean_bound_lower": lambda g: blockwise(g, jensen, upper=False),
    "block_mean_bound_upper": lambda g: blockwise(g, chord, upper=True),
    "block_variance_bound_upper": lambda g: blockwise(g, bennett, upper=True),
    "output_error": output_error,
    "norm_bound": of_values(arb_truth.norm_bound),
    "recentred_norm_bound": of_values(arb_truth.norm_bound, "centre"),
    "diameter_bound": of_values(arb_truth.diameter_bound),
    "variance_bound": of_values(arb_truth.variance_bound),
    "best_output_bound": best_output_bound,
    "best_partition": best_partition,
    "gaussian_tail_mass": gaussian_tail_mass,
    "gaussian_fraction": lambda g: survival(number(g["sigma"]) - survival_quantile(number(g["eps"]))),
    "smallest_k": smallest_k,
    "perturbed_tail_mass_lower": lambda g: perturbed(g, -1),
    "perturbed_tail_mass_upper": lambda g: perturbed(g, 1),
    "perturbation_total_variation": lambda g: (number(g["radius"]) / 2).tanh(),
    "dot_product_radius": lambda g: dot_radius(g, g.get("accumulator", "float32"))[0],
    "score_radius": score_radius,
}


# Roundings of an exact number mantissa·2^exponent, by integer division


def dyadic(x: arb) -> tuple[int, int]:
    mantissa, exponent = x.man_exp()
    return int(mantissa), int(exponent)


def to_nearest(mantissa: int, exponent: int, target: tuple[int, int, int]) -> float:
    """To nearest, ties to even."""
    precision, least, beyond = target
    size, top = abs(mantissa), exponent + abs(mantissa).bit_length()
    if not size or top < least - 1:
        return 0.0
    if top > beyond + 1:
        return inf if mantissa > 0 else -inf
    drop = max(top - precision, least) - exponent
    if drop <= 0:
        kept = size << -drop
    else:
        kept, rest = divmod(size, 1 << drop)
        kept += 2 * rest > 1 << drop or (2 * rest == 1 << drop and kept % 2 == 1)
    power = exponent + drop
    if kept.bit_length() + power > beyond:
        return inf if mantissa > 0 else -inf
    return float(Fraction(kept) * Fraction(2) ** power) * (1 if mantissa > 0 else -1)


def to_113_bits(mantissa: int, exponent: int, way: str) -> tuple[int, int]:
    """Down or up, as (odd mantissa, exponent)."""
    drop = abs(mantissa).bit_length() - 113
    if drop > 0:
        mantissa = -(-mantissa >> drop) if way == "upper" else mantissa >> drop
        exponent += drop
    return odd(mantissa, exponent)


def odd(mantissa: int, exponent: int) -> tuple[int, int]:
    if not mantissa:
        return 0, 0
    zeros = (mantissa & -mantissa).bit_length() - 1
    return mantissa >> zeros, exponent + zeros


def from_hex(text: str) -> tuple[int, int]:
    """ "-0x1.8p-3" as (odd mantissa, exponent)."""
    minus, digits = text.startswith("-"), text.lstrip("-").removeprefix("0x")
    head, _, power = digits.partition("p")
    whole, _, part = head.partition(".")
    mantissa = int(whole + part, 16)
    return odd(-mantissa if minus else mantissa, int(power) - 4 * len(part))


def to_decimal(mantissa: int, exponent: int, digits: int) -> Decimal:
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emax=10**15, Emin=-(10**15))
    if exponent >= 0:
        return context.plus(Decimal(mantissa << exponent))
    return context.divide(Decimal(mantissa), Decimal(1 << -exponent))


def rounded_fields(ends: list[tuple[int, int]], entry: Given) -> dict[str, set[Any]]:
    """Each field of the entry with what every end of a ball rounds to: one result where the ball decides it."""
    found: dict[str, set[Any]] = {name: {to_nearest(*end, target) for end in ends} for name, target in FORMATS.items()}
    found |= {way: {to_113_bits(*end, way) for end in ends} for way in ("lower", "upper")}
    if "decimal" in entry:
        digits = len(entry["decimal"].lstrip("-").partition("e")[0].replace(".", ""))
        found["decimal"] = {to_decimal(*end, digits) for end in ends}
    return found


def stated(entry: Given, name: str) -> Any:
    if name == "decimal":
        return Decimal(entry[name])
    return from_hex(entry[name]) if name in ("lower", "upper") else float.fromhex(entry[name])


def disagreements(entry: Given) -> list[str]:
    """The fields of a case that Arb contradicts or cannot confirm, with what it says; none if all is well."""
    given, before = read_inputs(entry), ctx.prec
    try:
        if "exact" in entry:
            ctx.prec = PRECISIONS[2]
            return of_exact(entry, TRUTHS[entry["quantity"]](given))
        for ctx.prec in PRECISIONS:
            truth = TRUTHS[entry["quantity"]](given)
            if truth.is_finite():
                fields = rounded_fields([dyadic(truth.lower()), dyadic(truth.upper())], entry)
                if all(len(results) == 1 for results in fields.values()):
                    return wrong_fields(entry, fields, f"Arb has {truth.str(45)}")
        return [f"{entry['case']}: Arb cannot decide at {PRECISIONS[-1]} bits, and no exact value is claimed"]
    finally:
        ctx.prec = before


def of_exact(entry: Given, truth: arb) -> list[str]:
    """A claimed rational that Arb cannot tell from the truth, though it would see 2^−2000 of it: its own roundings."""
    exact = Fraction(entry["exact"])
    size = number(abs(exact)) if exact else arb((1, -2000))
    if not (truth.contains(number(exact)) and arb(truth.rad()) < size * arb((1, -2000))):
        return [f"{entry['case']}: exact is {entry['exact']}, Arb has {truth.str(45)}"]
    power = 3000 + exact.denominator.bit_length()
    scaled = exact * 2**power
    ends = [(scaled.numerator // scaled.denominator, -power), (-(-scaled.numerator // scaled.denominator), -power)]
    return wrong_fields(entry, rounded_fields(ends, entry), f"the exact number is {exact}")


def wrong_fields(entry: Given, fields: dict[str, set[Any]], why: str) -> list[str]:
    wrong = [name for name, results in fields.items() if results != {stated(entry, name)}]
    return [f"{entry['case']}: {name} is {entry[name]}, and {why}" for name in wrong]
