"""The Coq development, built once."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

import proofs.coq

HERE = Path(proofs.coq.__file__).parent


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built and checked development. Test processes take turns; the second has nothing to build."""
    if shutil.which("coqc") is None or shutil.which("make") is None:
        pytest.skip("coqc or make is not installed, so no proof was compiled here; see proofs/coq/README.md")
    with (HERE / "Makefile").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = subprocess.run(["make", "-C", str(HERE)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return HERE
