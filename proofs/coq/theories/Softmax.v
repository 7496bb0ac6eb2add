(** The setting: attention weights, a kept set, its tail.

    Everything is stated for non-negative weights w = e^s, so that a masked key (score −∞) is simply a key of
    weight 0. [weight] below turns extended scores into weights; [None] is −∞. *)
From Coq Require Import Reals List Lra Bool.
From TopK Require Import FiniteSums.
Import ListNotations.
Open Scope R_scope.

Definition weight (score : option R) : R :=
  match score with
  | Some s => exp s
  | None => 0
  end.

Lemma weight_nonneg s : 0 <= weight s.
Proof. destruct s; cbn [weight]; [apply Rlt_le, exp_pos | lra]. Qed.

Lemma exp_le a b : a <= b -> exp a <= exp b.
Proof. intros [H| ->]; [left; now apply exp_increasing | lra]. Qed.

Section Row.
Context {A : Type}.
Variables (keys : list A) (w : A -> R) (kept : A -> bool).

Definition total : R := sum w keys.                                   (* Z *)
Definition kept_sum : R := sum (restrict kept w) keys.                (* Σ_H w *)
Definition tail_sum : R := sum (restrict (complement kept) w) keys.   (* Σ_T w *)
Definition tail_mass : R := tail_sum / total.                         (* τ *)
Definition attention (a : A) : R := w a / total.                      (* P *)
Definition truncated (a : A) : R := restrict kept w a / kept_sum.     (* P̂ *)

Hypothesis w_nonneg : forall a, In a keys -> 0 <= w a.
Hypothesis kept_positive : 0 < kept_sum.

Lemma total_split : total = kept_sum + tail_sum.
Proof. apply sum_split. Qed.

Lemma tail_sum_nonneg : 0 <= tail_sum.
Proof. apply sum_nonneg. intros a Ha. now apply restrict_nonneg, w_nonneg. Qed.

Lemma total_positive : 0 < total.
Proof. rewrite total_split. pose proof tail_sum_nonneg. lra. Qed.

Lemma tail_mass_bounds : 0 <= tail_mass < 1.
Proof.
  pose proof tail_sum_nonneg. pose proof total_positive. unfold tail_mass. split.
  - apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra].
  - apply Rmult_lt_reg_r with total; [lra|].
    replace (tail_sum / total * total) with tail_sum by (field; lra).
    rewrite total_split in *. lra.
Qed.

Lemma one_minus_tail_mass : 1 - tail_mass = kept_sum / total.
Proof.
  unfold tail_mass. pose proof total_positive.
  replace tail_sum with (total - kept_sum) by (rewrite total_split; ring). field. lra.
Qed.

Lemma attention_nonneg a : In a keys -> 0 <= attention a.
Proof.
  intros Ha. pose proof total_positive. unfold attention, Rdiv.
  apply Rmult_le_pos; [now apply w_nonneg | apply Rlt_le, Rinv_0_lt_compat; lra].
Qed.

Lemma truncated_nonneg a : In a keys -> 0 <= truncated a.
Proof.
  intros Ha. unfold truncated, Rdiv.
  apply Rmult_le_pos; [now apply restrict_nonneg, w_nonneg | apply Rlt_le, Rinv_0_lt_compat; lra].
Qed.

Lemma attention_sum_one : sum attention keys = 1.
Proof.
  pose proof total_positive. unfold attention. rewrite sum_divide. fold total. field. lra.
Qed.

Lemma truncated_sum_one : sum truncated keys = 1.
Proof. unfold truncated. rewrite sum_divide. fold kept_sum. field. lra. Qed.

Lemma attention_on_kept : sum (restrict kept attention) keys = 1 - tail_mass.
Proof.
  rewrite one_minus_tail_mass. unfold kept_sum. rewrite <- sum_divide. apply sum_ext.
  intros a _. unfold restrict, attention. destruct (kept a); unfold Rdiv; ring.
Qed.

Lemma attention_on_tail : sum (restrict (complement kept) attention) keys = tail_mass.
Proof.
  unfold tail_mass, tail_sum. rewrite <- sum_divide. apply sum_ext.
  intros a _. unfold restrict, attention. destruct (complement kept a); unfold Rdiv; ring.
Qed.

(** On kept keys the truncated weight is the attention weight divided by 1 − τ; elsewhere it is 0. *)
Lemma truncated_is_rescaled a :
  truncated a = restrict kept (fun b => attention b / (1 - tail_mass)) a.
Proof.
  pose proof total_positive. rewrite one_minus_tail_mass. unfold truncated, restrict, attention.
  destruct (kept a); [field; lra | unfold Rdiv; ring].
Qed.
End Row.

(** τ = T/(H+T) grows with T and falls with H: every bound from partial knowledge rests on this. *)
Lemma fraction_monotone T H T' H' :
  0 <= T <= T' -> 0 < H' <= H -> T / (H + T) <= T' / (H' + T').
Proof.
  intros HT HH.
  apply Rmult_le_reg_r with (H + T); [lra|]. apply Rmult_le_reg_r with (H' + T'); [lra|].
  replace (T / (H + T) * (H + T) * (H' + T')) with (T * (H' + T')) by (field; lra).
  replace (T' / (H' + T') * (H + T) * (H' + T')) with (T' * (H + T)) by (field; lra).
  assert (T * H' <= T' * H) by (apply Rmult_le_compat; lra). lra.
Qed.

(** τ does not change when all weights are scaled alike: scores may be shifted. *)
Lemma tail_mass_scaled {A} (keys : list A) (w : A -> R) (kept : A -> bool) (r : R) :
  0 < r -> 0 < total keys w ->
  tail_mass keys (fun a => w a * r) kept = tail_mass keys w kept.
Proof.
  intros Hr Hz. unfold tail_mass.
  assert (ET : tail_sum keys (fun a => w a * r) kept = tail_sum keys w kept * r).
  { unfold tail_sum. rewrite <- sum_scale_right. apply sum_ext. intros a _. unfold restrict. destruct (complement kept a); ring. }
  assert (EZ : total keys (fun a => w a * r) = total keys w * r) by apply sum_scale_right.
  rewrite ET, EZ. field. lra.
Qed.
