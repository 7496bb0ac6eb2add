"""Drawn inputs never change: the generator's published first numbers, and the digest of one row of each family."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from certify.errors import BadInput
from certify.reference_values.families import FAMILIES, Draw, generated
from certify.reference_values.parameters import to_json
from certify.scores import widen

NAMES = ("scores", "kept", "value", "centre", "blocks", "query", "key", "top_scores", "k", "n")
# The start of the SHA-256 of the JSON of seeds 0 and 1 in every dtype; a change here changes everybody's inputs.
DIGESTS = {
    "normal": "1ead73af73e6c7db",
    "uniform": "3d577459b98e1c7b",
    "ties": "b16182dc9d4fac1a",
    "masked": "b00eda5c4c6bacd4",
    "spread": "34919c51b130b673",
    "two-levels": "4d11be3081ffb911",
}


def test_splitmix64() -> None:
    """The first outputs for the seed 1234567, as published with the generator."""
    draw = Draw("")
    draw._state = 1234567
    assert [draw.word() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("family", FAMILIES)
def test_drawn_inputs_never_change(family: str) -> None:
    rows = [
        {name: to_json(name, value) for name, value in generated(NAMES, family, seed, dtype=dtype).items()}
        for seed in (0, 1)
        for dtype in ("float64", "float32", "float16", "bfloat16")
    ]
    assert hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16] == DIGESTS[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_rows(family: str) -> None:
    for seed in range(30):
        for dtype in ("float64", "bfloat16"):
            found = generated(NAMES, family, seed, n=7, k=3, width=2, dtype=dtype)
            scores = widen(found["scores"])
            assert found["kept"].sum() == 3
            assert (scores[found["kept"]] > -np.inf).any()
            assert (scores < np.inf).all()
            if seed % 2 == 0:
                assert scores[found["kept"]].min() >= scores[~found["kept"]].max()
            assert found["value"].shape == (7, 2)


def test_the_families_are_what_they_are_called() -> None:
    def scores(family: str, n: int = 4000) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return widen(generated(("scores",), family, 5, n=n)["scores"])

    assert abs(scores("normal").std() - 2) < 0.1
    assert scores("uniform").min() < -7.9
    assert len(np.unique(scores("ties"))) == 4
    assert 0.2 < np.isinf(scores("masked")).mean() < 0.45
    assert scores("spread").min() < -120
    assert len(np.unique(scores("two-levels"))) == 2


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("normall", {}, "there is no family 'normall'; did you mean normal?"),
        ("normal", {"dtype": "float8"}, "there is no dtype 'float8'"),
        ("normal", {"k": 17}, "keep = 17"),
        ("normal", {"width": 0}, "width = 0"),
    ],
)
def test_bad_input(family: str, options: dict[str, int | str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        generated(NAMES, family, 0, **options)  # type: ignore[arg-type]
