"""The best partition of the values: the exchange argument for maximum spanning trees (T15).

SymPy verifies the inequalities; the graph facts that they rest on are textbook and listed as assumed. For every number
of keys up to six the theorem as a whole, graph facts included, is decided by z3 over all trees in
`proofs/smt/partition.py`.
"""

from __future__ import annotations

import sympy as sp

from proofs.symbolic.derivation import Derivation, at_least, at_most, chain, equals
from proofs.symbolic.rules import Rule, Setting

GRAPH_FACTS = (
    "removing an edge from a spanning tree leaves two parts, and every edge that crosses between "
    "them restores a spanning tree",
    "a spanning tree is connected, so at least one of its edges crosses any partition into two non-empty sets",
)


def best_partition() -> Derivation:
    """T15: min over partitions of diam_{H,T} is the lightest edge of a maximum spanning tree."""
    edges = sp.Symbol("n", integer=True, positive=True)
    i = sp.Symbol("i", integer=True, positive=True)
    d = sp.IndexedBase("d", positive=True)  # the tree's edges, the removed one last
    lightest, other = sp.Symbol("d_e", positive=True), sp.Symbol("d_f", positive=True)
    tree = sp.Sum(d[i], (i, 1, edges - 2)) + lightest
    exchanged = sp.Sum(d[i], (i, 1, edges - 2)) + other
    slack = sp.Symbol("s", nonnegative=True)
    spare, beyond = sp.Symbol("r", nonnegative=True), sp.Symbol("q", nonnegative=True)
    return Derivation(
        "T15",
        "The lightest edge of a maximum spanning tree",
        Setting(abbreviations=((slack, lightest - other),)),
        (
            chain(
                "exchange: the tree is maximal, so s = d_e − d_f ≥ 0 for every edge f that crosses where e was removed",
                tree - exchanged,
                equals(slack, "all other edges are common to both trees", Rule.SUMS),
            ),
            chain(
                "attained: across the cut of the lightest edge no distance exceeds d_e",
                other,
                at_most(lightest, slack, "by the exchange"),
            ),
            chain(
                "never beaten: any partition cuts a tree edge of length d_e + r, and its diameter is that plus q",
                lightest + spare + beyond,
                at_least(lightest + spare, beyond, "the diameter is a maximum over all crossing pairs"),
                at_least(lightest, spare, "e is the lightest edge of the tree"),
            ),
        ),
        assumed=GRAPH_FACTS,
    )
