"""Kernels to hunt: what people write, what is sound, and everything that is not a claim at all."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

import float_kernels
from certify import enclosures

not_a_function = 3.5


def naive(scores: Any, kept: Any) -> Any:
    """1 − Σ softmax over the kept keys, in the scores' own format."""
    weights = np.exp(scores - scores.max())
    return 1 - (weights / weights.sum())[kept].sum()


def naive_batched(scores: Any, kept: Any) -> Any:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return 1 - np.where(kept, weights / weights.sum(axis=-1, keepdims=True), 0).sum(axis=-1)


def naive_list(scores: list[float], kept: list[bool]) -> float:
    from math import exp

    weights = [exp(s - max(scores)) for s in scores]
    return 1 - sum(w / sum(weights) for w, keep in zip(weights, kept, strict=True) if keep)


def naive_torch(scores: Any, kept: Any) -> Any:
    import torch

    return 1 - torch.softmax(scores, dim=-1)[kept].sum()


def naive_lower(scores: Any, kept: Any) -> Any:
    """A float32 tail sum, claimed as a lower bound."""
    weights = np.exp((scores - scores.max()).astype(np.float32))
    return (weights / weights.sum())[~kept].sum()


def naive_pair(scores: Any, kept: Any) -> Any:
    """Two-sided with a slack of one unit, which float32 sums do not keep."""
    middle = naive_lower(scores, kept)
    return np.nextafter(middle, np.float32(-1)), np.nextafter(middle, np.float32(2))


def naive_kl(scores: Any, kept: Any) -> Any:
    """log-sum-exp of all keys less that of the kept ones."""
    top = scores.max()
    weights = np.exp(scores - top)
    return np.log(weights.sum()) - np.log(weights[kept].sum())


def naive_output(scores: Any, kept: Any, values: Any) -> Any:
    weights = np.exp(scores - scores.max())
    full = (weights[:, None] * values).sum(axis=0) / weights.sum()
    cut = (weights[kept, None] * values[kept]).sum(axis=0) / weights[kept].sum()
    return np.sqrt(((full - cut) ** 2).sum())


def sound_pair(scores: Any, kept: Any) -> Any:
    return float_kernels.tail_mass(scores, kept)


def sound_kl(scores: Any, kept: Any) -> Any:
    return float_kernels.kl(scores, kept)


def sound_output(scores: Any, kept: Any, values: Any) -> Any:
    return float_kernels.output_error(scores, kept, values)


def _rounded(scores: Any, kept: Any, *, up: bool) -> Any:
    """τ rounded to float32, upwards or downwards: as tight as a sound claim in float32 can be."""
    truth = enclosures.tail_mass(np.asarray(scores, dtype=np.float64), kept, 128)
    nearest = np.float32(float(truth.upper))
    if up:
        return nearest if float(nearest) >= truth.upper else np.nextafter(nearest, np.float32(2))
    return nearest if float(nearest) <= truth.lower else np.nextafter(nearest, np.float32(-1))


def tight(scores: Any, kept: Any) -> Any:
    return _rounded(scores, kept, up=True)


def tight_but_for_rare_rows(scores: Any, kept: Any) -> Any:
    """Rounded up as it should be, but for one row in some hundreds, which is a last place too low."""
    rare = int(np.asarray(scores, dtype=np.float32).view(np.uint32).sum()) % 251 == 7
    return _rounded(scores, kept, up=not rare)


def raises(scores: Any, kept: Any) -> Any:
    if len(scores) == 3:
        raise ZeroDivisionError("three keys are too many\nfor me")
    return 1.0


def exits(scores: Any, kept: Any) -> Any:
    raise SystemExit(3)


def returns_nan(scores: Any, kept: Any) -> Any:
    return np.float32("nan") if len(scores) == 4 else 1.0


def returns_an_array(scores: Any, kept: Any) -> Any:
    return np.ones(3)


def returns_three(scores: Any, kept: Any) -> Any:
    return 0.0, 0.5, 1.0


def returns_text(scores: Any, kept: Any) -> Any:
    return "0.5"


def returns_none(scores: Any, kept: Any) -> Any:
    return None


def hangs(scores: Any, kept: Any) -> Any:
    while len(scores) == 3:
        time.sleep(0.01)
    return 1.0


def leaves(scores: Any, kept: Any) -> Any:
    if len(scores) == 3:
        os._exit(7)
    return 1.0


def crashes(scores: Any, kept: Any) -> Any:
    if len(scores) == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return 1.0


def crashes_batched(scores: Any, kept: Any) -> Any:
    if (scores == 3).all(axis=1).any():
        os.kill(os.getpid(), signal.SIGSEGV)
    return np.ones(len(scores))


def nan_batched(scores: Any, kept: Any) -> Any:
    return np.where((scores == 3).all(axis=1), np.nan, 1.0)


def slow(scores: Any, kept: Any) -> float:
    time.sleep(0.12)
    return 1.0


def writes(scores: Any, kept: Any) -> Any:
    """A sound claim, and then another row in the place of the one it is about."""
    claim = float_kernels.tail_mass(scores, kept)[1]
    scores[:] = 0
    kept[:] = np.arange(len(kept)) == 0
    return claim


def prints(scores: Any, kept: Any) -> Any:
    print("noise")
    return 1.0


def sound_upper_batched(scores: Any, kept: Any) -> Any:
    return float_kernels.tail_mass(scores, kept)[1]


def sound_lower(scores: Any, kept: Any) -> Any:
    return float_kernels.tail_mass(scores, kept)[0]


def sound_list(scores: list[float], kept: list[bool]) -> float:
    return float(float_kernels.tail_mass(np.array(scores), np.array(kept))[1])


def sound_upper_kl(scores: Any, kept: Any) -> Any:
    return float_kernels.kl(scores, kept)[1]


def sound_upper_output(scores: Any, kept: Any, values: Any) -> Any:
    return float_kernels.output_error(scores, kept, values)[1]
