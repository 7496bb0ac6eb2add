(* mutate: 3248660424278399 -> 3248660424278400; refused with: Numerical evaluation failed to conclude *)
(** LOG2E is the float nearest to log2 e; one unit in the last place more puts the exponent off by 700 times that, and
    the 445 units of [exponent_close] no longer suffice. *)
From Coq Require Import Reals.
From TopK Require Import IntegerInterval.
Open Scope R_scope.

Goal Rabs (3248660424278399 / 2251799813685248 * ln 2 - 1) <= 1275 / 10000 * / 9007199254740992.
Proof. interval with (i_prec 90). Qed.
