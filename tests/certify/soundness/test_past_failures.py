"""The file of past failures: written whole, read exactly, refused in one line when it is something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certify import soundness
from certify.errors import BadInput
from certify.soundness.past_failures import remember, remembered
from certify.soundness.question import Question

KERNELS = "tests.certify.soundness.hunted_kernels"


def test_rows_come_back_exactly_and_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    found = soundness.hunt(f"{KERNELS}:naive_output", quantity="output", rows=5_000).counterexample
    assert found is not None
    for _ in range(3):
        remember(path, found)
    rows = remembered(path, found.question)
    assert len(rows) == 1
    assert rows[0].scores.tobytes() == found.row.scores.tobytes()
    assert rows[0].values is not None
    assert found.row.values is not None
    assert rows[0].values.tobytes() == found.row.values.tobytes()
    assert rows[0].kept.tolist() == found.row.kept.tolist()
    assert not list(path.parent.glob(".*")), "no partial file is left"


def test_only_rows_that_fit_the_question_are_tried(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    found = soundness.hunt(f"{KERNELS}:naive", rows=5_000).counterexample
    assert found is not None
    remember(path, found)
    assert remembered(path, Question(n=(1, 64)))
    assert not remembered(path, Question(n=(20, 64)))
    assert not remembered(path, Question(dtype="float64"))
    assert not remembered(path, Question("output", values=2))
    assert not remembered(tmp_path / "absent.json", Question())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a file of past failures"),
        ("[]", "is not a file of past failures"),
        ('{"schema": "other", "rows": []}', "is not a file of past failures"),
        ('{"schema": "topk-soundness-rows/1", "rows": [{}]}', "an entry is damaged"),
        (
            json.dumps(
                {
                    "schema": "topk-soundness-rows/1",
                    "rows": [{"dtype": "float32", "scores": ["0x0p+0"], "kept": [True, False], "values": None}],
                }
            ),
            "an entry is damaged (2 kept flags for 1 scores)",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        soundness.hunt(f"{KERNELS}:naive", rows=10, database=path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path.read_text() == text


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no folder"):
        soundness.hunt(f"{KERNELS}:naive", rows=10, database=tmp_path / "absent" / "rows.json")
    with pytest.raises(BadInput, match="is a folder"):
        soundness.hunt(f"{KERNELS}:naive", rows=10, database=tmp_path)
