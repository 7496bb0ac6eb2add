"""A peer: a certificate that somebody would write, with what it is meant to do and why it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = Literal["numpy", "torch"]
Quantity = Literal["tail", "kl", "output"]
Kept = Literal["any", "top_k"]


@dataclass(frozen=True)
class Peer:
    """An upper bound [...] for scores [..., n] and kept [..., n] (and values [..., n, d] for output errors).

    dtypes: the formats of the scores it is run in; it computes in the format that it is given unless it says otherwise.
    label: its name, by default the kernel's. ours: one of our own kernels, which answers (lower, upper).
    The first sentence of the kernel's docstring says what it is meant to do, the rest why that fails.
    """

    kernel: Callable[..., Any]
    library: str
    dtypes: tuple[str, ...]
    array: Array = "numpy"
    quantity: Quantity = "tail"
    kept: Kept = "any"
    label: str = ""
    ours: bool = False

    def bounds(self, *row: Any) -> Any:
        """The peer's answer in its own format and arrays, for `hunt`. A NaN is no claim: it is +∞."""
        with np.errstate(all="ignore"):
            answer = self.kernel(*row)
        if isinstance(answer, tuple):
            return answer
        if self.array == "torch":
            return answer.nan_to_num(nan=float("inf"), posinf=float("inf"))
        return np.where(np.isnan(answer), np.asarray(np.inf, dtype=answer.dtype), answer)

    def claims(self, *row: NDArray[Any]) -> NDArray[np.float64]:
        """The peer's upper bounds for NumPy arrays, widened exactly to float64; NaN where it says NaN."""
        with np.errstate(all="ignore"):
            if self.array == "torch":
                import torch

                with torch.no_grad():
                    answer = self.kernel(*map(_as_tensor, row)).double().numpy()
            else:
                answer = self.kernel(*row)
        return np.asarray(answer[-1] if isinstance(answer, tuple) else answer, dtype=np.float64)

    @property
    def name(self) -> str:
        return self.label or self.kernel.__name__.replace("_", " ")

    @property
    def _sentences(self) -> tuple[str, str]:
        intended, _, failure = " ".join((self.kernel.__doc__ or "").split()).partition(". ")
        return intended + ".", failure

    @property
    def intended(self) -> str:
        return self._sentences[0]

    @property
    def failure(self) -> str:
        return self._sentences[1]


def _as_tensor(part: NDArray[Any]) -> Any:
    import torch

    part = np.ascontiguousarray(part)
    if part.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(part.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(part)
