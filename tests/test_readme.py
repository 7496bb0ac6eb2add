"""The README's example prints what the README says, and the files that it names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_example_prints_what_it_says() -> None:
    code, output = re.findall(r"```(?:python)?\n(.*?)```", README, flags=re.DOTALL)[:2]
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == output


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_picture_says_what_the_audit_says() -> None:
    """Drawn again, it has the same words: verdict, claim, enclosure."""
    found = subprocess.run([sys.executable, ROOT / "docs" / "row_17.py", "--check"], check=False, cwd=ROOT)
    assert found.returncode == 0, "the picture is stale; run python docs/row_17.py"
    assert "docs/row-17.svg" in README


def test_the_shown_audit_is_the_one_that_runs() -> None:
    """What stands under the command is what it prints, to the character."""
    shown = README.partition("$ certify audit ")[2].partition("```")[0]
    command, _, printed = shown.partition("\n")
    arguments = [sys.executable, "-m", "certify.cli", "audit", *command.split()]
    environment = os.environ | {"COLUMNS": "96"}
    found = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert "invalid" in printed
    assert printed in found.stdout


def test_every_command_in_the_table_of_doors_is_one() -> None:
    doors = README.partition("## Doors")[2].partition("\n## ")[0]
    commands = set(re.findall(r"`certify (\w+)", doors))
    help_text = subprocess.run(
        [sys.executable, "-m", "certify.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert commands >= {"audit", "soundness", "reference", "topk"}
    assert not [name for name in commands if f" {name} " not in help_text]
