"""What a derivation is: chains of steps, each of which SymPy has to verify, and what counts as verified.

A chain reads like a calculation on a blackboard: a = b = c ≤ d, with a reason for every sign. An equality is verified
when its rule
reduces `lhs − rhs` to the integer 0. An inequality lhs ≤ rhs is verified when `rhs − lhs` equals a stated surplus (by
the same rule) and the
surplus is non-negative by the assumptions on its symbols alone. A step whose sides are the same expression proves
nothing and is refused. This module may not know any theorem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

from proofs.symbolic.rules import Rule, Setting, holds
from proofs.symbolic.signs import manifestly_nonnegative

Relation = Literal["=", "<=", ">="]


@dataclass(frozen=True)
class Step:
    """One line: `lhs relation rhs`, why, and the rule by which SymPy verifies it. `surplus` is the larger side minus
    the smaller.
    """

    lhs: sp.Expr
    relation: Relation
    rhs: sp.Expr
    reason: str
    rule: Rule
    surplus: sp.Expr | None = None


@dataclass(frozen=True)
class Chain:
    """Steps that follow on from each other; together they say `first lhs relation last rhs`."""

    name: str
    steps: tuple[Step, ...]

    @property
    def conclusion(self) -> tuple[sp.Expr, Relation, sp.Expr]:
        """What the whole chain says."""
        relations = {step.relation for step in self.steps} - {"="}
        relation: Relation = relations.pop() if relations else "="
        return self.steps[0].lhs, relation, self.steps[-1].rhs


@dataclass(frozen=True)
class Derivation:
    """A page of mathematics about one theorem. `assumed` lists what is used and not derived here, in words."""

    theorem: str
    title: str
    setting: Setting
    chains: tuple[Chain, ...]
    assumed: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Link:
    """The right half of a step, before it is joined to what stands on its left."""

    relation: Relation
    rhs: sp.Expr
    reason: str
    rule: Rule
    surplus: sp.Expr | None = None


def equals(rhs: sp.Expr, reason: str, rule: Rule = Rule.ALGEBRA) -> Link:
    """… = rhs."""
    return Link("=", sp.sympify(rhs), reason, rule)


def at_most(rhs: sp.Expr, surplus: sp.Expr, reason: str, rule: Rule = Rule.ALGEBRA) -> Link:
    """… ≤ rhs, because rhs minus the left side is `surplus`, which cannot be negative."""
    return Link("<=", sp.sympify(rhs), reason, rule, sp.sympify(surplus))


def at_least(rhs: sp.Expr, surplus: sp.Expr, reason: str, rule: Rule = Rule.ALGEBRA) -> Link:
    """… ≥ rhs, because the left side minus rhs is `surplus`, which cannot be negative."""
    return Link(">=", sp.sympify(rhs), reason, rule, sp.sympify(surplus))


def chain(name: str, start: sp.Expr, *links: Link) -> Chain:
    """Join links into a chain, so that every step begins where the one before it ended."""
    steps: list[Step] = []
    left = sp.sympify(start)
    for link in links:
        steps.append(Step(left, link.relation, link.rhs, link.reason, link.rule, link.surplus))
        left = link.rhs
    return Chain(name, tuple(steps))


def fault_of_step(step: Step, setting: Setting) -> str | None:
    """Why this step is not verified, or None when it is."""
    if step.lhs == step.rhs:
        return "trivial: both sides are the same expression"
    if step.relation == "=":
        return None if holds(step.lhs, step.rhs, step.rule, setting) else "the difference does not reduce to 0"
    if step.surplus is None:
        return "an inequality needs a surplus"
    if step.surplus == 0:
        return "trivial: the surplus is 0"
    smaller, larger = (step.lhs, step.rhs) if step.relation == "<=" else (step.rhs, step.lhs)
    if not holds(larger - smaller, step.surplus, step.rule, setting):
        return "the difference of the sides is not the stated surplus"
    if not manifestly_nonnegative(step.surplus, setting.unit_interval):
        return "the surplus is not non-negative by the assumptions on its symbols"
    return None


def fault_of_chain(links: Chain, setting: Setting) -> str | None:
    """The first fault of a chain: a wrong step, a gap between two steps, or inequalities in both directions."""
    if not links.steps:
        return "an empty chain"
    if len({step.relation for step in links.steps} - {"="}) > 1:
        return "≤ and ≥ in one chain"
    for before, after in zip(links.steps, links.steps[1:], strict=False):
        if before.rhs != after.lhs:
            return f"“{after.reason}” does not start where “{before.reason}” ended"
    for step in links.steps:
        fault = fault_of_step(step, setting)
        if fault is not None:
            return f"“{step.reason}”: {fault}"
    return None


def faults(derivation: Derivation) -> Sequence[str]:
    """Everything that is wrong with a derivation; empty when every step of every chain is verified."""
    if not derivation.chains:
        return ("no chains",)
    found = ((links.name, fault_of_chain(links, derivation.setting)) for links in derivation.chains)
    return tuple(f"{name}: {fault}" for name, fault in found if fault is not None)
