"""After the proofs have compiled: what do the headline theorems assume, and do the spoiled files fail as they should?

Standard library only. `make` runs both questions and keeps the answers; each exits with 0 only if all is well.

    python3 check.py assumptions         no source admits anything, every headline theorem rests on the axioms of
                                         classical reals alone, and Coq's answer is the one in assumptions.txt
    python3 check.py must_fail FILE …    each file compiles as it is, and with its one replacement made it is refused
                                         with the error that its first line announces
    python3 check.py record              writes Coq's present answer to assumptions.txt
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
RECORD = HERE / "assumptions.txt"
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
HEADING = re.compile(r"\(\* mutate: (?P<right>.+?) -> (?P<wrong>.+?); refused with: (?P<message>.+?) \*\)\n")


def compile_text(text: str) -> tuple[int, str]:
    """Exit code and everything that coqc says about a file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Question.v"
        source.write_text(text, encoding="utf-8")
        command = ["coqc", "-R", str(HERE / "theories"), "TopK", str(source)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def printed_assumptions() -> str:
    """Coq's own answers to Print Assumptions, one after another, each below the name of its theorem."""
    questions = [
        f'Goal True. idtac "{theorem}". exact I. Qed.\nPrint Assumptions Headline.{theorem}.\n' for theorem in HEADLINES
    ]
    code, output = compile_text("From TopK Require Headline.\n" + "".join(questions))
    if code:
        raise SystemExit(f"coqc failed\n{output}")
    return output


def axioms_by_theorem(printed: str) -> Mapping[str, set[str]]:
    """The axioms under each headline theorem, from `printed_assumptions`."""
    answers = re.split(rf"^({'|'.join(HEADLINES)})$\n", printed, flags=re.MULTILINE)[1:]
    found: dict[str, set[str]] = {}
    for theorem, answer in zip(answers[::2], answers[1::2], strict=True):
        if answer.strip() == "Closed under the global context":
            found[theorem] = set()
        elif answer.startswith("Axioms:\n"):
            # an axiom starts a line; its type follows after a colon, perhaps on indented lines
            found[theorem] = set(re.findall(r"^([A-Za-z_][\w.']*)(?=\s*(?::|$))", answer[8:], re.MULTILINE))
        else:
            raise SystemExit(f"{theorem}: unexpected answer\n{answer}")
    return found


def forbidden_words() -> list[str]:
    """Every place where a source of the development assumes instead of proving."""
    found = []
    for source in sorted((HERE / "theories").glob("*.v")):
        text = COMMENT.sub("", source.read_text(encoding="utf-8"))
        found += [f"{source.name}: {match.group()}" for match in FORBIDDEN.finditer(text)]
    return found


def check_assumptions() -> list[str]:
    """What is wrong with the sources or with the assumptions of the headline theorems."""
    problems = forbidden_words()
    printed = printed_assumptions()
    axioms = axioms_by_theorem(printed)
    problems += [f"{theorem}: Coq gives no answer" for theorem in HEADLINES if theorem not in axioms]
    for theorem, names in axioms.items():
        extra = sorted(names - STANDARD_AXIOMS)
        problems += [f"{theorem} assumes {name}" for name in extra]
        print(f"{theorem}: {len(names)} axioms, {'all standard' if not extra else 'NOT all standard'}")
    if printed != RECORD.read_text(encoding="utf-8"):
        problems.append(f"Coq's answer is not the one in {RECORD.name}:\n{printed}")
    return problems


def check_spoiled(source: Path) -> list[str]:
    """What is wrong with a file of must_fail/: it is refused as it is, or accepted spoiled, or for the wrong reason."""
    text = source.read_text(encoding="utf-8")
    heading = HEADING.match(text)
    if heading is None:
        return [f"{source.name}: its first line does not say (* mutate: right -> wrong; refused with: message *)"]
    right, wrong, message = heading.group("right", "wrong", "message")
    body = text[heading.end() :]
    if body.count(right) != 1:
        return [f"{source.name}: {right!r} occurs {body.count(right)} times, not once"]
    code, output = compile_text(body)
    if code:
        return [f"{source.name}: refused as it is\n{output}"]
    code, output = compile_text(body.replace(right, wrong))
    if code == 0:
        return [f"{source.name}: accepted with {right!r} replaced by {wrong!r}"]
    if message not in " ".join(output.split()):
        return [f"{source.name}: refused for another reason\n{output}"]
    print(f"accepted as it is, refused when spoiled: {source.name}")
    return []


def main(arguments: list[str]) -> int:
    match arguments:
        case ["assumptions"]:
            problems = check_assumptions()
        case ["must_fail", *paths] if paths:
            problems = [problem for path in paths for problem in check_spoiled(Path(path))]
        case ["record"]:
            RECORD.write_text(printed_assumptions(), encoding="utf-8")
            problems = []
        case _:
            problems = [f"arguments {arguments} are none of: assumptions; must_fail FILE …; record"]
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
