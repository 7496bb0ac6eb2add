"""Scores in, certificate out: the fast kernels choose the keys and prove the claims (T23); `certify.audit` can check
every one of them.

This room is a producer. It knows what a certificate is and nothing of the rooms that judge one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import float_kernels
from certify.certificate import Certificate, Header
from certify.errors import BadInput, BadKept, BadScores, BadValues
from certify.kernel_errors import kernel_errors
from certify.tensors import Array
from float_kernels.exponential import Grade
from float_kernels.f_divergences import log1p_upper

__all__ = ["from_inputs", "topk", "topk_from_query"]

PRODUCER = "topk-certify, float_kernels"
_PIECE = 1 << 22  # logits between two steps of the progress bar


def topk(
    scores: ArrayLike,
    *,
    k: int | None = None,
    eps: float | None = None,
    values: ArrayLike | None = None,
    kv_groups: int = 1,
    grade: Grade = "fast",
    progress: Callable[[int, int], None] | None = None,
) -> Certificate:
    """Keep the top `k` keys of every row, or the fewest that leave at most `eps`, and certify what that costs.

    scores [*rows, n]: nats, float16, bfloat16, float32 or float64, −∞ for a masked key; a single row [n] becomes rows
    (1,). values [*kv, n, dv], as in a bundle: rows [..., heads, queries] share [..., heads/kv_groups, n, dv], rows
    [queries] share [n, dv]. Give exactly one of k and eps. Ties go to the lower index.
    Claims, level `scores`, all sound under rounding: tv_lower ≤ τ ≤ tv_upper (T1, T23), kl_upper (T2), a true top-k
    (T21), output_error_upper (T10) where there are values, and smallest_k_for where eps is given and every row's k − 1
    is proved too few. Raises BadScores, BadKept, BadValues, BadInput naming the row.
    """
    array = np.asarray(scores)
    if array.ndim == 1:
        array = array[None]
    _one_of(k, eps)
    _check_choice(k, grade)
    value = None if values is None else np.asarray(values)
    if array.ndim < 2 or array.size == 0:
        raise BadScores(f"scores have shape {np.shape(scores)}; give [*rows, n] with at least one row and one key")
    rows = array.shape[:-1]
    # Pieces along the first axis, for the progress bar; values are shared below it unless rows are one axis alone.
    pieces = _pieces(array)
    found: list[dict[str, Array]] = []
    for done, piece in enumerate(pieces):
        part = value
        if value is not None and len(rows) > 2:
            part = value[piece]
        with kernel_errors():
            found.append(_claims(array[piece], part, k, eps, kv_groups if len(rows) > 1 else 1, grade))
        if progress is not None:
            progress(done + 1, len(pieces))
    joined: dict[str, Any] = {name: np.concatenate([claims[name] for claims in found]) for name in found[0]}
    if eps is not None and joined.pop("proved").all():
        joined["smallest_k_for"] = np.full(rows, eps)
    return Certificate(
        scores=array, value=value, level="scores", top_k=True, producer=PRODUCER, kv_groups=kv_groups, **joined
    )


def topk_from_query(
    query: ArrayLike,
    key: ArrayLike,
    *,
    k: int | None = None,
    eps: float | None = None,
    scale: float | None = None,
    mask: ArrayLike | None = None,
    kv_groups: int = 1,
    grade: Grade = "fast",
) -> Certificate:
    """The same at level `query-key`: claims about the real numbers q·k·scale, sound after the rounding of the
    products (T22).

    query [*rows, d], key [*kv, n, d]; `scale` a float, or None for the real 1/√d; mask bool [*rows, n], true =
    attended. Products are accumulated in float64. The claims are tv_lower, tv_upper and kl_upper of the kept set;
    that the set is a true top-k, or the smallest, is not claimed, since scores closer than their rounding cannot be
    told apart.
    """
    _one_of(k, eps)
    _check_choice(k, grade)
    q, keys = np.asarray(query), np.asarray(key)
    grouped = _expand(keys, q.shape[:-1], kv_groups)
    attended = None if mask is None else np.asarray(mask)
    with kernel_errors():
        scores, radius = float_kernels.dot(q, grouped, scale=scale, accumulator="float64")
        if attended is not None:
            scores = np.where(attended, scores, -np.inf)
        if k is not None:
            kept = float_kernels.top_k(scores, k, grade=grade).kept
        elif eps is not None:
            # Scores off by r on either side move the odds of tail against kept by at most e^{2r}: aim below ε by that.
            aim = eps * max(1.0 - 4.0 * float(np.max(radius)), 0.5)
            kept = float_kernels.smallest_k(scores, aim, grade=grade).kept
        lower, upper = float_kernels.perturbed_tail_mass(scores, kept, radius, grade=grade)
        kl_upper = _kl_of(upper)
    return Certificate(
        query=q,
        key=keys,
        mask=attended,
        kept=kept,
        tv_lower=lower,
        tv_upper=upper,
        kl_upper=kl_upper,
        level="query-key",
        scale=scale,
        kv_groups=kv_groups,
        accumulator="float64",
        producer=PRODUCER,
    )


def from_inputs(
    header: Header,
    inputs: Mapping[str, Array],
    *,
    k: int | None = None,
    eps: float | None = None,
    grade: Grade = "fast",
    progress: Callable[[int, int], None] | None = None,
) -> Certificate:
    """The certificate of a bundle's inputs, at the bundle's own level. Raises BadInput for what the kernels do not
    cover.
    """
    if header.level == "scores":
        return topk(
            inputs["scores"],
            k=k,
            eps=eps,
            values=inputs.get("value"),
            kv_groups=header.kv_groups,
            grade=grade,
            progress=progress,
        )
    if "bias" in inputs or header.softcap is not None:
        raise BadInput(
            "a bias or soft-cap is not covered by the fast dot product; certify the scores themselves instead"
        )
    return topk_from_query(
        inputs["query"],
        inputs["key"],
        k=k,
        eps=eps,
        scale=header.scale,
        mask=inputs.get("mask"),
        kv_groups=header.kv_groups,
        grade=grade,
    )


def _one_of(k: int | None, eps: float | None) -> None:
    if (k is None) == (eps is None):
        given = "both of k and eps are" if k is not None else "neither of k and eps is"
        raise BadInput(f"{given} given; choose how many keys to keep, or what tail mass to allow")


def _check_choice(k: int | None, grade: str) -> None:
    if k is not None and (isinstance(k, bool) or not isinstance(k, int | np.integer)):
        raise BadInput(f"k = {k!r} is not a whole number; give how many keys to keep")
    if grade not in ("fast", "exact"):
        raise BadInput(f"grade = {grade!r}; use fast or exact")


def _pieces(array: Array) -> list[slice]:
    if array.ndim == 2:
        step = max(1, _PIECE // array.shape[-1])
        return [slice(start, start + step) for start in range(0, len(array), step)]
    return [slice(start, start + 1) for start in range(len(array))]


def _claims(
    scores: Array, value: Array | None, k: int | None, eps: float | None, kv_groups: int, grade: Grade
) -> dict[str, Array]:
    found: dict[str, Array] = {}
    if k is not None:
        found["kept"] = float_kernels.top_k(scores, k, grade=grade).kept
    elif eps is not None:
        chosen = float_kernels.smallest_k(scores, eps, grade=grade)
        found["kept"], found["proved"] = chosen.kept, chosen.proved_smallest
        grade = "exact"  # a set certified to meet ε in either grade must be claimed to meet it
    found["tv_lower"], found["tv_upper"] = float_kernels.tail_mass(scores, found["kept"], grade=grade)
    found["kl_upper"] = float_kernels.kl(scores, found["kept"], grade=grade)[1]
    if not np.isfinite(found["kl_upper"]).all():
        raise BadScores(f"scores span {np.ptp(scores[np.isfinite(scores)])} nats: the KL divergence overflows float64")
    if value is not None:
        found["output_error_upper"] = _output_error(scores, found["kept"], value, kv_groups)
    return found


def _output_error(scores: Array, kept: Array, value: Array, kv_groups: int) -> Array:
    """The rows of a key/value head side by side, so that the values broadcast instead of being repeated."""
    rows, n = scores.shape[:-1], scores.shape[-1]
    if value.ndim < 2 or value.shape[-2] != n:
        raise BadValues(f"values have shape {value.shape}; rows of {n} keys need [*kv, {n}, dv]")
    if len(rows) == 1:
        return float_kernels.output_error(scores, kept, value)[1]
    if rows[-2] % kv_groups or value.shape[:-2] != (*rows[:-2], rows[-2] // kv_groups):
        raise BadValues(f"values have shape {value.shape}; rows {rows} with kv_groups = {kv_groups} do not fit them")
    grouped = (*rows[:-2], rows[-2] // kv_groups, kv_groups * rows[-1])
    upper = float_kernels.output_error(scores.reshape(*grouped, n), kept.reshape(*grouped, n), value[..., None, :, :])[
        1
    ]
    return upper.reshape(rows)


def _expand(key: Array, rows: tuple[int, ...], kv_groups: int) -> Array:
    """Keys [*kv, n, d] for every query row, as views where they are shared."""
    if len(rows) == 1 and key.ndim == 2:
        return key
    if len(rows) < 2 or key.ndim != len(rows) + 1 or rows[-2] % kv_groups:
        raise BadKept(f"query rows {rows} and keys {key.shape} with kv_groups = {kv_groups} do not fit; see the schema")
    heads = np.repeat(key, kv_groups, axis=-3)
    if heads.shape[:-2] != rows[:-1]:
        raise BadScores(
            f"query rows {rows} need keys {(*rows[:-2], rows[-2] // kv_groups)} and [n, d], not {key.shape}"
        )
    return heads[..., None, :, :]


def _kl_of(tv_upper: Array) -> Array | None:
    """−ln(1 − τ) = ln(1 + τ/(1 − τ)) rounded up, or None where a row's bound is infinite."""
    with np.errstate(divide="ignore"):
        odds = np.nextafter(tv_upper / np.nextafter(1.0 - tv_upper, -np.inf), np.inf)
    if not (tv_upper < 1.0 - 2.0**-50).all():
        return None
    bound = log1p_upper(odds)
    return bound if np.isfinite(bound).all() else None
