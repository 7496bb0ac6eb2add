(* fails with: Cannot find witness *)
(** The fast grade's units lowered by 1000: the polynomial's error alone is more than they pay for. *)
From Coq Require Import Reals ZArith Lra.
From TopK Require Import Binary64 Constants.
Open Scope R_scope.

Goal let p := IZR (17825792 + 4) * u in
  1 <= (1 + IZR (exponential_units_fast - 1000) * u) * (1 - p) * (1 - 445 * u).
Proof. cbv zeta. rewrite u_value, plus_IZR, minus_IZR. unfold exponential_units_fast. lra. Qed.
