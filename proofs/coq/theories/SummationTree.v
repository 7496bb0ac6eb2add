(** Any fixed order of summing non-negative binary64 numbers is a binary tree; its rounding error is at most a factor
    (1 + u)^depth in both directions, whatever the number of terms. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import FiniteSums Binary64.
Import ListNotations.
Open Scope R_scope.

Inductive tree : Type :=
  | Leaf (x : binary64)
  | Node (left right : tree).

Fixpoint computed (t : tree) : binary64 :=
  match t with
  | Leaf x => x
  | Node a b => add (computed a) (computed b)
  end.

Fixpoint leaves (t : tree) : list binary64 :=
  match t with
  | Leaf x => [x]
  | Node a b => leaves a ++ leaves b
  end.

Fixpoint depth (t : tree) : nat :=
  match t with
  | Leaf _ => O
  | Node a b => S (max (depth a) (depth b))
  end.

(** The exact sum of the leaves. *)
Definition exact (t : tree) : R := sum value (leaves t).

Lemma exact_node a b : exact (Node a b) = exact a + exact b.
Proof. apply sum_append. Qed.

Definition finite_nonneg (x : binary64) : Prop := finite x = true /\ 0 <= value x.

Lemma power_at_least_one n : 1 <= (1 + u) ^ n.
Proof. apply pow_R1_Rle. pose proof u_positive. lra. Qed.

Lemma power_monotone m n : (m <= n)%nat -> (1 + u) ^ m <= (1 + u) ^ n.
Proof. apply Rle_pow. pose proof u_positive. lra. Qed.

Lemma exact_nonneg t : Forall finite_nonneg (leaves t) -> 0 <= exact t.
Proof. intros H. unfold exact. apply sum_nonneg. intros x Hx. rewrite Forall_forall in H. apply (H x Hx). Qed.

(** The exact sum, inflated by the error bound itself, is what must stay in range: then no partial sum overflows. *)
Theorem summation_error t :
  Forall finite_nonneg (leaves t) -> exact t * (1 + u) ^ depth t <= bpow radix2 1022 ->
  finite_nonneg (computed t)
  /\ exact t <= value (computed t) * (1 + u) ^ depth t
  /\ value (computed t) <= exact t * (1 + u) ^ depth t.
Proof.
  pose proof u_positive as Hu.
  induction t as [x|a IHa b IHb]; cbn [leaves computed]; intros Hl Hr.
  - inversion Hl; subst. unfold exact. cbn [leaves sum depth pow]. repeat split; try lra; now destruct H1.
  - rewrite exact_node in *. cbn [depth] in Hr |- *. apply Forall_app in Hl as (Hla & Hlb).
    pose proof (exact_nonneg a Hla) as Ea. pose proof (exact_nonneg b Hlb) as Eb.
    set (m := max (depth a) (depth b)) in *. set (q := (1 + u) ^ m) in *. cbn [pow] in Hr |- *. fold q in Hr |- *.
    assert (Ma : 1 <= (1 + u) ^ depth a <= q) by (split; [apply power_at_least_one | apply power_monotone; lia]).
    assert (Mb : 1 <= (1 + u) ^ depth b <= q) by (split; [apply power_at_least_one | apply power_monotone; lia]).
    assert (Hsum : (exact a + exact b) * q <= bpow radix2 1022).
    { apply Rle_trans with (2 := Hr). apply Rmult_le_compat_l; nra. }
    assert (Ra : exact a * (1 + u) ^ depth a <= exact a * q) by (apply Rmult_le_compat_l; lra).
    assert (Rb : exact b * (1 + u) ^ depth b <= exact b * q) by (apply Rmult_le_compat_l; lra).
    assert (0 <= exact a * q) by (apply Rmult_le_pos; lra).
    assert (0 <= exact b * q) by (apply Rmult_le_pos; lra).
    destruct (IHa Hla) as ((Fa & Pa) & La & Ga); [lra|]. destruct (IHb Hlb) as ((Fb & Pb) & Lb & Gb); [lra|].
    destruct (add_value (computed a) (computed b) Fa Fb) as (F & E).
    { unfold in_range. rewrite Rabs_pos_eq by lra. apply Rle_trans with (bpow radix2 1022); [lra | apply bpow_le; lia]. }
    destruct (sum_error _ _ (representable_value (computed a)) (representable_value (computed b))) as (S1 & S2); [lra|].
    split; [split; [exact F | rewrite E; apply rounded_nonneg; lra]|]. rewrite E. split.
    + apply Rle_trans with ((value (computed a) + value (computed b)) * q).
      * rewrite Rmult_plus_distr_r. apply Rplus_le_compat.
        -- apply Rle_trans with (1 := La). now apply Rmult_le_compat_l.
        -- apply Rle_trans with (1 := Lb). now apply Rmult_le_compat_l.
      * rewrite <- Rmult_assoc. apply Rmult_le_compat_r; lra.
    + apply Rle_trans with (1 := S2).
      replace ((exact a + exact b) * ((1 + u) * q)) with ((exact a * q + exact b * q) * (1 + u)) by ring.
      apply Rmult_le_compat_r; lra.
Qed.

(** (1 + u)^h undone: the form in which the error budget adds up. *)
Lemma power_budget h : INR h * u <= 1 -> (1 + u) ^ h * (1 - INR h * u) <= 1.
Proof.
  pose proof u_positive as Hu. induction h as [|h IH]; [cbn; lra|]. rewrite S_INR. intros Hh.
  pose proof (pos_INR h) as Hp. assert (IHh : (1 + u) ^ h * (1 - INR h * u) <= 1) by (apply IH; nra).
  cbn [pow]. apply Rle_trans with (2 := IHh).
  replace ((1 + u) * (1 + u) ^ h * (1 - (INR h + 1) * u)) with ((1 + u) ^ h * ((1 + u) * (1 - (INR h + 1) * u))) by ring.
  apply Rmult_le_compat_l; [pose proof (power_at_least_one h); lra|].
  assert (0 <= INR h * u * u) by (apply Rmult_le_pos; [apply Rmult_le_pos|]; lra).
  assert (0 <= u * u) by (apply Rmult_le_pos; lra). lra.
Qed.
