(* fails with: while it is expected to have type *)
(** T8 with every block counted once cannot be had from T8. Sharpness.block_multiplicity_matters proves it false. *)
From Coq Require Import Reals List.
From TopK Require Import FiniteSums Softmax ScoreBounds.
Open Scope R_scope.

Theorem counted_once {A} (blocks : list (block A)) w kept :
  (forall a, In a (flat_map members blocks) -> 0 <= w a) ->
  0 < kept_sum (flat_map members blocks) w kept ->
  (forall b, In b blocks -> forall a, In a (members b) -> exp (block_low b) <= w a <= exp (block_high b)) ->
  tail_mass (flat_map members blocks) w kept
  <= sum (fun b => exp (block_high b)) blocks / (kept_low blocks kept + sum (fun b => exp (block_high b)) blocks).
Proof. intros Hw Hk Hr. exact (blockwise_upper blocks w kept Hw Hk Hr). Qed.
