"""A row that breaks a kernel: the claim, the truth, by how much, and a regression test to paste."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import Any, Literal

import numpy as np

from certify.interval import Interval, Raw
from certify.soundness.float_formats import exactly, format_named
from certify.soundness.kernels import Claims
from certify.soundness.question import Question, RowBatch
from certify.soundness.truth import enclosure_beyond, exact_row

__all__ = ["Counterexample", "counterexample_of", "hexadecimal", "hexadecimal_row"]

_SYMBOLS = {"tail": "τ", "kl": "KL(P̂‖P)", "output": "‖o − ô‖₂"}
_ENCLOSURES = {"tail": "tail_mass", "kl": "kl", "output": "output_error"}
_DIGITS = 25


def hexadecimal(numbers: Any) -> list[str]:
    """float.hex of each number, exactly."""
    return [float(x).hex() for x in np.asarray(numbers, dtype=np.float64)]


def hexadecimal_row(row: RowBatch) -> dict[str, Any]:
    """A batch of one row, exactly, for JSON; decimals are the shortest that read back as the same float64."""
    return {
        "scores": hexadecimal(row.exact_scores[0]),
        "scores_decimal": [repr(x) for x in row.exact_scores[0].tolist()],
        "kept": row.kept[0].tolist(),
        "values": None if row.values is None else [hexadecimal(vector) for vector in exactly(row.values[0])],
    }


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A claim that is refuted, proved by `truth`, which lies wholly beyond it.

    row: the scores, kept set and values, a batch of one. side: which bound was claimed. claimed: the number that the
    kernel returned, exactly, in the format `claim_format`. family: where the row came from; `witness` the theorem that
    the family strains. found_keys: how many keys the row had before it was shrunk.
    """

    kernel: str
    question: Question
    row: RowBatch
    side: Literal["upper", "lower"]
    claimed: float
    claim_format: str
    pair: bool
    truth: Interval
    family: str
    witness: str
    found_keys: int

    @property
    def symbol(self) -> str:
        return _SYMBOLS[self.question.quantity]

    @cached_property
    def gap(self) -> Fraction | None:
        """The least distance between the truth and the claim, exactly; None for an infinite claim."""
        if self.claimed in (inf, -inf):
            return None
        end = _fraction((self.truth.lower if self.side == "upper" else self.truth.upper)._mpf_)
        return abs(end - Fraction(self.claimed))

    @property
    def ulps(self) -> float:
        """The violation in units in the last place of the truth, in the claim's own format; rounded down."""
        if self.gap is None:
            return inf
        return _down(self.gap / format_named(self.claim_format).last_place(_fraction(self.truth.lower._mpf_)))

    @property
    def relative(self) -> float:
        """The violation relative to the truth, rounded down; +∞ where the truth is 0."""
        most = _fraction(self.truth.upper._mpf_)
        return inf if self.gap is None or not most else _down(self.gap / most)

    @property
    def relation(self) -> str:
        """What was claimed: "truth ≤ claim" or "truth ≥ claim"."""
        return f"{self.symbol} {'≤' if self.side == 'upper' else '≥'} {self.claimed!r}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: floats in hexadecimal and decimal, the truth as decimals rounded outward."""
        lower, upper = self.truth.digits(_DIGITS)[1:-1].split(", ")
        return {
            **hexadecimal_row(self.row),
            "side": self.side,
            "claimed": self.claimed.hex(),
            "claimed_decimal": repr(self.claimed),
            "claim_format": self.claim_format,
            "truth": {"lower": lower, "upper": upper},
            "violation": {"ulps": self.ulps, "relative": self.relative},
            "family": self.family,
            "witness": self.witness,
            "found_keys": self.found_keys,
            "regression_test": self.regression_test(),
        }

    def regression_test(self) -> str:
        """A pytest test that fails on the kernel as it is, and passes on one that is sound for this row."""
        question = self.question
        enclosure = _ENCLOSURES[question.quantity]
        arguments, exact = _arguments(question), "scores, kept" + (", values" if question.quantity == "output" else "")
        names = "lower, upper" if self.pair else self.side
        index = "[0]" if question.batched else ""
        bits = max(256, self.truth.bits)
        holds = (
            f"{enclosure}({exact}, bits={bits}).lower <= float(upper{index})"
            if self.side == "upper"
            else f"float(lower{index}) <= {enclosure}({exact}, bits={bits}).upper"
        )
        lines = [
            *_imports(self.kernel, question),
            "",
            "",
            f"def test_{question.quantity}_{self.side}_on_the_row_that_broke_it() -> None:",
            f"    # claimed {self.relation} ({self.claimed.hex()}); the truth lies in {self.truth.digits(20)}",
            f"    scores = np.array([float.fromhex(x) for x in {_words(hexadecimal(self.row.exact_scores[0]))}])",
            f"    kept = np.array({self.row.kept[0].tolist()})",
        ]
        if self.row.values is not None:
            vectors = [f"[float.fromhex(x) for x in {_words(hexadecimal(v))}]" for v in exactly(self.row.values[0])]
            lines += ["    values = np.array([", *(f"        {vector}," for vector in vectors), "    ])"]
        lines += [f"    {names} = kernel({arguments})", f"    assert {holds}", ""]
        return "\n".join(lines)


def counterexample_of(
    kernel: str, question: Question, row: RowBatch, claims: Claims, family: str, witness: str, found_keys: int
) -> Counterexample | None:
    """The counterexample that this row is, proved by an enclosure of the truth; None where its claims stand."""
    exact, kept = exact_row(row, 0), row.kept[0]
    sides: tuple[tuple[Literal["upper", "lower"], float], ...] = (
        ("upper", float(claims.upper[0])),
        ("lower", float(claims.lower[0])),
    )
    for side, claimed in sides:
        if claimed == (inf if side == "upper" else -inf):
            continue
        truth = enclosure_beyond(question.quantity, exact, kept, claimed, upper=side == "upper")
        if truth is not None:
            return Counterexample(
                kernel=kernel,
                question=question,
                row=row,
                side=side,
                claimed=claimed,
                claim_format=claims.format,
                pair=claims.pair,
                truth=truth,
                family=family,
                witness=witness,
                found_keys=found_keys,
            )
    return None


def _fraction(raw: Raw) -> Fraction:
    sign, mantissa, exponent, _ = raw
    return Fraction(-int(mantissa) if sign else int(mantissa)) * Fraction(2) ** exponent


def _down(value: Fraction) -> float:
    """The largest float64 that is not above a non-negative fraction."""
    try:
        nearest = float(value)
    except OverflowError:
        return float(np.finfo(np.float64).max)
    return nearest if Fraction(nearest) <= value else float(np.nextafter(nearest, 0.0))


def _words(items: list[str]) -> str:
    return f'"{" ".join(items)}".split()'


def _imports(kernel: str, question: Question) -> list[str]:
    module, _, name = kernel.rpartition(":")
    module = module.rpartition("/")[2].removesuffix(".py")
    found = ["import ml_dtypes"] if question.dtype == "bfloat16" and question.array == "numpy" else []
    found += ["import numpy as np"]
    found += ["import torch"] if question.array == "torch" else []
    found += ["", f"from certify.enclosures import {_ENCLOSURES[question.quantity]}"]
    if not all(part.isidentifier() for part in name.split(".")):
        return [*found, "from your_module import your_kernel as kernel  # the hunted kernel was a local function"]
    first, _, rest = name.partition(".")
    if rest:
        return [*found, f"from {module} import {first}", "", f"kernel = {name}"]
    return [*found, f"from {module} import {name} as kernel"]


def _arguments(question: Question) -> str:
    """The arguments of the call, made from the exact float64 arrays `scores`, `kept` and `values`."""
    many = "[None]" if question.batched else ""
    if question.array == "list":
        floats, bools = "{0}" + many + ".tolist()", "{0}" + many + ".tolist()"
    elif question.array == "torch":
        floats, bools = "torch.tensor({0}" + many + f", dtype=torch.{question.dtype})", "torch.tensor({0}" + many + ")"
    else:
        home = "ml_dtypes" if question.dtype == "bfloat16" else "np"
        floats, bools = "{0}" + many + f".astype({home}.{question.dtype})", "{0}" + many
    parts = [floats.format("scores"), bools.format("kept")]
    return ", ".join([*parts, floats.format("values")] if question.values else parts)
