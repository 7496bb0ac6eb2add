"""Where and with what a benchmark ran: a line for the top of its results."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.kernels import processor


def machine() -> str:
    """Processor, load, and the versions of what takes part."""
    names = ("numpy", "numba", "scipy", "torch", "mpmath", "hypothesis")
    versions = ", ".join(f"{name} {found}" for name in names if (found := _version(name)))
    return f"{processor()}, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, {versions}"


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def commit() -> str:
    """The commit that ran, with a star where the kernels differ from it."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root)]
    name = subprocess.run([*command, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run([*command, "diff", "--quiet", "HEAD", "--", "float_kernels", "certify"], check=False)
    return name.stdout.strip() + ("*" if changed.returncode else "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
