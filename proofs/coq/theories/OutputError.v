(** T10–T13: the error of the attention output o − ô in ℝᵈ. A value is a function from coordinates to ℝ, and
    [dims] lists the coordinates. *)
From Coq Require Import Reals List Lra Bool.
From TopK Require Import FiniteSums Softmax.
Import ListNotations.
Open Scope R_scope.

(** The Euclidean norm over a finite list of coordinates. *)
Section Norm.
Context {D : Type}.
Variable dims : list D.
Implicit Types x y : D -> R.

Definition inner x y : R := sum (fun c => x c * y c) dims.
Definition norm x : R := sqrt (inner x x).

Lemma inner_self_nonneg x : 0 <= inner x x.
Proof. apply sum_nonneg. intros c _. apply Rle_0_sqr. Qed.

Lemma norm_nonneg x : 0 <= norm x.
Proof. apply sqrt_pos. Qed.

Lemma norm_squared x : norm x * norm x = inner x x.
Proof. apply sqrt_sqrt, inner_self_nonneg. Qed.

Lemma norm_ext x y : (forall c, In c dims -> x c = y c) -> norm x = norm y.
Proof. intros H. unfold norm, inner. f_equal. apply sum_ext. intros c Hc. now rewrite (H c Hc). Qed.

Lemma cauchy_schwarz x y : inner x y <= norm x * norm y.
Proof.
  apply Rsqr_incr_0_var; [|apply Rmult_le_pos; apply norm_nonneg].
  rewrite Rsqr_mult. unfold Rsqr. rewrite !norm_squared.
  unfold inner.
  assert (H : forall t, 0 <= inner y y - 2 * t * inner x y + t ^ 2 * inner x x).
  { intros t. unfold inner. rewrite <- !sum_scale, <- sum_minus, <- sum_plus.
    apply sum_nonneg. intros c _.
    replace (y c * y c - 2 * t * (x c * y c) + t ^ 2 * (x c * x c)) with ((y c - t * x c) ^ 2) by ring.
    apply pow2_ge_0. }
  fold (inner x y) (inner x x) (inner y y).
  destruct (Rle_lt_or_eq_dec 0 _ (inner_self_nonneg x)) as [Hx|Hx].
  - specialize (H (inner x y / inner x x)).
    apply Rmult_le_compat_l with (r := inner x x) in H; [|lra].
    replace (inner x x * (inner y y - 2 * (inner x y / inner x x) * inner x y
             + (inner x y / inner x x) ^ 2 * inner x x))
      with (inner x x * inner y y - inner x y * inner x y) in H by (field; lra).
    lra.
  - rewrite <- Hx. destruct (Req_dec (inner x y) 0) as [->|Hs]; [lra|].
    exfalso. specialize (H ((inner y y + 1) / (2 * inner x y))). rewrite <- Hx in H.
    replace (inner y y - 2 * ((inner y y + 1) / (2 * inner x y)) * inner x y
             + ((inner y y + 1) / (2 * inner x y)) ^ 2 * 0) with (-1) in H by (field; lra).
    lra.
Qed.

(** A non-negative combination of vectors is no longer than the same combination of their lengths. *)
Lemma norm_combination {I} (weights : I -> R) (vectors : I -> D -> R) (bound : I -> R) (l : list I) :
  (forall i, In i l -> 0 <= weights i) ->
  (forall i, In i l -> 0 < weights i -> norm (vectors i) <= bound i) ->
  norm (fun c => sum (fun i => weights i * vectors i c) l) <= sum (fun i => weights i * bound i) l.
Proof.
  intros Hw Hb. set (x := fun c => sum (fun i => weights i * vectors i c) l).
  set (B := sum (fun i => weights i * bound i) l).
  assert (Hx : norm x * norm x <= norm x * B).
  { rewrite norm_squared. unfold inner at 1. unfold x at 2.
    rewrite (sum_ext _ (fun c => sum (fun i => weights i * (x c * vectors i c)) l))
      by (intros c _; rewrite <- sum_scale; apply sum_ext; intros; ring).
    rewrite (sum_swap (fun c i => weights i * (x c * vectors i c))).
    unfold B. rewrite <- sum_scale. apply sum_le. intros i Hi. rewrite sum_scale.
    fold (inner x (vectors i)).
    destruct (Rle_lt_or_eq_dec 0 _ (Hw i Hi)) as [Hpos|<-]; [|lra].
    replace (norm x * (weights i * bound i)) with (weights i * (norm x * bound i)) by ring.
    apply Rmult_le_compat_l; [lra|]. apply Rle_trans with (1 := cauchy_schwarz _ _).
    apply Rmult_le_compat_l; [apply norm_nonneg | now apply Hb]. }
  destruct (Rle_lt_or_eq_dec 0 _ (norm_nonneg x)) as [Hp|H0].
  - apply Rmult_le_reg_l with (norm x); trivial.
  - rewrite <- H0. apply sum_nonneg. intros i Hi.
    destruct (Rle_lt_or_eq_dec 0 _ (Hw i Hi)) as [Hpos|<-]; [|lra].
    apply Rmult_le_pos; [lra|]. apply Rle_trans with (norm (vectors i)); [apply norm_nonneg | now apply Hb].
Qed.

Lemma norm_triangle x y z : norm (fun c => x c - z c) <= norm (fun c => x c - y c) + norm (fun c => y c - z c).
Proof.
  pose proof (norm_combination (fun _ : bool => 1) (fun b c => if b then x c - y c else y c - z c)
    (fun b => if b then norm (fun c => x c - y c) else norm (fun c => y c - z c)) [true; false]) as H.
  rewrite (norm_ext (fun c => x c - z c) (fun c => sum (fun b : bool => 1 * (if b then x c - y c else y c - z c)) [true; false]))
    by (intros c _; cbn [sum]; ring).
  apply Rle_trans with (1 := H (fun _ _ => Rle_0_1)
    (fun b _ _ => match b with true => Rle_refl _ | false => Rle_refl _ end)).
  cbn [sum]. lra.
Qed.

Lemma norm_minus_sym x y : norm (fun c => x c - y c) = norm (fun c => y c - x c).
Proof. unfold norm, inner. f_equal. apply sum_ext. intros c _. ring. Qed.
End Norm.

Section Output.
Context {A D : Type}.
Variables (keys : list A) (w : A -> R) (kept : A -> bool) (dims : list D) (value : A -> D -> R).
Hypothesis w_nonneg : forall a, In a keys -> 0 <= w a.
Hypothesis kept_positive : 0 < kept_sum keys w kept.

Notation P := (attention keys w).
Notation Phat := (truncated keys w kept).
Notation H := (kept_sum keys w kept).
Notation T := (tail_sum keys w kept).
Notation Z := (total keys w).
Notation tau := (tail_mass keys w kept).

Definition output (c : D) : R := sum (fun a => P a * value a c) keys.                 (* o *)
Definition truncated_output (c : D) : R := sum (fun a => Phat a * value a c) keys.    (* ô *)
Definition kept_mean (c : D) : R := sum (restrict kept (fun a => w a * value a c)) keys / H.
Definition tail_mean (c : D) : R := sum (restrict (complement kept) (fun a => w a * value a c)) keys / T.
Definition output_error : R := norm dims (fun c => output c - truncated_output c).

(** Var_P(V) = Σ P ‖v − o‖², and the same inside the kept set and inside the tail. *)
Definition variance : R := sum (fun a => P a * norm dims (fun c => value a c - output c) ^ 2) keys.
Definition kept_variance : R :=
  sum (restrict kept (fun a => w a * norm dims (fun c => value a c - kept_mean c) ^ 2)) keys / H.
Definition tail_variance : R :=
  sum (restrict (complement kept) (fun a => w a * norm dims (fun c => value a c - tail_mean c) ^ 2)) keys / T.

Let T_nonneg := tail_sum_nonneg keys w kept w_nonneg.
Let Z_positive := total_positive keys w kept w_nonneg kept_positive.
Let Z_split := total_split keys w kept.
Let tau_bounds := tail_mass_bounds keys w kept w_nonneg kept_positive.

Lemma truncated_output_is_kept_mean c : truncated_output c = kept_mean c.
Proof.
  unfold truncated_output, kept_mean. rewrite <- sum_divide. apply sum_ext. intros a _.
  unfold truncated, restrict. destruct (kept a); unfold Rdiv; ring.
Qed.

Lemma empty_tail_weights a : T = 0 -> In a keys -> kept a = false -> w a = 0.
Proof.
  intros HT Ha E.
  assert (Hz : restrict (complement kept) w a = 0).
  { apply (sum_zero_inversion _ keys); trivial. intros b Hb. now apply restrict_nonneg, w_nonneg. }
  unfold restrict, complement in Hz. now rewrite E in Hz.
Qed.

(** T10: o − ô = τ(μ_T − μ_H), in every coordinate; when τ = 0 both sides are 0 whatever μ_T is. *)
Theorem head_tail_factorisation c :
  output c - truncated_output c = tau * (tail_mean c - kept_mean c).
Proof.
  rewrite truncated_output_is_kept_mean.
  assert (Ho : output c = (sum (restrict kept (fun a => w a * value a c)) keys
                           + sum (restrict (complement kept) (fun a => w a * value a c)) keys) / Z).
  { rewrite <- sum_split. rewrite <- sum_divide. apply sum_ext. intros a _. unfold attention, Rdiv. ring. }
  rewrite Ho. unfold tail_mass, tail_mean, kept_mean.
  destruct (Req_dec T 0) as [HT|HT].
  - assert (Hs : sum (restrict (complement kept) (fun a => w a * value a c)) keys = 0).
    { rewrite (sum_ext _ (fun _ => 0)); [apply sum_zero|]. intros a Ha. unfold restrict, complement.
      destruct (kept a) eqn:E; cbn [negb]; trivial. rewrite (empty_tail_weights a HT Ha E). ring. }
    assert (HZ : Z = H) by (rewrite Z_split, HT; ring).
    rewrite Hs, HT, HZ. unfold Rdiv. ring.
  - rewrite Z_split. field. lra.
Qed.

(** T12: the error is at most τ times the largest distance from a kept to a tail value. *)
Theorem diameter_bound (diameter : R) :
  (forall i j, In i keys -> In j keys -> kept i = true -> kept j = false ->
     norm dims (fun c => value j c - value i c) <= diameter) ->
  output_error <= tau * diameter.
Proof.
  intros Hd. unfold output_error.
  pose (pairs := list_prod keys keys).
  pose (pair_weight := fun ij : A * A => Phat (fst ij) * restrict (complement kept) P (snd ij)).
  assert (Hpairs : forall f : A * A -> R, sum f pairs = sum (fun i => sum (fun j => f (i, j)) keys) keys).
  { intros f. apply sum_list_prod. }
  assert (HPhat : forall i, In i keys -> 0 <= Phat i) by (apply truncated_nonneg; trivial).
  assert (HP : forall j, In j keys -> 0 <= restrict (complement kept) P j)
    by (intros j Hj; apply restrict_nonneg, (attention_nonneg keys w kept); trivial).
  rewrite (norm_ext _ _ (fun c => sum (fun ij => pair_weight ij * (value (snd ij) c - value (fst ij) c)) pairs)).
  - apply Rle_trans with (sum (fun ij => pair_weight ij * diameter) pairs).
    + apply (norm_combination dims pair_weight (fun ij c => value (snd ij) c - value (fst ij) c) (fun _ => diameter)).
      * intros (i, j) Hij. apply in_prod_iff in Hij as (Hi & Hj).
        apply Rmult_le_pos; cbn [fst snd]; auto.
      * intros (i, j) Hij Hpos. apply in_prod_iff in Hij as (Hi & Hj). unfold pair_weight in Hpos. cbn [fst snd] in *.
        apply Hd; trivial.
        -- destruct (kept i) eqn:E; trivial. unfold truncated, restrict at 1 in Hpos. rewrite E in Hpos.
           unfold Rdiv in Hpos. rewrite !Rmult_0_l in Hpos. lra.
        -- destruct (kept j) eqn:E; trivial. unfold restrict at 1, complement in Hpos. rewrite E in Hpos.
           cbn [negb] in Hpos. rewrite Rmult_0_r in Hpos. lra.
    + rewrite sum_scale_right, Hpairs. unfold pair_weight. cbn [fst snd].
      rewrite (sum_ext _ (fun i => Phat i * tau)).
      * rewrite sum_scale_right, truncated_sum_one by trivial. right. ring.
      * intros i _. rewrite sum_scale, attention_on_tail. reflexivity.
  - intros c _. rewrite Hpairs. unfold pair_weight. cbn [fst snd].
    rewrite (sum_ext _ (fun i => Phat i * sum (fun j => restrict (complement kept) P j * value j c) keys
                                 - tau * (Phat i * value i c))).
    + rewrite sum_minus, sum_scale_right, sum_scale, truncated_sum_one by trivial.
      fold (truncated_output c).
      assert (Hkept : sum (fun a => restrict kept P a * value a c) keys = (1 - tau) * truncated_output c).
      { unfold truncated_output. rewrite <- sum_scale. apply sum_ext. intros a _.
        rewrite (truncated_is_rescaled keys w kept) by trivial. unfold restrict.
        destruct (kept a); [field; lra | ring]. }
      unfold output. rewrite (sum_ext (fun a => P a * value a c)
        (fun a => restrict kept P a * value a c + restrict (complement kept) P a * value a c))
        by (intros a _; unfold restrict, complement; destruct (kept a); cbn [negb]; ring).
      rewrite sum_plus, Hkept. ring.
    + intros i _. rewrite <- (attention_on_tail keys w kept) at 1.
      rewrite <- sum_scale, <- (sum_scale_right (Phat i * value i c)), <- sum_minus.
      apply sum_ext. intros j _. ring.
Qed.

(** T11, recentred at any point: radii of the kept and of the tail values around it. *)
Theorem norm_bound_recentred (centre : D -> R) (kept_radius tail_radius : R) :
  (forall a, In a keys -> kept a = true -> norm dims (fun c => value a c - centre c) <= kept_radius) ->
  (forall a, In a keys -> kept a = false -> norm dims (fun c => value a c - centre c) <= tail_radius) ->
  output_error <= tau * (kept_radius + tail_radius).
Proof.
  intros HK HT. apply diameter_bound. intros i j Hi Hj Ei Ej.
  apply Rle_trans with (1 := norm_triangle dims (value j) centre (value i)).
  rewrite (norm_minus_sym dims centre (value i)).
  specialize (HK i Hi Ei). specialize (HT j Hj Ej). lra.
Qed.

Theorem norm_bound (C : R) :
  (forall a, In a keys -> norm dims (value a) <= C) -> output_error <= 2 * C * tau.
Proof.
  intros HC. replace (2 * C * tau) with (tau * (C + C)) by ring.
  assert (Hn : forall a, In a keys -> norm dims (fun c => value a c - 0) <= C).
  { intros a Ha. rewrite (norm_ext dims _ (value a)) by (intros; ring). now apply HC. }
  apply (norm_bound_recentred (fun _ => 0)); auto.
Qed.

(** Σ over a part of the row of w‖v − x‖², around the part's own mean: the parallel axis theorem. *)
Lemma parallel_axis (part : A -> bool) (mean x : D -> R) :
  (forall c, In c dims -> sum (restrict part (fun a => w a * value a c)) keys = sum (restrict part w) keys * mean c) ->
  sum (restrict part (fun a => w a * norm dims (fun c => value a c - x c) ^ 2)) keys
  = sum (restrict part (fun a => w a * norm dims (fun c => value a c - mean c) ^ 2)) keys
    + sum (restrict part w) keys * norm dims (fun c => mean c - x c) ^ 2.
Proof.
  intros Hmean.
  assert (Hsq : forall y : D -> R, norm dims y ^ 2 = sum (fun c => y c * y c) dims).
  { intros y. cbn [pow]. rewrite Rmult_1_r. apply norm_squared. }
  assert (Hpart : forall y : D -> R,
    sum (restrict part (fun a => w a * norm dims (fun c => value a c - y c) ^ 2)) keys
    = sum (fun c => sum (fun a => restrict part w a * ((value a c - y c) * (value a c - y c))) keys) dims).
  { intros y. rewrite <- (sum_swap (fun a c => restrict part w a * ((value a c - y c) * (value a c - y c)))).
    apply sum_ext. intros a _. rewrite sum_scale, <- Hsq. unfold restrict. destruct (part a); ring. }
  rewrite !Hpart, Hsq, <- sum_scale, <- sum_plus. apply sum_ext. intros c Hc.
  specialize (Hmean c Hc).
  rewrite (sum_ext _ (fun a => restrict part w a * ((value a c - mean c) * (value a c - mean c))
     + (2 * (mean c - x c) * restrict part (fun b => w b * value b c) a
     + ((mean c - x c) * (mean c - x c) - 2 * (mean c - x c) * mean c) * restrict part w a)))
    by (intros a _; unfold restrict; destruct (part a); ring).
  rewrite !sum_plus, !sum_scale, Hmean. ring.
Qed.

(** The law of total variance for a row cut into kept set and tail. *)
Theorem total_variance :
  0 < tau ->
  variance = (1 - tau) * kept_variance + tau * tail_variance
             + tau * (1 - tau) * norm dims (fun c => tail_mean c - kept_mean c) ^ 2.
Proof.
  intros Htau.
  assert (HTp : 0 < T).
  { destruct (Rle_lt_or_eq_dec 0 T T_nonneg) as [|E]; trivial.
    unfold tail_mass in Htau. rewrite <- E in Htau. unfold Rdiv in Htau. lra. }
  pose proof (parallel_axis kept kept_mean output) as HK.
  pose proof (parallel_axis (complement kept) tail_mean output) as HT.
  fold H in HK. fold T in HT.
  rewrite (norm_ext dims _ (fun c => - tau * (tail_mean c - kept_mean c))) in HK.
  2: { intros c _. rewrite <- truncated_output_is_kept_mean at 1.
       pose proof (head_tail_factorisation c). lra. }
  rewrite (norm_ext dims _ (fun c => (1 - tau) * (tail_mean c - kept_mean c))) in HT.
  2: { intros c _. pose proof (head_tail_factorisation c) as E. rewrite truncated_output_is_kept_mean in E. lra. }
  assert (Hscale : forall r y, norm dims (fun c => r * y c) ^ 2 = r ^ 2 * norm dims y ^ 2).
  { intros r y. cbn [pow]. rewrite !Rmult_1_r, !norm_squared. unfold inner. rewrite <- sum_scale.
    apply sum_ext. intros; ring. }
  rewrite Hscale in HK, HT.
  assert (Hvar : variance = (sum (restrict kept (fun a => w a * norm dims (fun c => value a c - output c) ^ 2)) keys
     + sum (restrict (complement kept) (fun a => w a * norm dims (fun c => value a c - output c) ^ 2)) keys) / Z).
  { rewrite <- sum_split, <- sum_divide. apply sum_ext. intros a _. unfold attention, Rdiv. ring. }
  rewrite Hvar, HK, HT.
  - unfold kept_variance, tail_variance.
    rewrite (one_minus_tail_mass keys w kept) by trivial. unfold tail_mass. rewrite Z_split. field. lra.
  - intros c _. unfold tail_mean. fold T. field. lra.
  - intros c _. unfold kept_mean. fold H. field. lra.
Qed.

Lemma weighted_norms_nonneg (part : A -> bool) (mean : D -> R) :
  0 <= sum (restrict part (fun a => w a * norm dims (fun c => value a c - mean c) ^ 2)) keys.
Proof.
  apply sum_nonneg. intros a Ha. apply restrict_nonneg, Rmult_le_pos; [now apply w_nonneg | apply pow2_ge_0].
Qed.

(** T13: ‖o − ô‖ ≤ √(τ/(1−τ)) · √Var_P(V). *)
Theorem variance_bound : output_error <= sqrt (tau / (1 - tau)) * sqrt variance.
Proof.
  assert (Herr : output_error = tau * norm dims (fun c => tail_mean c - kept_mean c)).
  { unfold output_error. rewrite (norm_ext dims _ (fun c => tau * (tail_mean c - kept_mean c)))
      by (intros c _; apply head_tail_factorisation).
    unfold norm. rewrite <- (sqrt_square tau) at 1 by lra. rewrite <- sqrt_mult_alt by (apply Rle_0_sqr).
    f_equal. unfold inner. rewrite <- sum_scale. apply sum_ext. intros; ring. }
  rewrite Herr. set (N := norm dims (fun c => tail_mean c - kept_mean c)).
  pose proof (norm_nonneg dims (fun c => tail_mean c - kept_mean c)) as HN. fold N in HN.
  destruct (Rle_lt_or_eq_dec 0 tau (proj1 tau_bounds)) as [Htau|<-].
  2: { rewrite Rmult_0_l. apply Rmult_le_pos; apply sqrt_pos. }
  assert (Hv : tau * (1 - tau) * N ^ 2 <= variance).
  { rewrite (total_variance Htau). fold N.
    assert (0 <= kept_variance).
    { apply Rmult_le_pos; [apply weighted_norms_nonneg | apply Rlt_le, Rinv_0_lt_compat; lra]. }
    assert (0 <= tail_variance).
    { destruct (Rle_lt_or_eq_dec 0 T T_nonneg) as [Hp|E].
      - apply Rmult_le_pos; [apply weighted_norms_nonneg | apply Rlt_le, Rinv_0_lt_compat; lra].
      - unfold tail_mass in Htau. rewrite <- E in Htau. unfold Rdiv in Htau. lra. }
    assert (0 <= (1 - tau) * kept_variance) by (apply Rmult_le_pos; lra).
    assert (0 <= tau * tail_variance) by (apply Rmult_le_pos; lra).
    lra. }
  assert (Hq : 0 <= tau / (1 - tau)) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]).
  rewrite <- sqrt_mult_alt by trivial.
  rewrite <- (sqrt_pow2 (tau * N)) by (apply Rmult_le_pos; lra).
  apply sqrt_le_1_alt.
  apply Rle_trans with (tau / (1 - tau) * (tau * (1 - tau) * N ^ 2)).
  - right. field. lra.
  - apply Rmult_le_compat_l; trivial.
Qed.
End Output.
