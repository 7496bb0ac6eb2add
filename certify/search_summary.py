"""What a search cost, over all its rows: counts, quantiles, how often it fired, and both ratios people quote.

One function sums a `SearchResult` up, the others print the sum. The counts are the search's own; nothing is judged
here (`certify audit` does that, from the certificates).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from certify.scores import Floats
from certify.search import SearchResult

__all__ = ["QUANTILES", "SEARCH_SCHEMA", "SearchSummary", "as_json", "print_summary", "summary_of"]

SEARCH_SCHEMA = "topk-search/1"
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class SearchSummary:
    """Counts of one search. A product is one dot product of the query, with a key or with the mean of a cell; dense
    attention computes one for every attended key.

    fired: rows whose promise held by the search's own bounds; fell_back: rows that were scored whole after all.
    ratio_of_means: attended keys of all rows / products of all rows. mean_of_ratios: the mean over the rows of attended
    keys / products; a few easy rows raise it. Both again for scored keys alone, which is what the paper counts. bytes:
    bytes of keys that dense attention reads / bytes that the search read. quantiles: per row, at `QUANTILES`.
    """

    method: str
    eps: float | None
    rows: int
    keys: int
    fired: int
    fell_back: int
    ratio_of_means: float
    mean_of_ratios: float
    ratio_of_means_keys_alone: float
    mean_of_ratios_keys_alone: float
    bytes_ratio: float
    largest_tv_upper: float
    quantiles: Mapping[str, tuple[float, ...]]


def summary_of(result: SearchResult) -> SearchSummary:
    """Sum a search up. A row of a masked bundle is compared with the keys that it attends."""
    certificate = result.certificate
    assert certificate.key is not None
    n, d = certificate.key.shape[-2:]
    shape = result.fires.shape
    attended = np.full(shape, n) if certificate.mask is None else np.count_nonzero(certificate.mask, axis=-1)
    attended = attended.reshape(shape).astype(np.float64)
    keys = result.scored_keys.astype(np.float64)
    products = keys + result.cell_scores
    ratios, ratios_alone = attended / np.maximum(products, 1), attended / np.maximum(keys, 1)
    columns: dict[str, Floats | NDArray[Any]] = {
        "attended keys": attended,
        "kept keys": result.k,
        "scored keys": keys,
        "scored means": result.cell_scores,
        "products": products,
        "attended / products": ratios,
        "tv_upper": result.tv_upper,
    }
    if result.l1_upper is not None:
        columns["l1_upper / 2"] = result.l1_upper / 2
    return SearchSummary(
        method=result.method,
        eps=result.eps,
        rows=result.fires.size,
        keys=n,
        fired=int(np.count_nonzero(result.fires)),
        fell_back=int(np.count_nonzero(result.fell_back)),
        ratio_of_means=float(attended.sum() / max(products.sum(), 1)),
        mean_of_ratios=float(ratios.mean()),
        ratio_of_means_keys_alone=float(attended.sum() / max(keys.sum(), 1)),
        mean_of_ratios_keys_alone=float(ratios_alone.mean()),
        bytes_ratio=float(attended.sum() * d * certificate.key.dtype.itemsize / max(result.bytes_read.sum(), 1)),
        largest_tv_upper=float(result.tv_upper.max()),
        quantiles={
            name: tuple(float(x) for x in np.quantile(column, QUANTILES, method="inverted_cdf"))
            for name, column in columns.items()
        },
    )


def as_json(summary: SearchSummary) -> str:
    """The whole sum as one JSON object; quantiles by name, at the fractions under `at`."""
    document = {"schema": SEARCH_SCHEMA, **vars(summary)}
    document["quantiles"] = {"at": QUANTILES, **summary.quantiles}
    return json.dumps(document)


def print_summary(summary: SearchSummary, console: Console) -> None:
    """A table of quantiles, then one sentence for each figure that people quote."""
    shown = [QUANTILES.index(q) for q in (0.0, 0.05, 0.5, 0.95, 1.0)]
    table = Table("per row", "least", "5 %", "half", "95 %", "most")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figures in summary.quantiles.items():
        table.add_row(name, *(f"{figures[place]:.4g}" for place in shown))
    console.print(table)
    for line in (
        f"{summary.method}, ε = {summary.eps:g}: {summary.rows} rows of {summary.keys} keys",
        f"fired: {summary.fired / summary.rows:.1%} of the rows; scored whole after all: {summary.fell_back} rows",
        f"attended keys / products: ratio of means {summary.ratio_of_means:.3f}, mean of ratios "
        f"{summary.mean_of_ratios:.3f} (a product is a scored key or a scored mean)",
        f"attended keys / scored keys alone: ratio of means {summary.ratio_of_means_keys_alone:.3f}, mean of ratios "
        f"{summary.mean_of_ratios_keys_alone:.3f}",
        f"bytes of keys in dense attention / bytes read: {summary.bytes_ratio:.3f}",
    ):
        console.print(line, highlight=False, soft_wrap=True)
