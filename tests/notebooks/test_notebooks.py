"""Every notebook runs and prints what is committed; each is small, and ends in a sentence that the code above it
wrote.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def refresh(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "refresh.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_fresh_run_prints_what_is_committed(name: str) -> None:
    if name == "8-proofs.ipynb" and shutil.which("coqc") is None:
        pytest.skip("coqc is not installed, and this notebook compiles a proof; see proofs/coq/README.md")
    found = refresh(FOLDER, "--check", name)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_last_word_is_computed_and_guarded(name: str) -> None:
    """The last cell asserts, then makes its sentence out of what the cells above found."""
    path = FOLDER / name
    assert path.stat().st_size <= 300_000
    last = json.loads(path.read_text())["cells"][-1]
    source = "".join(last["source"])
    assert last["cell_type"] == "code"
    assert source.index("assert ") < source.index("Markdown(")
    assert 'f"' in source[source.index("Markdown(") :]
    sentence = "".join(last["outputs"][-1]["data"]["text/markdown"])
    assert sentence.startswith("**")
    assert sentence.endswith(".**")


def test_a_stale_output_is_noticed(tmp_path: Path) -> None:
    """One digit of one committed sentence, a warning, a folder's name: each is a fault."""
    for name in ("refresh.py", "house.mplstyle"):
        shutil.copy(FOLDER / name, tmp_path)
    cells: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "execution_count": 1, "outputs": [], "source": code}
        for i, code in enumerate(("print(6 * 7)", "1 + 1"))
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "9-small.ipynb"
    path.write_text(json.dumps(document))
    assert refresh(tmp_path, "--check").returncode == 1
    assert refresh(tmp_path).returncode == 0
    once = path.read_bytes()
    assert refresh(tmp_path, "--check").stdout == ""
    assert refresh(tmp_path).returncode == 0
    assert path.read_bytes() == once
    path.write_bytes(once.replace(b'"42\\n"', b'"43\\n"'))
    found = refresh(tmp_path, "--check")
    assert found.returncode == 1
    assert "cell 0: committed 'stdout: 43\\n', now 'stdout: 42\\n'" in found.stdout
    for code, message in (
        ("import warnings; warnings.warn('careful')", "warns: stderr"),
        ("print('/' + 'home/me')", "names a folder"),
    ):
        cells[0]["source"] = code
        path.write_text(json.dumps(document))
        refresh(tmp_path)
        found = refresh(tmp_path, "--check")
        assert found.returncode == 1
        assert message in found.stdout
