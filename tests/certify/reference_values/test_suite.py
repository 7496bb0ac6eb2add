"""The shipped suite: Arb confirms every value, computing it anew gives the same bytes, it names every trap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from certify.reference_values import QUANTITIES
from certify.reference_values.suite import shipped
from tests.certify.reference_values.arb_oracle import FORMATS, disagreements, from_hex

CASES: list[dict[str, Any]] = json.loads(shipped().read_text())["cases"]
SCHEMA = Path(__file__).parents[3] / "certify" / "schemas" / "topk-reference-values-1.json"


def test_arb_confirms_every_value() -> None:
    assert not [line for entry in CASES for line in disagreements(entry)]


def test_every_quantity_and_every_group_is_there() -> None:
    assert {entry["quantity"] for entry in CASES} == set(QUANTITIES)
    assert set(Counter(entry["group"] for entry in CASES)) == {"edge", "hard rounding", "witness", "trap", "draw"}


def one_unit_off(name: str, stated: str) -> str:
    """The next smaller thing that a file could say."""
    if name == "exact":
        found = Fraction(stated)
        return str(Fraction(found.numerator * 10**20 + 1, found.denominator * 10**20))
    if name == "decimal":
        head, _, power = stated.partition("e")
        return f"{head[:-1]}{(int(head[-1]) + 1) % 10}e{power}"
    precision, least, _ = FORMATS.get(name, (113, -(10**400), 0))
    mantissa, exponent = from_hex(stated)
    last = max(exponent + abs(mantissa).bit_length() - precision, least)
    return f"{'-' if mantissa < 0 else ''}0x{(abs(mantissa) << (exponent - last)) - 1:x}p{last}"


@pytest.mark.parametrize("name", ["lower", "upper", "binary64", "binary32", "binary16", "bfloat16", "decimal", "exact"])
def test_a_planted_wrong_digit_is_found(name: str) -> None:
    """In ordinary cases, exact ones, ties, subnormal ones and traps."""
    tried = 0
    for entry in CASES[::3]:
        if name in entry and entry[name] not in ("0x0p+0", "inf", "0"):
            planted = deepcopy(entry)
            planted[name] = one_unit_off(name, entry[name])
            assert disagreements(planted), (entry["case"], entry[name], planted[name])
            tried += 1
    assert tried > 5


def test_a_planted_zero_or_infinity_is_found() -> None:
    entry = next(entry for entry in CASES if entry["case"] == "edge/subnormal-in-binary64/tail_mass")
    assert disagreements(entry | {"binary64": "0x0p+0"})
    entry = next(entry for entry in CASES if entry["case"] == "edge/overflow-tie-binary16/best_partition")
    assert entry["binary16"] == "inf"
    assert disagreements(entry | {"binary16": "0x1.ffcp+15"})
    assert disagreements(entry | {"binary32": "inf"})


def test_a_wrong_quantity_is_found() -> None:
    """Each value under the name of another quantity, on the same inputs."""
    swaps = {
        "tail_mass": "kl",
        "kl": "chi_squared",
        "block_mean_bound_upper": "block_bound_upper",
        "norm_bound": "diameter_bound",
    }
    for name, other in swaps.items():
        entry = next(entry for entry in CASES if entry["quantity"] == name and entry["group"] == "draw")
        assert disagreements(entry | {"quantity": other})


@pytest.fixture(scope="module")
def made_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = []
    for seed in ("1", "2"):
        folder = tmp_path_factory.mktemp("suite")
        command = [sys.executable, "-m", "certify.cli", "reference", "suite", "-o", str(folder)]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": seed})
        folders.append(folder)
    return folders[0], folders[1]


def test_the_same_command_gives_the_same_bytes(made_twice: tuple[Path, Path]) -> None:
    one, other = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in made_twice)
    assert len(one) == 5
    assert one == other
    assert one["conformance-suite.json"] == shipped().read_bytes()


def test_the_suite_is_small_and_fits_its_schema() -> None:
    assert shipped().stat().st_size < 2_000_000
    jsonschema.validate(json.loads(shipped().read_text()), json.loads(SCHEMA.read_text()))


KNOWN_MISTAKES = """
missing block multiplicity
missing scale
gap bound on a set that is not the top-k
log-sum-exp in base 2
KL in the wrong direction
block mean used as upper bound
heads pooled under grouped queries
budget rounded down
ε compared with a float τ that was rounded down
1 − Σ_H p (cancellation)
Σ_T p from a float32 softmax that does not sum to 1
exp underflow counted as zero in an upper bound
flush-to-zero hardware mode
NaN compares false and “passes”
max over a padded row
n taken from the padded length
diameter over T only
design rule used as a guarantee
"""


def in_trap(number: float, trap: dict[str, Any]) -> bool:
    return float.fromhex(trap["least"]) <= number <= float.fromhex(trap["most"])


def trapped() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    yield from ((entry, trap) for entry in CASES for trap in entry.get("traps", ()))


def test_no_trap_holds_the_truth_or_a_correct_rounding() -> None:
    """Of the formats in which the mistake is not also the right answer (0 for 1e-310 in binary32 is right)."""
    for entry, trap in trapped():
        truth = float.fromhex(entry["binary64"])
        if truth:
            assert not in_trap(truth, trap), entry["case"]
            assert not in_trap(float.fromhex(entry["binary32"]), trap) or not float.fromhex(entry["binary32"])


def test_traps_lie_on_the_side_that_their_answers_get_wrong() -> None:
    """A trap for upper bounds lies below the truth, one for lower bounds above."""
    for entry, trap in trapped():
        low, high = (
            Fraction(mantissa) * Fraction(2) ** power
            for mantissa, power in map(from_hex, (entry["lower"], entry["upper"]))
        )
        if trap["least"] != "nan":
            assert "upper" not in trap["answer"] or float.fromhex(trap["most"]) < high
            assert "lower" not in trap["answer"] or float.fromhex(trap["least"]) > low


def test_every_known_mistake_has_its_trap() -> None:
    named = {trap["name"] for _, trap in trapped()}
    assert set(KNOWN_MISTAKES.strip().splitlines()) <= named


def test_witnesses_attain_their_bounds() -> None:
    values = {entry["case"].removeprefix("witness/"): entry for entry in CASES if entry["group"] == "witness"}
    for one, other in (
        ("two-levels/tail_mass", "two-levels/gap_bound"),
        ("unseen-all-equal/tail_mass", "unseen-all-equal/multi_gap_bound"),
        ("block-extremes/tail_mass", "block-extremes/block_bound_upper"),
        ("block-extremes-swapped/tail_mass", "block-extremes-swapped/block_bound_lower"),
        ("two-level-block/tail_mass", "two-level-block/block_mean_bound_upper"),
        ("two-level-block/tail_mass", "two-level-block/block_variance_bound_upper"),
        ("equal-block/tail_mass", "equal-block/block_mean_bound_lower"),
        ("two-opposite-values/output_error", "two-opposite-values/norm_bound"),
        ("two-opposite-values/output_error", "two-opposite-values/diameter_bound"),
        ("two-opposite-values/output_error", "two-opposite-values/variance_bound"),
        ("two-opposite-values/output_error", "two-opposite-values/best_output_bound"),
        ("perturbed/raised", "perturbed/perturbed_tail_mass_upper"),
    ):
        assert (values[one]["lower"], values[one]["upper"]) == (values[other]["lower"], values[other]["upper"]), other
