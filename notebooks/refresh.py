"""Run the notebooks and keep them as they are committed: outputs as they came, metadata that does not churn.

    python notebooks/refresh.py              run all, rewrite those whose outputs changed
    python notebooks/refresh.py --check 1    run those whose names start so, and fail where an output differs

A check compares every text that a notebook prints; of pictures, that they are there, for their bytes depend on the
font library. A cell tagged `varies` may print something else at every run (a time, say).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
PICTURE = "image/png"
WORDS = ("text/markdown", "text/latex", "text/plain")
SECONDS_A_CELL = 240


def run(path: Path) -> NotebookNode:
    """The notebook, executed in this folder by a fresh kernel, without what differs from run to run."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    NotebookClient(notebook, timeout=SECONDS_A_CELL, resources={"metadata": {"path": str(HERE)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", ()):
            output.pop("metadata", None)
            if output.output_type != "stream":
                output.metadata = {}
                if PICTURE in output.data:  # what the picture is called in words is drawn in it
                    output.data = {PICTURE: output.data[PICTURE]}
    return notebook


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What was printed in pieces, as one: where the pieces end depends on the moment."""
    found: list[NotebookNode] = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream" and output.name == found[-1].name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def said(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Every output as text, with the number of its cell; a picture is one line."""
    for number, cell in enumerate(notebook.cells):
        if "varies" in cell.metadata.get("tags", ()):
            continue
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                yield number, f"{output.name}: {output.text}"
            elif PICTURE in output.data:
                yield number, "a picture"
            else:
                yield number, next(output.data[kind] for kind in WORDS if kind in output.data)


def faults(path: Path, fresh: NotebookNode) -> list[str]:
    """How the committed notebook differs from a fresh run, and what a reader should never see in it."""
    committed = nbformat.read(path, as_version=4)
    found = []
    if committed.metadata != fresh.metadata or [cell.id for cell in committed.cells] != [c.id for c in fresh.cells]:
        found.append(f"{path.name}: its metadata are not as this script writes them; run it")
    before, after = list(said(committed)), list(said(fresh))
    for old, new in zip(before, after, strict=False):
        if old != new:
            found.append(f"{path.name}, cell {new[0]}: committed {old[1]!r}, now {new[1]!r}")
    if len(before) != len(after):
        found.append(f"{path.name}: {len(before)} outputs are committed, now there are {len(after)}")
    for number, text in after:
        if text.startswith("stderr: "):
            found.append(f"{path.name}, cell {number} warns: {text}")
        if re.search(r"/(home|root|tmp|usr|work)/", text):
            found.append(f"{path.name}, cell {number} names a folder of this machine: {text}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="how the names of the notebooks start; all by default")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where an output differs")
    arguments = parser.parse_args()
    root = str(HERE.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    wrong: list[str] = []
    for path in sorted(HERE.glob("*.ipynb")):
        if arguments.names and not path.name.startswith(tuple(arguments.names)):
            continue
        fresh = run(path)
        found = faults(path, fresh)
        if arguments.check:
            wrong += found
        elif found or list(said(fresh)) != list(said(nbformat.read(path, as_version=4))):
            nbformat.write(fresh, path)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
