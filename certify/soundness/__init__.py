"""Hunting counterexamples to a kernel that claims bounds: anyone's kernel, with a proof for every accusation.

    found = certify.soundness.hunt(my_kernel, seconds=10)
    print(found.verdict, found.counterexample)

The kernel gets a row and claims an upper (or lower, or two-sided) bound on its tail mass, KL or output error. The hunt
draws hostile rows, judges each claim with the rigorous enclosures, and returns the simplest row that refutes one, or
the evidence that none was found: rows tried, by family, and the tightest slack. Finding none is no proof.

    question.py        what is asked                    truth.py             the judge
    families.py        hostile rows, by name            calls.py             a process of its own for the kernel
    kept_sets.py       kept sets of every kind          kernels.py           arrays in, claims out
    value_sets.py      values that align errors         shrinking.py         the simplest row that still breaks it
    neighbours.py      bit flips around tight rows      counterexample.py    what is reported, and the test to paste
    strategies.py      what Hypothesis draws            past_failures.py     rows that are tried first
    search.py          the hunt                         pytest_plugin.py     the fixture `assert_sound`

Everything is loaded when first used: pytest imports the plugin's package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from certify.soundness.counterexample import Counterexample as Counterexample
    from certify.soundness.evidence import Hunt as Hunt
    from certify.soundness.evidence import HuntVerdict as HuntVerdict
    from certify.soundness.families import FAMILIES as FAMILIES
    from certify.soundness.question import Question as Question
    from certify.soundness.search import hunt as hunt

_HOMES = {
    "FAMILIES": "families",
    "Counterexample": "counterexample",
    "Hunt": "evidence",
    "HuntVerdict": "evidence",
    "Question": "question",
    "hunt": "search",
}

__all__ = ["FAMILIES", "Counterexample", "Hunt", "HuntVerdict", "Question", "hunt"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'certify.soundness' has no attribute {name!r}")
    return getattr(import_module(f"certify.soundness.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
