(* mutate: fst c + 0 -> fst c + 1024; refused with: Numerical evaluation failed to conclude *)
(** The exact grade's polynomial at f = 1/2, its coefficients taken from Constants.v; the coefficient of f must not be
    off by a few parts in 10^13. *)
From Coq Require Import Reals ZArith List Lra.
From Flocq Require Import Core.
From TopK Require Import Horner Constants IntegerInterval PolynomialError.
Import ListNotations.
Open Scope R_scope.

Definition recorded : list (Z * Z) :=
  match coefficients_exact with
  | first :: c :: rest => first :: (fst c + 0, snd c)%Z :: rest
  | short => short
  end.

Goal Rabs (polynomial recorded (1 / 2) / exp (1 / 2 * ln 2) - 1) <= 3 * / 9007199254740992.
Proof.
  let c := eval vm_compute in recorded in change recorded with c. spell_out.
  interval with (i_prec 90).
Qed.
