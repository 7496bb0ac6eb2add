(** The order of summation that T23 is about is the kernel's: its own code, run on symbols, gives the tree that
    [lane_sum] gives on the same symbols. *)
From Coq Require Import ZArith List.
From TopK Require Import Constants LaneSums TailMass Order.
Import ListNotations.

Definition symbols : list order :=
  let n := Z.to_nat row_length in
  map (fun i => Index (Z.of_nat i)) (seq 0 n) ++ repeat Nought (padded n - n).

Fixpoint same_order (a b : order) : bool :=
  match a, b with
  | Nought, Nought => true
  | Index i, Index j => Z.eqb i j
  | Plus a1 a2, Plus b1 b2 => andb (same_order a1 b1) (same_order a2 b2)
  | _, _ => false
  end.

Theorem order_agrees : same_order (lane_sum Plus Nought lane_levels steps_per_block symbols) row_order = true.
Proof. vm_compute. reflexivity. Qed.
