(* mutate: S (max (depth a) (depth b)) -> max (depth a) (depth b); refused with: Cannot find witness *)
(** The error of a sum grows with each level of its tree: a node is one level deeper than its deeper side. *)
From Coq Require Import Reals Lra Lia Max.
Open Scope R_scope.

Inductive tree : Type := Leaf | Node (a b : tree).
Fixpoint depth (t : tree) : nat := match t with Leaf => O | Node a b => S (max (depth a) (depth b)) end.
(** Every addition may round up by the factor 2: the computed sum of leaves that are all 1. *)
Fixpoint leaves (t : tree) : R := match t with Leaf => 1 | Node a b => leaves a + leaves b end.
Fixpoint computed (t : tree) : R := match t with Leaf => 1 | Node a b => 2 * (computed a + computed b) end.

Goal forall t, 0 <= leaves t /\ computed t <= leaves t * 2 ^ depth t.
Proof.
  induction t as [|a (Pa & IHa) b (Pb & IHb)]; cbn [leaves computed depth]; [cbn; lra|]. split; [lra|].
  set (m := max (depth a) (depth b)).
  assert (Ha : 2 ^ depth a <= 2 ^ m) by (apply Rle_pow; [lra | unfold m; lia]).
  assert (Hb : 2 ^ depth b <= 2 ^ m) by (apply Rle_pow; [lra | unfold m; lia]).
  assert (leaves a * 2 ^ depth a <= leaves a * 2 ^ m) by (apply Rmult_le_compat_l; lra).
  assert (leaves b * 2 ^ depth b <= leaves b * 2 ^ m) by (apply Rmult_le_compat_l; lra).
  try change (2 ^ S m) with (2 * 2 ^ m). lra.
Qed.
