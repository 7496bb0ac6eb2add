"""The command of `benchmarks.search`: `real` counts on a trained model, `long` takes the time on long contexts."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import sklearn
import torch

from benchmarks.search import long_context, real_model

FOLDER = Path(__file__).parents[1]


def machine() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model\t")), "?")
    return (
        f"{name} (model {model}), {os.cpu_count()} processors; Python {platform.python_version()}, NumPy "
        f"{np.__version__}, torch {torch.__version__}, scikit-learn {sklearn.__version__}"
    )


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("part", choices=("real", "long"))
    parser.add_argument("--quick", action="store_true", help="few rows, one text, short contexts")
    parser.add_argument("--write", action="store_true", help="record the report and the figures behind it")
    arguments = parser.parse_args()
    start, load = time.perf_counter(), os.getloadavg()[0]

    def progress(text: str) -> None:
        print(f"{time.perf_counter() - start:6.0f} s  {text}", file=sys.stderr, flush=True)

    part = real_model if arguments.part == "real" else long_context
    lines, figures = part.measure(arguments.quick, progress)
    text = "\n".join(
        [
            f"# {part.TITLE}",
            "",
            f"Written by `python -m benchmarks.search {arguments.part} --write`. {machine()}; load average {load:.1f} "
            f"at the start and {os.getloadavg()[0]:.1f} at the end.",
            "",
            *lines,
            "",
        ]
    )
    print(text)
    if arguments.write:
        (FOLDER / part.REPORT).write_text(text)
        write_csv(Path(__file__).with_name(part.FIGURES), part.HEADER, figures)


if __name__ == "__main__":
    main()
