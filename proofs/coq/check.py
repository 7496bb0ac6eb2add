"""After the proofs have compiled: what do the headline theorems assume, and do the wrong files fail as they should?

Standard library only. Exit code 0 if every headline theorem rests on the standard axioms of classical reals alone, if
no source admits anything, and if every file in must_fail/ is rejected with the error that its first line announces.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
HEADLINES = (
    "T1_tail_mass_identity",
    "T2_tv_kl_identity",
    "T6_single_gap",
    "T8_blockwise",
    "T10_head_tail_factorisation",
    "T13_variance_bound",
    "T20_mass_search_sound",
    "T23_tail_mass_sound",
)
# What Coq's standard library assumes to have the classical real numbers; nothing else is allowed.
STANDARD_AXIOMS = {
    "ClassicalDedekindReals.sig_not_dec",
    "ClassicalDedekindReals.sig_forall_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "Classical_Prop.classic",
}
FORBIDDEN = re.compile(
    r"\b(Admitted|admit|give_up|Axiom|Axioms|Parameter|Parameters|Conjecture|bypass_check|Unset Guard)\b"
)
COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)


def compile_text(text: str) -> tuple[int, str]:
    """Exit code and everything that coqc says about a file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Question.v"
        source.write_text(text, encoding="utf-8")
        command = ["coqc", "-R", str(HERE / "theories"), "TopK", str(source)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def assumptions(theorem: str) -> set[str]:
    """The axioms under a theorem of Headline.v, by Coq's own account."""
    code, output = compile_text(f"From TopK Require Headline.\nPrint Assumptions Headline.{theorem}.\n")
    if code:
        raise SystemExit(f"{theorem}: coqc failed\n{output}")
    if "Closed under the global context" in output:
        return set()
    # an axiom starts a line; its type follows after a colon, perhaps on indented lines
    return set(re.findall(r"^([A-Za-z_][\w.']*)(?=\s*(?::|$))", output.split("Axioms:", 1)[1], re.MULTILINE))


def forbidden_words() -> list[str]:
    """Every place where a source of the development assumes instead of proving."""
    found = []
    for source in sorted((HERE / "theories").glob("*.v")):
        text = COMMENT.sub("", source.read_text(encoding="utf-8"))
        found += [f"{source.name}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    return found


def wrongly_accepted() -> list[str]:
    """The files of must_fail/ that compile, or fail for another reason than the one on their first line."""
    wrong = []
    for source in sorted((HERE / "must_fail").glob("*.v")):
        text = source.read_text(encoding="utf-8")
        expected = re.match(r"\(\* fails with: (.*) \*\)\n", text)
        if expected is None:
            wrong.append(f"{source.name}: its first line does not say (* fails with: … *)")
            continue
        code, output = compile_text(text)
        flat = " ".join(output.split())
        if code == 0:
            wrong.append(f"{source.name}: compiles")
        elif expected.group(1) not in flat:
            wrong.append(f"{source.name}: fails with another error: {flat[:300]}")
        else:
            print(f"rejected as it should be: {source.name}")
    return wrong


def main() -> int:
    problems = forbidden_words()
    for theorem in HEADLINES:
        axioms = assumptions(theorem)
        extra = sorted(axioms - STANDARD_AXIOMS)
        problems += [f"{theorem} assumes {name}" for name in extra]
        print(f"{theorem}: {len(axioms)} axioms, {'all standard' if not extra else 'NOT all standard'}")
    problems += wrongly_accepted()
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
