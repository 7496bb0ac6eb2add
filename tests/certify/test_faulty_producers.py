"""Each known mistake is refuted on its input, and the sound certificate for the same input passes."""

from collections.abc import Callable

import numpy as np
import pytest

import certify
from certify import Verdict
from certify.errors import BadClaim
from tests.certify.faulty_producers import PRODUCERS, Case

EVERY_MISTAKE = pytest.mark.parametrize("producer", PRODUCERS, ids=lambda producer: producer.__name__)


def test_there_are_eighteen() -> None:
    assert len({producer.__name__ for producer in PRODUCERS}) == 18


@EVERY_MISTAKE
def test_the_mistake_is_refuted(producer: Callable[[], Case]) -> None:
    case = producer()
    if np.isnan(case.faulty):
        with pytest.raises(BadClaim, match="is nan; a claim is a finite number"):
            certify.audit(case.certificate(faulty=True))
        return
    found = certify.audit(case.certificate(faulty=True))
    assert Verdict.INVALID in found.verdicts
    assert found.exit_code == 1


@EVERY_MISTAKE
def test_the_sound_producer_passes(producer: Callable[[], Case]) -> None:
    assert certify.audit(producer().certificate(faulty=False)).all_valid
