"""Certificates made by the fast kernels pass the audit, in every format and at both levels; bad input has this
package's own errors.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import certify
from certify.build import topk_from_query
from certify.certificate import Certificate
from certify.errors import BadInput, BadScores, BadValues
from certify.examples import example


def accepted(certificate: Certificate, *claims: str) -> None:
    audit = certify.audit(certificate)
    assert audit.all_valid, next(audit.worst_first())
    assert {claim.rule.claim for claim in audit.claims} >= set(claims)


@pytest.mark.parametrize("grade", ["fast", "exact"])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.dtype(">f4")])
@pytest.mark.parametrize("choice", [{"k": 5}, {"eps": 0.1}])
def test_every_dtype_passes_the_audit(dtype: Any, choice: dict[str, Any], grade: Any) -> None:
    r = np.random.default_rng(5)
    scores = r.normal(0, 2, (2, 4, 3, 33)).astype(dtype)
    scores[..., 20] = -np.inf
    values = r.normal(size=(2, 2, 33, 6)).astype(dtype)
    certificate = certify.topk(scores, values=values, kv_groups=2, grade=grade, **choice)
    claims = ["tv_upper", "tv_lower", "kl_upper", "output_error_upper", "top_k"]
    accepted(certificate, *claims, *(["smallest_k_for"] if "eps" in choice else []))
    assert certificate.kept.shape == scores.shape
    if "k" in choice:
        assert (certificate.k == 5).all()


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=st.floats(-1e5, 1e5, width=32)),
    st.sampled_from([1e-6, 0.01, 0.5, 0.999]),
)
def test_any_scores_and_any_eps_pass_the_audit(scores: np.ndarray[Any, Any], eps: float) -> None:
    certificate = certify.topk(scores, eps=eps)
    accepted(certificate, "tv_upper", "top_k")
    assert certificate.tv_upper is not None
    assert (certificate.tv_upper <= eps).all()


def test_one_row_becomes_rows_of_one(tmp_path: Path) -> None:
    certificate = certify.topk([0.5, 3.0, 1.0], k=2)
    assert certificate.kept.tolist() == [[False, True, True]]
    certificate.save(tmp_path / "one.json")
    assert certify.audit(tmp_path / "one.json").all_valid


@pytest.mark.parametrize("choice", [{"k": 4}, {"eps": 0.2}])
@pytest.mark.parametrize("scale", [None, 0.25])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_query_and_key_pass_the_audit(choice: dict[str, Any], scale: float | None, dtype: Any) -> None:
    r = np.random.default_rng(8)
    query = r.normal(size=(2, 4, 5, 24)).astype(dtype)
    key = r.normal(size=(2, 2, 30, 24)).astype(dtype)
    mask = r.random((2, 4, 5, 30)) < 0.8
    mask[..., 0] = True
    certificate = topk_from_query(query, key, scale=scale, mask=mask, kv_groups=2, **choice)
    accepted(certificate, "tv_upper", "tv_lower", "kl_upper")
    if "eps" in choice:
        assert certificate.tv_upper is not None
        assert (certificate.tv_upper <= 0.2).all()


def test_large_jobs_are_cut_and_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    r = np.random.default_rng(9)
    scores = r.normal(size=(50, 40)).astype(np.float32)
    values = r.normal(size=(40, 3)).astype(np.float32)
    whole = certify.topk(scores, eps=0.3, values=values)
    monkeypatch.setattr("certify.build._PIECE", 200)
    seen: list[tuple[int, int]] = []
    pieces = certify.topk(scores, eps=0.3, values=values, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10)
    for name, array in whole.tensors().items():
        assert array.tobytes() == pieces.tensors()[name].tobytes(), name


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scores": [[1.0, 2.0]]}, BadInput, "neither of k and eps"),
        ({"scores": [[1.0, 2.0]], "k": 1, "eps": 0.5}, BadInput, "both of k and eps"),
        ({"scores": [[1.0, 2.0]], "k": 3}, BadInput, "k is 3"),
        ({"scores": [[1.0, 2.0]], "eps": 1.0}, BadInput, "eps is 1.0"),
        ({"scores": [[1.0, np.nan]], "k": 1}, BadScores, "NaN"),
        ({"scores": [[1.0, np.inf]], "k": 1}, BadScores, "inf"),
        ({"scores": [[-np.inf, -np.inf]], "k": 1}, BadScores, "-inf"),
        ({"scores": np.ones((2, 2), np.int32), "k": 1}, BadScores, "int32"),
        ({"scores": np.ones((0, 2)), "k": 1}, BadScores, "at least one row"),
        ({"scores": np.ones((2, 2)), "k": 1, "values": np.ones((3, 1))}, BadValues, r"\(3, 1\)"),
        ({"scores": np.ones((2, 2)), "k": 1, "values": np.full((2, 1), np.nan)}, BadValues, "nan"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        certify.topk(**arguments)


@pytest.mark.parametrize("name", ["minilm-attention", "minilm-attention-query-key"])
@pytest.mark.parametrize("choice", [("--eps", "0.02"), ("-k", "12", "--grade", "exact")])
def test_the_command_writes_what_the_audit_accepts(tmp_path: Path, name: str, choice: tuple[str, ...]) -> None:
    output = tmp_path / "out.safetensors"
    arguments = [sys.executable, "-m", "certify.cli", "topk", str(example(f"{name}.safetensors")), "-o", str(output)]
    found = subprocess.run([*arguments, *choice], capture_output=True, text=True, check=True)
    assert "keys kept" in found.stdout
    assert found.stderr == ""
    assert certify.audit(output).all_valid


def test_the_command_refuses_and_writes_nothing(tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    source = str(example("minilm-attention.safetensors"))
    command = [sys.executable, "-m", "certify.cli", "topk", source, "-o", str(output), "-k", "1000"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == "certify: k is 1000, but the rows have 175 keys: give 1 to 175\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["topk", "-k", "2"], ["search", "--eps", "0.1"]])
def test_a_bundle_is_not_overwritten_by_its_own_certificates(command: list[str], tmp_path: Path) -> None:
    source = tmp_path / "inputs.safetensors"
    source.write_bytes(example("minilm-attention-query-key.safetensors").read_bytes())
    arguments = [sys.executable, "-m", "certify.cli", command[0], str(source), "-o", str(source), *command[1:]]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (found.returncode, "is the bundle that is read" in found.stderr) == (2, True)
    assert source.read_bytes() == example("minilm-attention-query-key.safetensors").read_bytes()
