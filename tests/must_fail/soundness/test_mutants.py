"""The hunt's own check: every mutant of the catalogue is caught, every harmless break is not.

That the kernels they were made from are not caught either is tests/float_kernels/test_soundness.py. How long each took:
python -m benchmarks.soundness_peers.mutants.
"""

from __future__ import annotations

from importlib import import_module

import pytest

from certify.soundness import HuntVerdict
from certify.soundness.truth import enclosure_beyond, exact_row

from .catalogue import MUTANTS, SURVIVORS, hunted
from .mutant import Mutant, in_force

# Three times what the slowest mutant needs; rows and no seconds, so that a busy machine decides nothing.
ROWS = 200_000
ROWS_OF_SURVIVORS = 4_000


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_mutant_is_caught(mutant: Mutant) -> None:
    found = hunted(mutant, rows=ROWS)
    assert found.verdict is HuntVerdict.BROKEN, (found.verdict, found.bad_call, found.rows_tried)
    assert found.counterexample is not None
    upper = found.counterexample.side == "upper"
    row, kept = exact_row(found.counterexample.row, 0), found.counterexample.row.kept[0]
    assert enclosure_beyond(mutant.quantity, row, kept, found.counterexample.claimed, upper=upper) is not None


@pytest.mark.parametrize("mutant", [mutant for mutant, _ in SURVIVORS], ids=str)
def test_harmless_break_is_not_caught(mutant: Mutant) -> None:
    found = hunted(mutant, rows=ROWS_OF_SURVIVORS)
    assert found.verdict is HuntVerdict.NONE_FOUND, (found.counterexample, found.bad_call)


def test_names_differ_and_broken_names_exist() -> None:
    everything = [*MUTANTS, *(mutant for mutant, _ in SURVIVORS)]
    assert len({mutant.name for mutant in everything}) == len(everything)
    assert len(MUTANTS) >= 25
    for mutant in everything:
        for each in mutant.breaks:
            assert hasattr(import_module(each.module), each.name), (mutant.name, each)


def test_a_break_is_undone() -> None:
    """Also where the kernel raises in the middle."""
    mutant = MUTANTS[0]
    before = [getattr(import_module(each.module), each.name) for each in mutant.breaks]
    with pytest.raises(ZeroDivisionError), in_force(mutant.breaks):
        _ = 1 // (before == [getattr(import_module(each.module), each.name) for each in mutant.breaks])
    assert before == [getattr(import_module(each.module), each.name) for each in mutant.breaks]
