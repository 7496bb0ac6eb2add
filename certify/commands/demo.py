"""`certify demo`: the whole journey on attention of a real trained model."""

from __future__ import annotations

import json

from rich.console import Console

from certify.terminal import progress_bar

__all__ = ["demo"]


def demo() -> None:
    """Audit the shipped real attention: certificates that hold, then certificates that people really get wrong."""
    from certify import auditor, report
    from certify.bundle import open_bundle
    from certify.examples import example
    from certify.rules import Verdict

    console = Console()
    console.print(
        "Attention of a trained BERT-architecture model, and what somebody claims about dropping most of its keys.",
        highlight=False,
    )
    console.print("First a bundle whose certificates all hold; the tightest claims are shown.\n", highlight=False)
    with progress_bar("auditing", "rows") as progress:
        good = auditor.audit(example("minilm-attention.safetensors"), progress=progress)
    report.print_table(good, console, 3)
    console.print("\nNow one in which some producers made the mistakes that people make.\n", highlight=False)
    opened = open_bundle(example("minilm-attention-wrong.safetensors"))
    with progress_bar("auditing", "rows") as progress:
        wrong = auditor.audit(opened, progress=progress)
    story = {row: told.partition(": ")[2] for row, told in json.loads(opened.notes.get("story", "{}")).items()}
    report.print_table(wrong, console, wrong.count(Verdict.INVALID), story)
    console.print(
        "\nYours: certify audit YOUR_BUNDLE.safetensors   (the format: certify/schemas/README.md)", highlight=False
    )
