(* mutate: 1 + 4 * e -> 1 + 3 * e; refused with: No applicable tactic *)
(** Three roundings are undone by four units, not by three. *)
From Coq Require Import Reals Lra Psatz.
Open Scope R_scope.

Goal forall e, 0 < e < / 1000000 -> (1 + e) * (1 + e) * (1 + e) <= 1 + 4 * e.
Proof. intros e He. nra. Qed.
