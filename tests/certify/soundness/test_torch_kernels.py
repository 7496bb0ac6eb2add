"""Kernels that take and return torch tensors: every format arrives exactly, claims come back exactly."""

from __future__ import annotations

import numpy as np
import pytest

from certify import soundness
from certify.soundness import HuntVerdict
from certify.soundness.families import draw_batch, family_named
from certify.soundness.kernels import call_batch, call_rows
from certify.soundness.question import Question, RowBatch
from tests.certify.soundness.test_counterexample import run_text

torch = pytest.importorskip("torch", reason="needs the models extra: pip install 'topk-certify[models]'")
KERNELS = "tests.certify.soundness.hunted_kernels"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_naive_tensor_kernel_breaks(dtype: str) -> None:
    found = soundness.hunt(f"{KERNELS}:naive_torch", array="torch", dtype=dtype, rows=20_000)
    assert found.verdict is HuntVerdict.BROKEN
    assert found.counterexample is not None
    assert found.counterexample.claim_format == dtype
    assert found.counterexample.row.n <= 4
    with pytest.raises(AssertionError):
        run_text(found.counterexample.regression_test())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_hold_the_very_numbers(dtype: str) -> None:
    batch = draw_batch(family_named("huge shifts"), Question(dtype=dtype), 20, 5, seed=1)

    def largest(scores, kept):  # type: ignore[no-untyped-def]
        assert scores.dtype == getattr(torch, dtype)
        assert kept.dtype == torch.bool
        return scores.max(dim=-1).values

    rows = call_rows(largest, batch, "torch", "upper", lambda _: None, lambda: False)
    together = call_batch(largest, batch, "torch", "upper")
    assert rows.upper.tolist() == together.upper.tolist() == batch.exact_scores.max(axis=-1).tolist()
    assert rows.format == together.format == dtype


def test_tensors_that_are_no_claims() -> None:
    batch = RowBatch(np.zeros((1, 2), dtype=np.float32), np.array([[True, False]]))
    for answer, words in (
        (torch.ones(3), "returned an array of shape"),
        (torch.tensor(True), "returned Tensor of torch.bool"),
        (torch.tensor(1j), "returned Tensor of torch.complex64"),
    ):
        with pytest.raises(Exception, match=words):
            call_rows(lambda s, k, answer=answer: answer, batch, "torch", "upper", lambda _: None, lambda: False)
    pair = torch.tensor([0.25, 0.75])
    claims = call_rows(lambda s, k: pair, batch, "torch", "auto", lambda _: None, lambda: False)
    assert (claims.lower.tolist(), claims.upper.tolist(), claims.pair) == ([0.25], [0.75], True)
