"""The Coq column: build the development, then ask Coq itself which axioms each named theorem rests on.

The sources are copied to a temporary folder first, so that an installed package can be checked and a checkout is left
as it was; compiled
files travel along, so an up-to-date build is not repeated. A theorem counts as proved only if its name is declared in
the file that the ledger gives, the build succeeds, and `Print Assumptions` names nothing outside ALLOWED_AXIOMS.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

LIBRARY = "TopK"
ALLOWED_AXIOMS = frozenset({"functional_extensionality_dep", "sig_not_dec", "sig_forall_dec", "classic"})
BUILD_SECONDS = 1500
QUERY_SECONDS = 300


@dataclass(frozen=True)
class CoqAnswer:
    """Whether a theorem is proved, and why not or on which axioms."""

    proved: bool
    detail: str


def coq_is_installed() -> bool:
    """True when the compiler and make can be found."""
    return shutil.which("coqc") is not None and shutil.which("make") is not None


def sources_digest() -> str:
    """SHA-256 over the names and contents of all .v files: tells whether a recorded result is about these proofs."""
    digest = sha256()
    with as_file(files("proofs").joinpath("coq")) as folder:
        for path in sorted(folder.glob("theories/**/*.v")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def check_coq(places: Sequence[str]) -> Mapping[str, CoqAnswer]:
    """The answer for each `File.v:theorem`. Builds everything first, which takes minutes from scratch."""
    with as_file(files("proofs").joinpath("coq")) as folder, TemporaryDirectory() as scratch:
        if not (folder / "Makefile").is_file():
            return dict.fromkeys(places, CoqAnswer(False, "no proofs/coq/Makefile"))
        copy = Path(shutil.copytree(folder, Path(scratch) / "coq"))
        build = _run(["make", "-C", str(copy)], copy, BUILD_SECONDS)
        if build is None or build.returncode != 0:
            reason = "timeout" if build is None else (build.stderr.strip().splitlines() or ["no message"])[-1]
            return dict.fromkeys(places, CoqAnswer(False, f"the build failed: {reason}"))
        return {place: _assumptions(place, copy) for place in places}


def _assumptions(place: str, folder: Path) -> CoqAnswer:
    file, theorem = place.split(":")
    source = folder / "theories" / file
    declared = rf"^\s*(Theorem|Lemma|Corollary|Proposition)\s+{re.escape(theorem)}\b"
    if not source.is_file() or not re.search(declared, source.read_text(encoding="utf-8"), re.MULTILINE):
        return CoqAnswer(False, f"theories/{file} declares no theorem {theorem}")
    module = f"{LIBRARY}.{file.removesuffix('.v').replace('/', '.')}"
    query = folder / "ledger_query.v"
    query.write_text(f"Require {module}.\nPrint Assumptions {module}.{theorem}.\n", encoding="utf-8")
    answer = _run(["coqc", "-R", "theories", LIBRARY, query.name], folder, QUERY_SECONDS)
    if answer is None or answer.returncode != 0:
        return CoqAnswer(False, "Print Assumptions failed" if answer is None else answer.stderr.strip()[:200])
    return judged(answer.stdout)


def judged(printed: str) -> CoqAnswer:
    """Read what `Print Assumptions` printed."""
    if printed.strip() == "Closed under the global context":
        return CoqAnswer(True, "no axioms")
    if not printed.startswith("Axioms:"):
        return CoqAnswer(False, f"unexpected answer: {printed.strip()[:200]}")
    axioms = re.findall(r"^([\w.']+)\s*(?::|$)", printed.removeprefix("Axioms:"), re.MULTILINE)
    foreign = [name for name in axioms if name.split(".")[-1] not in ALLOWED_AXIOMS]
    if foreign or not axioms:
        return CoqAnswer(False, f"rests on {', '.join(foreign) or 'axioms that could not be read'}")
    return CoqAnswer(True, ", ".join(sorted({name.split(".")[-1] for name in axioms})))


def _run(command: Sequence[str], folder: Path, seconds: int) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
