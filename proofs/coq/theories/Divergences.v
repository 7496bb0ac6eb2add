(** T1–T5: every divergence between the attention distribution P and its truncation P̂ is a function of τ alone. *)
From Coq Require Import Reals List Lra Bool.
From TopK Require Import FiniteSums Softmax.
Import ListNotations.
Open Scope R_scope.

Section Definitions.
Context {A : Type}.
Variable keys : list A.

Definition total_variation (p q : A -> R) : R := / 2 * sum (fun a => Rabs (p a - q a)) keys.

(** KL(q‖p) with 0·ln(0/·) = 0. Meaningful where p a = 0 implies q a = 0. *)
Definition kl_divergence (q p : A -> R) : R := sum (fun a => q a * ln (q a / p a)) keys.

(** D_f(q‖p) = Σ p f(q/p); keys of p-mass 0 contribute 0. *)
Definition f_divergence (f : R -> R) (q p : A -> R) : R := sum (fun a => p a * f (q a / p a)) keys.

Definition chi_squared (q p : A -> R) : R := f_divergence (fun x => (x - 1) ^ 2) q p.

(** Squared Hellinger distance 1 − Σ √(q p). *)
Definition hellinger_squared (q p : A -> R) : R := 1 - sum (fun a => sqrt (q a * p a)) keys.

(** x^α with 0^α = 0, as the Rényi divergence of order α > 0 needs it. *)
Definition power_or_zero (alpha x : R) : R := if Rle_dec x 0 then 0 else Rpower x alpha.
Definition renyi_divergence (alpha : R) (q p : A -> R) : R :=
  / (alpha - 1) * ln (f_divergence (power_or_zero alpha) q p).
End Definitions.

Section Theorems.
Context {A : Type}.
Variables (keys : list A) (w : A -> R) (kept : A -> bool).
Hypothesis w_nonneg : forall a, In a keys -> 0 <= w a.
Hypothesis kept_positive : 0 < kept_sum keys w kept.

Notation P := (attention keys w).
Notation Phat := (truncated keys w kept).
Notation tau := (tail_mass keys w kept).

Let tau_bounds := tail_mass_bounds keys w kept w_nonneg kept_positive.
Let P_nonneg := attention_nonneg keys w kept w_nonneg kept_positive.

(** The law that all of T1–T3 share: on kept keys P̂ = P/(1−τ), on the tail P̂ = 0. *)
Lemma split_by_kept (g : R -> R -> R) :
  (forall p, 0 <= p -> g p (p / (1 - tau)) = p * g 1 (/ (1 - tau))) ->
  (forall p, 0 <= p -> g p 0 = p * g 1 0) ->
  sum (fun a => g (P a) (Phat a)) keys = (1 - tau) * g 1 (/ (1 - tau)) + tau * g 1 0.
Proof.
  intros Hkept Htail.
  rewrite (sum_ext _ (fun a => restrict kept P a * g 1 (/ (1 - tau))
                               + restrict (complement kept) P a * g 1 0)).
  - rewrite sum_plus, !sum_scale_right.
    rewrite (attention_on_kept keys w kept w_nonneg kept_positive), attention_on_tail. reflexivity.
  - intros a Ha. rewrite (truncated_is_rescaled keys w kept w_nonneg kept_positive).
    unfold restrict, complement. destruct (kept a); cbn [negb].
    + rewrite Hkept by now apply P_nonneg. ring.
    + rewrite Htail by now apply P_nonneg. ring.
Qed.

(** T1: total variation is the tail mass. *)
Theorem tail_mass_identity : total_variation keys P Phat = tau.
Proof.
  unfold total_variation. rewrite (split_by_kept (fun p q => Rabs (p - q))).
  - replace (1 - / (1 - tau)) with (- (tau / (1 - tau))) by (field; lra).
    rewrite Rabs_Ropp, Rabs_pos_eq, Rminus_0_r, Rabs_R1; [field; lra|].
    apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra].
  - intros p Hp. replace (p - p / (1 - tau)) with (p * (1 - / (1 - tau))) by (field; lra).
    rewrite Rabs_mult, (Rabs_pos_eq p Hp). reflexivity.
  - intros p Hp. rewrite !Rminus_0_r, Rabs_R1, (Rabs_pos_eq p Hp). ring.
Qed.

(** T3: the whole f-divergence family. *)
Theorem f_divergence_identity (f : R -> R) :
  f_divergence keys f Phat P = (1 - tau) * f (/ (1 - tau)) + tau * f 0.
Proof.
  unfold f_divergence. rewrite (split_by_kept (fun p q => p * f (q / p))).
  - rewrite !Rmult_1_l. unfold Rdiv. now rewrite Rmult_0_l, Rinv_1, Rmult_1_r.
  - intros p Hp. destruct (Req_dec p 0) as [->|Hnz]; [ring|].
    rewrite Rmult_1_l. f_equal. f_equal. field. lra.
  - intros p Hp. rewrite Rmult_1_l. unfold Rdiv. now rewrite !Rmult_0_l.
Qed.

Corollary chi_squared_identity : chi_squared keys Phat P = tau / (1 - tau).
Proof. unfold chi_squared. rewrite f_divergence_identity. field. lra. Qed.

Corollary hellinger_identity : hellinger_squared keys Phat P = 1 - sqrt (1 - tau).
Proof.
  unfold hellinger_squared. f_equal. rewrite (split_by_kept (fun p q => sqrt (q * p))).
  - rewrite Rmult_1_r, Rmult_0_l, sqrt_0, Rmult_0_r, Rplus_0_r.
    rewrite sqrt_inv by lra.
    assert (Hs : 0 < sqrt (1 - tau)) by (apply sqrt_lt_R0; lra).
    rewrite <- (sqrt_sqrt (1 - tau)) at 1 by lra. field. lra.
  - intros p Hp. rewrite Rmult_1_r.
    replace (p / (1 - tau) * p) with (p ^ 2 * / (1 - tau)) by (field; lra).
    rewrite sqrt_mult_alt by apply pow2_ge_0. now rewrite sqrt_pow2.
  - intros p Hp. rewrite !Rmult_0_l, sqrt_0. ring.
Qed.

(** T2: KL(P̂‖P) = −ln(1−τ), and so TV = 1 − exp(−KL). *)
Theorem kl_identity : kl_divergence keys Phat P = - ln (1 - tau).
Proof.
  unfold kl_divergence. rewrite (split_by_kept (fun p q => q * ln (q / p))).
  - unfold Rdiv. rewrite Rinv_1, !Rmult_1_r, !Rmult_0_l, Rmult_0_r, Rplus_0_r.
    rewrite ln_Rinv by lra. field. lra.
  - intros p Hp. destruct (Req_dec p 0) as [->|Hnz]; [unfold Rdiv; ring|].
    unfold Rdiv. rewrite Rinv_1, Rmult_1_r.
    replace (p * / (1 - tau) * / p) with (/ (1 - tau)) by (field; lra). ring.
  - intros p Hp. ring.
Qed.

Theorem total_variation_from_kl : total_variation keys P Phat = 1 - exp (- kl_divergence keys Phat P).
Proof. rewrite kl_identity, tail_mass_identity, Ropp_involutive, exp_ln by lra. ring. Qed.

Theorem renyi_identity alpha : 0 < alpha -> alpha <> 1 -> renyi_divergence keys alpha Phat P = - ln (1 - tau).
Proof.
  intros Hpos Hne. unfold renyi_divergence. rewrite f_divergence_identity.
  assert (H1 : power_or_zero alpha 0 = 0) by (unfold power_or_zero; destruct (Rle_dec 0 0); lra).
  assert (Hinv : 0 < / (1 - tau)) by (apply Rinv_0_lt_compat; lra).
  assert (H2 : power_or_zero alpha (/ (1 - tau)) = Rpower (/ (1 - tau)) alpha)
    by (unfold power_or_zero; destruct (Rle_dec (/ (1 - tau)) 0); lra).
  rewrite H1, H2, Rmult_0_r, Rplus_0_r. unfold Rpower.
  rewrite ln_mult, ln_exp, ln_Rinv by (lra || apply exp_pos). field. lra.
Qed.

(** T5: the tail mass from log-sum-exps alone. *)
Theorem tail_mass_from_log_sum_exp :
  tau = 1 - exp (ln (kept_sum keys w kept) - ln (total keys w)).
Proof.
  pose proof (total_positive keys w kept w_nonneg kept_positive) as Ht.
  unfold Rminus at 2. rewrite exp_plus, exp_Ropp, !exp_ln by trivial.
  pose proof (one_minus_tail_mass keys w kept w_nonneg kept_positive) as H.
  unfold Rdiv in H. lra.
Qed.

(** T4a: a true top-k has the smallest tail mass among all kept sets of its size. *)
Theorem top_k_is_optimal (other : A -> bool) :
  (forall a b, In a keys -> In b keys -> kept a = true -> kept b = false -> w b <= w a) ->
  count kept keys = count other keys ->
  tau <= tail_mass keys w other.
Proof.
  intros Htop Hcount.
  pose proof (total_positive keys w kept w_nonneg kept_positive) as Ht.
  (* a threshold between the tail and the kept weights *)
  assert (Hthr : exists t, (forall a, In a keys -> kept a = true -> t <= w a)
                        /\ (forall b, In b keys -> kept b = false -> w b <= t)).
  { clear Hcount kept_positive Ht tau_bounds P_nonneg. revert w_nonneg Htop.
    induction keys as [|c rest IH]; intros Hw Htop; [exists 0; split; easy|].
    destruct IH as (t & Hk & Ht).
    - intros a Ha. apply Hw. now right.
    - intros a b Ha Hb. apply Htop; now right.
    - destruct (kept c) eqn:Ec.
      + exists (Rmin t (w c)). split.
        * intros a [<-|Ha] E; [apply Rmin_r|].
          apply Rle_trans with t; [apply Rmin_l | now apply Hk].
        * intros b [<-|Hb] E; [congruence|].
          apply Rmin_glb; [now apply Ht | apply Htop; trivial; [now left | now right]].
      + exists (Rmax t (w c)). split.
        * intros a [<-|Ha] E; [congruence|].
          apply Rmax_lub; [now apply Hk | apply Htop; trivial; [now right | now left]].
        * intros b [<-|Hb] E; [apply Rmax_r|].
          apply Rle_trans with t; [now apply Ht | apply Rmax_l]. }
  destruct Hthr as (t & Hk & Htail).
  assert (Hsum : 0 <= sum (fun a => (restrict kept (fun _ => 1) a - restrict other (fun _ => 1) a) * (w a - t)) keys).
  { apply sum_nonneg. intros a Ha. unfold restrict. destruct (kept a) eqn:Ek, (other a) eqn:Eo; try lra.
    - specialize (Hk a Ha Ek). lra.
    - specialize (Htail a Ha Ek). lra. }
  rewrite (sum_ext _ (fun a => (restrict kept w a - restrict other w a)
                               - t * (restrict kept (fun _ => 1) a - restrict other (fun _ => 1) a))) in Hsum
    by (intros a _; unfold restrict; destruct (kept a), (other a); ring).
  rewrite sum_minus, sum_scale, !sum_minus in Hsum.
  fold (count kept keys) (count other keys) (kept_sum keys w kept) (kept_sum keys w other) in Hsum.
  rewrite Hcount in Hsum.
  pose proof (total_split keys w kept). pose proof (total_split keys w other).
  unfold tail_mass, Rdiv. apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat; lra | lra].
Qed.

Section Projection.
(** Any distribution q supported on the kept keys. *)
Variable q : A -> R.
Hypothesis q_nonneg : forall a, In a keys -> 0 <= q a.
Hypothesis q_sum_one : sum q keys = 1.
Hypothesis q_support : forall a, In a keys -> kept a = false -> q a = 0.

(** T4b: P̂ minimises the total variation. *)
Theorem truncation_minimises_total_variation : total_variation keys P Phat <= total_variation keys P q.
Proof.
  rewrite tail_mass_identity. unfold total_variation.
  pose proof (attention_on_kept keys w kept w_nonneg kept_positive) as HK.
  pose proof (attention_on_tail keys w kept) as HT.
  assert (H : sum (fun a => restrict (complement kept) P a + (q a - restrict kept P a)) keys
              <= sum (fun a => Rabs (P a - q a)) keys).
  { apply sum_le. intros a Ha. unfold restrict, complement. destruct (kept a) eqn:E; cbn [negb].
    - rewrite Rabs_minus_sym. pose proof (Rle_abs (q a - P a)). lra.
    - rewrite (q_support a Ha E). pose proof (Rle_abs (P a - 0)). lra. }
  rewrite sum_plus, sum_minus, HK, HT, q_sum_one in H. lra.
Qed.

(** T4c: P̂ minimises KL(q‖P). The hypothesis on zero weights is where KL is finite. *)
Theorem truncation_minimises_kl :
  (forall a, In a keys -> P a = 0 -> q a = 0) ->
  kl_divergence keys Phat P <= kl_divergence keys q P.
Proof.
  intros Hac. rewrite kl_identity.
  apply Rle_trans with (sum (fun a => (q a - restrict kept (fun b => P b / (1 - tau)) a) + q a * (- ln (1 - tau))) keys).
  - rewrite sum_plus, sum_scale_right, sum_minus, q_sum_one.
    rewrite (sum_ext (restrict kept _) (fun a => restrict kept P a / (1 - tau)))
      by (intros a _; unfold restrict; destruct (kept a); unfold Rdiv; ring).
    rewrite sum_divide, (attention_on_kept keys w kept w_nonneg kept_positive).
    right. field. lra.
  - apply sum_le. intros a Ha. specialize (q_nonneg a Ha). pose proof (P_nonneg a Ha) as HP.
    destruct (Rle_lt_or_eq_dec 0 (q a) q_nonneg) as [Hq|Hq].
    + assert (Ek : kept a = true).
      { destruct (kept a) eqn:E; trivial. rewrite (q_support a Ha E) in Hq. lra. }
      assert (HPp : 0 < P a).
      { destruct (Rle_lt_or_eq_dec 0 (P a) HP) as [|H0]; trivial.
        rewrite (Hac a Ha (eq_sym H0)) in Hq. lra. }
      unfold restrict. rewrite Ek. set (x := q a / (P a / (1 - tau))).
      assert (Hx : 0 < x) by (unfold x; apply Rdiv_lt_0_compat; [trivial | apply Rdiv_lt_0_compat; lra]).
      assert (Hlog : 1 - / x <= ln x).
      { pose proof (exp_ineq1_le (- ln x)) as I. rewrite exp_Ropp, exp_ln in I by trivial. lra. }
      replace (q a / P a) with (x * / (1 - tau)) by (unfold x; field; lra).
      rewrite ln_mult, ln_Rinv by (trivial; lra || apply Rinv_0_lt_compat; lra).
      assert (q a * (1 - / x) <= q a * ln x) by (apply Rmult_le_compat_l; lra).
      replace (q a * (1 - / x)) with (q a - P a / (1 - tau)) in * by (unfold x; field; lra).
      rewrite Rmult_plus_distr_l. lra.
    + rewrite <- Hq. rewrite !Rmult_0_l, Rplus_0_r. unfold restrict. destruct (kept a); [|lra].
      cbv beta.
      assert (0 <= P a / (1 - tau)) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]). lra.
Qed.
End Projection.
End Theorems.
