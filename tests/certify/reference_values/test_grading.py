"""Grading: every verdict, every trap, our kernels (all sound), the naive script (falls), files that cannot be read."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import ml_dtypes
import numpy as np
import pytest

import float_kernels
from certify.errors import BadInput, BadResults, BadVectors
from certify.examples import example
from certify.interval import Interval
from certify.reference_values.grading import EXACT_BITS, Grade, Report, grade
from certify.reference_values.suite import shipped
from certify.reference_values.vectors import Answer, Truth, read_results, read_vectors

TRUTHS = read_vectors(shipped())
CASES: list[dict[str, Any]] = json.loads(shipped().read_text())["cases"]
RESULTS_SCHEMA = Path(__file__).parents[3] / "certify" / "schemas" / "topk-results-1.json"
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}


def graded(case: str, **numbers: Any) -> Grade:
    return grade("x", [Answer(case, numbers.pop("format", "binary64"), **numbers)], TRUTHS).grades[0]


THIRD = "edge/third/tail_mass"
LAST = math.ulp(1 / 3)


@pytest.mark.parametrize(
    ("numbers", "verdict", "bits"),
    [
        ({"value": 1 / 3}, "correct", 53),
        ({"value": 1 / 3 + LAST}, "faithful", 52),
        ({"value": 1 / 3 - LAST}, "inexact", 51),
        ({"value": 0.25}, "inexact", 1),
        ({"value": 0.0}, "wrong", 0),
        ({"value": 1.0}, "wrong", 0),
        ({"value": -math.inf}, "wrong", 0),
        ({"value": math.nan}, "unsound", 0),
        ({"value": float(np.float32(1 / 3)), "format": "binary32"}, "correct", 24),
        ({"lower": 1 / 3, "upper": 1 / 3 + LAST}, "sound", 52),
        ({"lower": 0.25, "upper": 0.5}, "sound", 0),
        ({"lower": 1 / 3, "upper": 1 / 3}, "unsound", 0),
        ({"lower": 1 / 3 + LAST, "upper": 1.0}, "unsound", 0),
        ({"upper": 1 / 3}, "unsound", 0),
        ({"upper": 1 / 3 + LAST}, "sound", 52),
        ({"lower": 1 / 3}, "sound", 53),
        ({"lower": -math.inf, "upper": math.inf}, "sound", 0),
        ({"lower": math.inf}, "unsound", 0),
        ({"lower": 0.0, "upper": math.nan}, "unsound", 0),
    ],
)
def test_verdicts(numbers: dict[str, Any], verdict: str, bits: int) -> None:
    """1/3 lies 2^−54·⅓ above its binary64 number; errors are counted to the far one of the 113-bit neighbours."""
    found = graded(THIRD, **numbers)
    assert (found.verdict, found.bits) == (verdict, bits)


def test_exact_truths() -> None:
    half = "edge/half/tail_mass"
    assert graded(half, value=0.5) == Grade(half, "tail_mass", "correct", EXACT_BITS)
    assert graded(half, lower=0.5, upper=0.5).bits == EXACT_BITS
    assert graded(half, upper=math.nextafter(0.5, 0)).verdict == "unsound"
    zero = "edge/equal-values/output_error"
    assert graded(zero, value=1e-17).verdict == "inexact"
    assert graded(zero, lower=0.0, upper=0.0).verdict == "sound"


ONE, TINY = Fraction(1), Fraction(1, 2**60)
ULP, BELOW = Fraction(1, 2**52), Fraction(1, 2**53)


@pytest.mark.parametrize(
    ("x", "truth", "target", "verdict"),
    [
        (1.0, ONE - BELOW / 2, "binary64", "faithful"),
        (1.0, ONE - BELOW, "binary64", "faithful"),  # the next float below 1, where they are twice as dense
        (1.0, ONE - BELOW - TINY, "binary64", "inexact"),
        (1.0, ONE + ULP, "binary64", "faithful"),
        (1.0, ONE + ULP + TINY, "binary64", "inexact"),
        (-1.0, -ONE + BELOW + TINY, "binary64", "inexact"),
        (-1.0, -ONE + BELOW / 2, "binary64", "faithful"),
        (0.0, Fraction(1, 2**26), "binary16", "faithful"),
        (2.0**-24, Fraction(1, 2**26), "binary16", "faithful"),
        (2.0**-23, Fraction(1, 2**26), "binary16", "wrong"),
        (65504.0, Fraction(65535), "binary16", "faithful"),
        (65504.0, Fraction(65537), "binary16", "inexact"),
    ],
)
def test_neighbours(x: float, truth: Fraction, target: str, verdict: str) -> None:
    """At powers of two, zero, and the ends of the range."""
    exact = Interval.point(truth, 113).lower
    told = Truth("c", "q", "", exact, exact, {target: math.nan}, ())
    assert grade("x", [Answer("c", target, value=x)], {"c": told}).grades[0].verdict == verdict


def test_every_trap_catches_its_own_wrong_answer() -> None:
    """Both ends of its range, in every kind of answer that it is about."""
    seen = 0
    for truth in TRUTHS.values():
        for trap in truth.traps:
            for kind in trap.answer:
                for wrong in (trap.least, trap.most):
                    found = graded(truth.case, **{kind: wrong})
                    right = found.verdict == "correct"  # 0 for 1e-400
                    assert right or (found.verdict == "unsound" and trap.name in found.traps), (truth.case, trap, found)
                    seen += not right
    assert seen > 60


def test_correctly_rounded_values_and_true_bounds_fall_into_no_trap() -> None:
    for target in ("binary64", "binary32", "binary16", "bfloat16"):
        answers = [Answer(truth.case, target, value=truth.floats[target]) for truth in TRUTHS.values()]
        report = grade("perfect", answers, TRUTHS)
        assert report.count("correct") == len(TRUTHS)
        assert report.exit_code == 0
        assert not report.traps()
    bounds = [Answer(case, "binary64", lower=-math.inf, upper=math.inf) for case in TRUTHS]
    assert grade("says nothing", bounds, TRUTHS).count("sound") == len(TRUTHS)


# Our own kernels


def arrays(entry: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, found in entry["inputs"].items():
        if isinstance(found, dict):
            numbers = [
                [float.fromhex(x) for x in row] if isinstance(row, list) else float.fromhex(row)
                for row in found["data"]
            ]
            given[name] = np.array(numbers).astype(DTYPES[found["dtype"]])
        elif isinstance(found, list):
            given[name] = np.array(found)
        else:
            given[name] = float.fromhex(found) if isinstance(found, str) and "0x" in found else found
    return given


def pair(found: Any) -> tuple[float, float]:
    return float(found[0].reshape(())), float(found[1].reshape(()))


def blocks(given: dict[str, Any]) -> list[Any]:
    """Counts and extremes of each block, as the kernels take them."""
    scores, kept = given["scores"].astype(np.float64), given["kept"]
    found = []
    for label in np.unique(given["blocks"][scores > -np.inf]):
        inside = (given["blocks"] == label) & (scores > -np.inf)
        found.append([(inside & kept).sum(), (inside & ~kept).sum(), scores[inside].min(), scores[inside].max()])
    return list(np.array(found, dtype=np.float64).T)


KERNELS: dict[str, Callable[[dict[str, Any]], dict[str, float]]] = {
    "tail_mass": lambda g: both(float_kernels.tail_mass(g["scores"], g["kept"])),
    "total_variation": lambda g: both(float_kernels.tail_mass(g["scores"], g["kept"], grade="exact")),
    "kl": lambda g: both(float_kernels.kl(g["scores"], g["kept"])),
    "chi_squared": lambda g: both(float_kernels.divergences(g["scores"], g["kept"]).chi_square),
    "squared_hellinger": lambda g: both(float_kernels.divergences(g["scores"], g["kept"]).hellinger_squared),
    "output_error": lambda g: both(float_kernels.output_error(g["scores"], g["kept"], g["value"])),
    # not norm_bound: the kernel's is recentred, and so another and smaller bound
    "diameter_bound": lambda g: upper(float_kernels.output_bounds(g["scores"], g["kept"], g["value"])[1]),
    "variance_bound": lambda g: upper(float_kernels.output_bounds(g["scores"], g["kept"], g["value"])[2]),
    "gap_bound": lambda g: upper(float_kernels.gap_bound(g["gap"], 0.0, g["n"], g["k"])),
    "multi_gap_bound": lambda g: upper(
        float_kernels.multi_gap_bound(g["top_scores"], g["k"], g["n"], g.get("unseen_upper"))
    ),
    "block_bound_lower": lambda g: {"lower": pair(float_kernels.block_bound(*blocks(g)))[0]},
    "block_bound_upper": lambda g: {"upper": pair(float_kernels.block_bound(*blocks(g)))[1]},
}


def both(found: Any) -> dict[str, float]:
    return dict(zip(("lower", "upper"), pair(found), strict=True))


def upper(found: Any) -> dict[str, float]:
    return {"upper": float(np.asarray(found).reshape(()))}


def kernel_answers() -> list[Answer]:
    """Of rows of scores, and of at most 2^36 keys: the kernels refuse more."""
    asked = [entry for entry in CASES if entry["quantity"] in KERNELS and "query" not in entry["inputs"]]
    asked = [entry for entry in asked if entry["inputs"].get("n", 0) <= 1 << 36]
    return [Answer(entry["case"], "binary64", **KERNELS[entry["quantity"]](arrays(entry))) for entry in asked]


def test_our_kernels_are_all_sound() -> None:
    report = grade("float_kernels", kernel_answers(), TRUTHS)
    assert [found for found in report.grades if found.verdict != "sound"] == []
    assert report.exit_code == 0
    assert len(report.grades) > 250
    ordinary = [
        found.bits for found in report.grades if found.quantity == "tail_mass" and found.case.startswith("draw")
    ]
    assert min(ordinary) >= 24


def test_kernels_that_do_not_round_outward_are_caught() -> None:
    """The midpoint of a kernel's bounds, said to be both of them."""
    pinched = [
        Answer(a.case, a.format, lower=middle, upper=middle)
        for a in kernel_answers()
        if a.lower is not None and a.upper is not None and (middle := (a.lower + a.upper) / 2) > 0
    ]
    assert grade("pinched", pinched, TRUTHS).count("unsound") > 100


def test_the_naive_script_falls_into_traps(tmp_path: Path) -> None:
    script, results = example("naive_conformance.py"), tmp_path / "answers.json"
    subprocess.run([sys.executable, str(script), str(shipped()), str(results)], check=True)
    jsonschema.validate(json.loads(results.read_text()), json.loads(RESULTS_SCHEMA.read_text()))
    report = grade(*read_results(results, TRUTHS), TRUTHS)
    assert report.implementation == "naive NumPy"
    assert report.exit_code == 1
    assert set(report.traps()) >= {
        "KL in the wrong direction",
        "missing scale",
        "log-sum-exp in base 2",
        "missing block multiplicity",
        "block mean used as upper bound",
        "diameter over T only",
        "1 − Σ_H p (cancellation)",
        "NaN compares false and “passes”",
        "flush-to-zero hardware mode",
    }
    assert report.count("correct") > 20  # where it is right, it is told so


# Files


def written(path: Path, answers: Any, **more: Any) -> Path:
    path.write_text(json.dumps({"schema": "topk-results/1", "answers": answers} | more))
    return path


def test_answers_in_json_and_csv(tmp_path: Path) -> None:
    rows = [
        {"case": THIRD, "lower": "0x1.5p-2", "upper": 0.5},
        {"case": "edge/half/tail_mass", "value": "0.5", "format": "bfloat16"},
        {"case": "edge/half/kl", "value": "NaN"},
        {"case": "edge/half/pinsker", "upper": "-inf"},
    ]
    name, answers = read_results(written(tmp_path / "a.json", rows, implementation="mine"), TRUTHS)
    lines = ["# mine", "case,format,value,lower,upper"]
    lines += [
        f"{r['case']},{r.get('format', '')},{r.get('value', '')},{r.get('lower', '')},{r.get('upper', '')}"
        for r in rows
    ]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    other, same = read_results(tmp_path / "b.csv", TRUTHS)
    assert (name, other) == ("mine", "b")
    assert repr(same) == repr(answers)
    assert answers[0] == Answer(THIRD, "binary64", lower=0.328125, upper=0.5)
    assert answers[1] == Answer("edge/half/tail_mass", "bfloat16", value=0.5)
    assert Report("", grade("", answers, TRUTHS).grades, ()).count("unsound") == 2


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "answers no case"),
        (
            [{"case": "edge/thrid/tail_mass", "value": 1}],
            "no case 'edge/thrid/tail_mass'; did you mean 'edge/third/tail_mass'?",
        ),
        ([{"case": THIRD}], "gives nothing; give a value, or lower and upper"),
        ([{"case": THIRD, "value": 1, "upper": 2}], "gives value, upper"),
        ([{"case": THIRD, "value": "third"}], "holds 'third', which is no number"),
        ([{"case": THIRD, "value": True}], "holds True; write a number or a string"),
        ([{"case": THIRD, "value": "0x1.55p-2", "format": "bfloat16"}], "holds '0x1.55p-2', which is not a bfloat16"),
        ([{"case": THIRD, "value": "0x1.00000000000001p-2"}], "which is not a binary64"),
        ([{"case": THIRD, "value": "1e999999999"}], "no number"),
        ([{"case": THIRD, "value": 1, "format": "double"}], "format 'double'; there is binary64"),
        ([{"case": THIRD, "vale": 1}], "has 'vale'; an answer has"),
        ([{"case": THIRD, "value": 1}, {"case": THIRD, "value": 1}], "is answered twice"),
        ([THIRD], "is no answer; it needs the name of its case"),
        ({"case": THIRD}, "has no list 'answers'"),
    ],
)
def test_bad_answers(answers: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadResults) as caught:
        read_results(written(tmp_path / "a.json", answers), TRUTHS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", "[]", "holds a list; a JSON object is needed"),
        ("a.json", "{}", "its schema is None, and topk-results/1 is needed"),
        ("a.csv", "", "its columns are none"),
        ("a.csv", "case,answer\n", "its columns are case, answer"),
        ("a.csv", "case,value\n", "answers no case"),
    ],
)
def test_unreadable_answers(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadResults, match=message):
        read_results(tmp_path / name, TRUTHS)
    with pytest.raises(BadResults, match="there is no such file"):
        read_results(tmp_path / f"missing{name[1:]}", TRUTHS)
    (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadResults, match=r"is not (JSON|text)"):
        read_results(tmp_path / name, TRUTHS)


def test_changed_vectors_are_refused(tmp_path: Path) -> None:
    text = shipped().read_text()
    path = tmp_path / "v.json"
    for changed, message in (
        (text.replace("0x1.5555555555555p-1", "0x1.5555555555556p-1", 1), "does not match its sha256"),
        (text.replace("topk-reference-values/1", "topk-reference-values/2"), "and topk-reference-values/1 is needed"),
        ("nothing", "is not JSON"),
    ):
        path.write_text(changed)
        with pytest.raises(BadVectors, match=message):
            read_vectors(path)
    with pytest.raises(BadVectors, match="there is no such file"):
        read_vectors(tmp_path / "missing.json")


def test_vectors_that_do_not_fit_the_schema_are_refused(tmp_path: Path) -> None:
    from certify.reference_values.files import digest

    for entry in ({}, {"case": "x"}, CASES[0] | {"lower": "1"}, CASES[0] | {"traps": [{}]}, CASES[0] | {"binary64": 1}):
        found = {"schema": "topk-reference-values/1", "cases": [entry]}
        (tmp_path / "v.json").write_text(json.dumps(found | {"sha256": digest(found)}))
        with pytest.raises(BadVectors, match="a case is not as the schema says"):
            read_vectors(tmp_path / "v.json")
    assert issubclass(BadVectors, BadInput)
