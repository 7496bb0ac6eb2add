"""The proof run: what fails is reported as failed, and only what was asked for is run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sympy as sp
from typer import Context, Typer
from typer.testing import CliRunner

from proofs import check, command
from proofs.controls.control import Control
from proofs.ledger import Method, Theorem
from proofs.smt.exact import Fact
from proofs.smt.query import Query
from proofs.symbolic import masses
from proofs.symbolic.derivation import Derivation


def broken_derivation() -> Derivation:
    page = masses.tail_mass_identity()
    (links,) = page.chains
    first, *rest = links.steps
    return replace(page, chains=(replace(links, steps=(replace(first, rhs=2 * first.rhs), *rest)),))


x = sp.Symbol("x", positive=True)
BROKEN: dict[Method, object] = {
    "symbolic": broken_derivation(),
    "smt": (Query("T1", "false", (), sp.Ge(x, 1)), Fact("T1", "false too", lambda: False)),
    "controls": tuple(Control("T1", f"true {number}", sp.true, sp.Ge(x + number, 0)) for number in range(3)),
}


@pytest.mark.parametrize("method", BROKEN)
def test_broken_evidence_fails(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "evidence_of", lambda place: BROKEN[method])
    report = check.run(["T1"], [method])
    result = next(result for result in report.results if result.method == method)
    assert result.outcome == "failed"
    assert result.detail
    assert not report.all_proved
    assert report.exit_code == 1


def test_evidence_about_another_theorem_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "evidence_of", lambda place: masses.divergence_identity())
    assert not check.run(["T1"], ["symbolic"]).all_proved


def test_too_few_controls_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "evidence_of", lambda place: (Control("T1", "one", sp.true, sp.Ge(x, 1)),))
    (result,) = (r for r in check.run(["T1"], ["controls"]).results if r.method == "controls")
    assert "at least 3" in result.detail


def test_only_what_is_asked_for_is_run() -> None:
    seen: list[str] = []
    report = check.run(["T5"], ["symbolic"], progress=lambda done, total, label: seen.append(label))
    assert {result.method: result.outcome for result in report.results} == {
        "symbolic": "proved",
        "smt": "not run",
        "controls": "not run",
        "coq": "not run",
    }
    assert seen[0] == "T5 symbolic"
    assert report.versions["z3"]
    assert report.limits["z3_timeout_ms"] == 10_000


def test_coq_that_is_not_installed_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "coq_is_installed", lambda: False)
    report = check.run(["T1"], ["coq"])
    (result,) = (r for r in report.results if r.method == "coq")
    assert (result.outcome, result.detail) == ("not run", "coqc or make is not installed")
    assert report.exit_code == 1  # it was asked for and not proved
    assert check.run(["T1"], ["symbolic"]).exit_code == 0  # it was not asked for


def test_status_is_kept_only_for_the_same_coq_sources(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {}
    monkeypatch.setattr(check.Path, "write_text", lambda self, text, encoding: written.update(json.loads(text)))
    old = {"theorems": {"T1": {"symbolic": "failed", "coq": "proved"}}, "coq_sources": "elsewhere"}
    monkeypatch.setattr(check, "recorded_status", lambda: old)
    check.write_status(check.run(["T1"], ["symbolic"]))
    assert written["theorems"]["T1"] == {"symbolic": "proved"}
    assert written["coq_sources"] is None
    monkeypatch.setattr(check, "sources_digest", lambda: "elsewhere")
    check.write_status(check.run(["T1"], ["symbolic"]))
    assert written["theorems"]["T1"] == {"symbolic": "proved", "coq": "proved"}


@pytest.mark.parametrize("number", range(1, 25))
def test_pages_render(number: int) -> None:
    page = check.render_page(f"T{number}")
    assert page.startswith(f"T{number}  ")
    assert "=" in page
    latex = check.render_page(f"T{number}", latex=True)
    assert r"\begin{align*}" in latex
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}")
    assert "Sum(" not in latex


def test_a_page_shows_every_step() -> None:
    page = check.render_page("T10")
    for step in masses_steps():
        assert step in page
    assert "assumed" not in page
    assert "assumed, not derived: law of large numbers" in check.render_page("T16")


def masses_steps() -> list[str]:
    from proofs.symbolic.output import head_tail_factorisation

    return [step.reason for links in head_tail_factorisation().chains for step in links.steps]


def test_a_theorem_without_derivation_says_why() -> None:
    (theorem,) = check.selected(["T1"])
    silent: Theorem = replace(theorem, evidence={**theorem.evidence, "symbolic": ()}, open={"symbolic": "for a reason"})
    assert "no derivation: for a reason" in check.unicode_page(silent)


def test_the_command() -> None:
    app = Typer()
    app.command()(command.command)
    runner = CliRunner()
    shown = runner.invoke(app, ["T5"])
    assert shown.exit_code == 0
    assert "T5" in shown.stdout
    as_json = runner.invoke(app, ["T5", "--json"])
    assert json.loads(as_json.stdout)["all_proved"] is True
    assert runner.invoke(app, ["T99"]).exit_code == 2
    assert "1 − e^" in runner.invoke(app, ["T5", "--show"]).stdout
    assert r"\section*{T5." in runner.invoke(app, ["T5", "--show", "--latex"]).stdout


def test_the_command_mounted_in_another() -> None:
    """As `certify` mounts it: the arguments are passed on, the exit code comes back."""
    app = Typer(add_completion=False)

    @app.callback()
    def _top() -> None: ...

    @app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
    def prove(context: Context) -> None:
        command.main(context.args)

    runner = CliRunner()
    assert runner.invoke(app, ["prove", "T5", "--json"]).exit_code == 0
    unknown = runner.invoke(app, ["prove", "T77"])
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("certify: no theorem T77: did you mean T")
    assert runner.invoke(app, ["prove", "--nonsense"]).exit_code == 2
    assert "--coq" in runner.invoke(app, ["prove", "--help"]).stdout
