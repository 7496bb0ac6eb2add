(* mutate: INR (length block) * exp u -> exp u; refused with: Found no subterm matching *)
(** A block's tail mass is at most its number of keys times e^u; e^u once is not enough. *)
From Coq Require Import Reals List Lra.
From TopK Require Import FiniteSums.
Open Scope R_scope.

Goal forall (block : list R) (u : R), (forall s, In s block -> s <= u) -> sum exp block <= INR (length block) * exp u.
Proof.
  intros block u H. rewrite <- (sum_constant (exp u) block). apply sum_le. intros s Hs.
  destruct (H s Hs) as [Hlt| ->]; [apply Rlt_le, exp_increasing, Hlt | apply Rle_refl].
Qed.
