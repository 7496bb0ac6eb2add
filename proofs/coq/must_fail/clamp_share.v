(* mutate: powerRZ 2 (-1009) -> powerRZ 2 (-1010); refused with: Numerical evaluation failed to conclude *)
(** The share of a clamped key covers the clamp's weight; half of it does not. *)
From Coq Require Import Reals.
From TopK Require Import IntegerInterval.
Open Scope R_scope.

Goal exp (-700) <= powerRZ 2 (-1009).
Proof. interval with (i_prec 60). Qed.
