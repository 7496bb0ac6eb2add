"""A finished search as a page that people read: whether its certificates hold, what it cost, and where.

The counts are the search's own. Its certificates are judged here by the auditor, which shares no code with it, so that
the word at the top is a verdict and not a promise. This room draws and words; it decides nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from certify import auditor, web_page
from certify.auditor import Audit
from certify.bundle import Bundle
from certify.rules import Verdict
from certify.scores import Floats
from certify.search import SearchResult
from certify.search_summary import QUANTILES, SEARCH_SCHEMA, SearchSummary, summary_of
from certify.web_page import PALETTE, plotting, svg

__all__ = ["search_page"]

_LISTED = 20


def search_page(
    result: SearchResult, source: str, command: str, *, progress: Callable[[int, int], None] | None = None
) -> str:
    """The HTML document of `result`, searched in the bundle `source`; `command` is the shell line that makes it again.

    Every certificate of the search is audited first, which is most of the time that this takes. Raises MissingExtra
    without matplotlib, before any work.
    """
    with plotting():
        summary = summary_of(result)
    bundle = Bundle.of(result.certificate)
    audit = auditor.audit(bundle, progress=progress)
    products = (result.scored_keys + result.cell_scores).ravel()
    by_head = None if len(result.rows) < 2 else _by_head(result, products)
    return web_page.render(
        "search.html.j2",
        title=f"Search in {source}: {_worst(audit)}",
        verdict=str(_worst(audit)),
        headline=_headline(summary, audit),
        facts=_facts(summary, source, audit),
        command=command,
        reproduce=[
            ("SHA-256 of query, key and mask", bundle.inputs_digest()),
            ("versions", ", ".join(f"{name} {version(name)}" for name in ("topk-certify", "numpy", "scikit-learn"))),
            ("Python", platform.python_version()),
            ("counts", SEARCH_SCHEMA),
        ],
        spread=_spread(products, summary),
        by_head=by_head,
        quantile_names=[f"{100 * q:g} %" for q in QUANTILES],
        quantiles=[(name, *(f"{x:.4g}" for x in found)) for name, found in summary.quantiles.items()],
        dearest=_dearest(result, products, audit),
    )


def _worst(audit: Audit) -> Verdict:
    return Verdict(int(audit.severity.max()))


def _headline(summary: SearchSummary, audit: Audit) -> str:
    bad = len(audit.indices) - audit.count(Verdict.VALID)
    if bad:
        return f"{bad:,} of {summary.rows:,} certificates are not proved"
    cost = f"{summary.ratio_of_means:.2f} attended keys for each product"
    rows = "1 row" if summary.rows == 1 else f"{summary.rows:,} rows"
    return f"Every certificate of {rows} is proved; the search had {cost}"


def _facts(summary: SearchSummary, source: str, audit: Audit) -> list[tuple[str, str]]:
    facts = [
        ("bundle", source),
        ("method", summary.method),
        ("rows", f"{summary.rows:,} of {summary.keys:,} keys"),
        ("fired", f"{summary.fired / summary.rows:.1%} of the rows ended by the search's own bounds"),
        ("fell back", f"{summary.fell_back:,} rows were scored whole after all"),
        (
            "attended keys / products",
            f"ratio of means {summary.ratio_of_means:.3f}, mean of ratios {summary.mean_of_ratios:.3f}; "
            "a product is a scored key or a scored mean",
        ),
        (
            "attended keys / scored keys alone",
            f"ratio of means {summary.ratio_of_means_keys_alone:.3f}, mean of ratios "
            f"{summary.mean_of_ratios_keys_alone:.3f}",
        ),
        ("bytes", f"dense attention reads {summary.bytes_ratio:.3f} times the bytes of keys that the search read"),
        ("audited", ", ".join(f"{claim.rule.claim}" for claim in audit.claims)),
    ]
    if summary.eps is not None:
        facts.insert(2, ("ε", repr(summary.eps)))
    return facts


def _spread(products: NDArray[np.int64], summary: SearchSummary) -> Markup:
    """Which share of the rows got away with at most that many products."""
    with plotting() as new_figure:
        figure = new_figure(figsize=(4.4, 2.8))
        axes = figure.subplots()
        shares = np.arange(1, len(products) + 1) / len(products)
        axes.step(np.sort(products), shares, where="post", color=PALETTE["kept"])
        axes.axvline(summary.keys, color=PALETTE["dropped"], linestyle="--", label=f"all {summary.keys} keys")
        axes.set(xlabel="at most so many products", ylabel="share of rows", ylim=(0, 1.02))
        axes.set_xlim(0, None)
        figure.legend(loc="outside upper left")
        middle = int(np.quantile(products, 0.5, method="inverted_cdf"))
        return svg(figure, f"Products of {len(products)} rows; half of them need at most {middle} of {summary.keys}.")


def _by_head(result: SearchResult, products: NDArray[np.int64]) -> Markup:
    """Mean products in each head (across) of whatever leads (down)."""
    heads, queries = result.rows[-2:]
    mean: Floats = products.reshape(-1, heads, queries).mean(axis=-1)
    with plotting() as new_figure:
        figure = new_figure(figsize=(4.4, 1.2 + min(4.0, 0.34 * len(mean))))
        axes = figure.subplots()
        image = axes.imshow(mean, cmap="cividis", aspect="auto", interpolation="none")
        axes.spines[:].set_visible(False)
        for axis, count in ((axes.xaxis, mean.shape[1]), (axes.yaxis, len(mean))):
            axis.set_ticks(range(0, count, -(-count // 16)))
        axes.set(xlabel="head", ylabel="layer, or what leads")
        bar = figure.colorbar(image, ax=axes, location="top", aspect=40, label="mean products a row")
        if bar.solids is not None:
            bar.solids.set_rasterized(True)
        return svg(figure, f"Mean products by head, from {mean.min():.4g} to {mean.max():.4g}.")


def _dearest(result: SearchResult, products: NDArray[np.int64], audit: Audit) -> list[tuple[str, ...]]:
    """The rows that cost most, as lines of a table."""
    order = np.lexsort((np.arange(len(products)), -products))[:_LISTED]
    k, bound = result.k.ravel(), result.tv_upper.ravel()
    fired = result.fires.ravel()
    return [
        (
            f"{i} [{', '.join(str(int(p)) for p in np.unravel_index(i, result.rows))}]" if result.rows else "0",
            f"{products[i]:,}",
            f"{k[i]:,}",
            repr(float(bound[i])),
            str(Verdict(int(audit.severity[i]))),
            "by its bounds" if fired[i] else "scored whole",
        )
        for i in order.tolist()
    ]
