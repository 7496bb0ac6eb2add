"""Where the shipped examples lie: inside an installed package, or beside it in a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from certify.errors import BadInput

__all__ = ["example"]


def example(name: str) -> Path:
    """The path of a shipped example bundle. Raises BadInput where the installation lacks it."""
    inside = Path(str(files("certify"))) / "examples" / name
    beside = Path(str(files("certify"))).parent / "examples" / name
    for path in (inside, beside):
        if path.is_file():
            return path
    raise BadInput(f"the shipped example {name} is missing from this installation; reinstall topk-certify")
