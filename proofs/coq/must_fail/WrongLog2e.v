(* fails with: Tactic failure *)
(** LOG2E one unit in the last place too large: the exponent is off by 700 times that, and the 445 units of
    [exponent_close] no longer suffice. *)
From Coq Require Import Reals Lra.
From Flocq Require Import Core.
From TopK Require Import Binary64 IntegerInterval.
Open Scope R_scope.

Goal Rabs (3248660424278400 / 2251799813685248 * ln 2 - 1) <= 1275 / 10000 * / 9007199254740992.
Proof. interval with (i_prec 90). Qed.
