(* fails with: Numerical evaluation failed to conclude *)
(** The last coefficient of the exact grade halved: the polynomial is no longer within 3 units of 2^f. *)
From Coq Require Import Reals ZArith List Lra.
From Flocq Require Import Core.
From TopK Require Import Binary64 Horner Constants IntegerInterval PolynomialError.
Import ListNotations.
Open Scope R_scope.

Definition wrong : list constant :=
  match rev coefficients_exact with
  | (m, e) :: rest => rev ((m, (e - 1)%Z) :: rest)
  | [] => []
  end.

Theorem wrong_within : polynomial_within wrong 3.
Proof.
  unfold polynomial_within. intros f Hf.
  change wrong with ltac:(let w := eval vm_compute in wrong in exact w). spell_out.
  interval with (i_bisect f, i_taylor f, i_degree 11, i_prec 70, i_depth 4).
Qed.
