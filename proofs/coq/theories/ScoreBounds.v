(** T6–T9: bounds on τ from partial knowledge of the scores. *)
From Coq Require Import Reals List Lra Bool.
From TopK Require Import FiniteSums Softmax.
Import ListNotations.
Open Scope R_scope.

Section Row.
Context {A : Type}.
Variables (keys : list A) (w : A -> R) (kept : A -> bool).
Hypothesis w_nonneg : forall a, In a keys -> 0 <= w a.
Hypothesis kept_positive : 0 < kept_sum keys w kept.

Notation H := (kept_sum keys w kept).
Notation T := (tail_sum keys w kept).
Notation tau := (tail_mass keys w kept).

(** Bounds on the two sums are bounds on τ; all of this file is an instance. *)
Theorem tail_mass_upper T_upper H_lower :
  T <= T_upper -> 0 < H_lower <= H -> tau <= T_upper / (H_lower + T_upper).
Proof.
  intros HT HH. pose proof (tail_sum_nonneg keys w kept w_nonneg). unfold tail_mass.
  rewrite (total_split keys w kept). now apply fraction_monotone.
Qed.

Theorem tail_mass_lower T_lower H_upper :
  0 <= T_lower <= T -> H <= H_upper -> T_lower / (H_upper + T_lower) <= tau.
Proof.
  intros HT HH. unfold tail_mass. rewrite (total_split keys w kept).
  apply fraction_monotone; lra.
Qed.

(** When the kept sum's lower bound may be zero the bound is still sound, as long as the denominator is positive. *)
Theorem tail_mass_upper_weak T_upper H_lower :
  T <= T_upper -> 0 <= H_lower <= H -> 0 < H_lower + T_upper -> tau <= T_upper / (H_lower + T_upper).
Proof.
  intros HT HH Hpos. destruct (Rle_lt_or_eq_dec 0 H_lower (proj1 HH)) as [Hp|<-].
  - apply tail_mass_upper; lra.
  - replace (T_upper / (0 + T_upper)) with 1 by (field; lra).
    apply Rlt_le, (tail_mass_bounds keys w kept w_nonneg kept_positive).
Qed.

(** T6, single gap: every kept weight is at least e^s, every tail weight at most e^(s−Δ). *)
Theorem single_gap (s gap : R) :
  (forall a, In a keys -> kept a = true -> exp s <= w a) ->
  (forall a, In a keys -> kept a = false -> w a <= exp (s - gap)) ->
  let n := INR (length keys) in
  let k := count kept keys in
  tau <= (n - k) * exp (- gap) / (k + (n - k) * exp (- gap)).
Proof.
  intros Hkept Htail n k.
  assert (HT : T <= (n - k) * exp (s - gap)).
  { unfold n, k. rewrite <- count_complement, <- sum_restrict_constant.
    apply sum_restrict_le. intros a Ha E. apply Htail; trivial.
    unfold complement in E. now destruct (kept a). }
  assert (HH : k * exp s <= H).
  { unfold k. rewrite <- sum_restrict_constant. apply sum_restrict_le. auto. }
  assert (Hk : 0 < k).
  { unfold k. destruct (Rle_lt_or_eq_dec 0 _ (count_nonneg kept keys)) as [|E]; trivial.
    exfalso. apply (Rlt_irrefl 0). apply Rlt_le_trans with (1 := kept_positive).
    apply Rle_trans with (sum (fun _ : A => 0) keys); [|rewrite sum_zero; lra].
    apply sum_le. intros a Ha. unfold restrict. destruct (kept a) eqn:Ea; [|lra].
    exfalso. assert (Hz : restrict kept (fun _ => 1) a = 0).
    { apply (sum_zero_inversion _ keys); trivial.
      intros b _. apply restrict_nonneg. lra. now symmetry. }
    unfold restrict in Hz. rewrite Ea in Hz. lra. }
  pose proof (exp_pos s) as Hs. pose proof (exp_pos (- gap)) as Hg.
  assert (Hn : 0 <= n - k) by (unfold n, k; rewrite <- count_complement; apply count_nonneg).
  apply Rle_trans with ((n - k) * exp (s - gap) / (k * exp s + (n - k) * exp (s - gap))).
  - apply tail_mass_upper; trivial. split; trivial. now apply Rmult_lt_0_compat.
  - right. unfold Rminus at 2 4. rewrite !exp_plus.
    assert (0 <= (n - k) * exp (- gap)) by (apply Rmult_le_pos; lra).
    field. split; [lra|].
    replace (k * exp s + (n - k) * (exp s * exp (- gap))) with (exp s * (k + (n - k) * exp (- gap))) by ring.
    apply Rgt_not_eq, Rmult_lt_0_compat; lra.
Qed.

(** The gap that suffices for ε. *)
Theorem sufficient_gap (s gap eps : R) :
  let n := INR (length keys) in
  let k := count kept keys in
  0 < eps < 1 -> 0 < k < n ->
  (forall a, In a keys -> kept a = true -> exp s <= w a) ->
  (forall a, In a keys -> kept a = false -> w a <= exp (s - gap)) ->
  ln ((n - k) * (1 - eps) / (k * eps)) <= gap ->
  tau <= eps.
Proof.
  intros n k Heps Hk Hkept Htail Hgap.
  apply Rle_trans with (1 := single_gap s gap Hkept Htail). fold n k.
  assert (Hq : 0 < (n - k) * (1 - eps) / (k * eps)).
  { apply Rdiv_lt_0_compat; apply Rmult_lt_0_compat; lra. }
  assert (HE : exp (- gap) <= k * eps / ((n - k) * (1 - eps))).
  { apply exp_le in Hgap. rewrite exp_ln in Hgap by trivial.
    rewrite exp_Ropp. apply Rinv_le_contravar in Hgap; trivial.
    apply Rle_trans with (1 := Hgap). right. field. lra. }
  pose proof (exp_pos (- gap)) as Hp. set (E := exp (- gap)) in *.
  apply Rmult_le_compat_l with (r := (n - k) * (1 - eps)) in HE; [|apply Rmult_le_pos; lra].
  replace ((n - k) * (1 - eps) * (k * eps / ((n - k) * (1 - eps)))) with (k * eps) in HE by (field; lra).
  assert (HnE : 0 < (n - k) * E) by (apply Rmult_lt_0_compat; lra).
  apply Rmult_le_reg_r with (k + (n - k) * E); [lra|].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. lra.
Qed.

(** T7, multi-gap: the weights of the known keys, every other weight at most e^u, all known kept. *)
Theorem multi_gap (known : A -> bool) (u : R) :
  (forall a, In a keys -> kept a = true -> known a = true) ->
  (forall a, In a keys -> known a = false -> w a <= exp u) ->
  let unknown_mass := (INR (length keys) - count known keys) * exp u in
  let known_tail := sum (restrict (fun a => known a && negb (kept a)) w) keys in
  tau <= (known_tail + unknown_mass) / (sum (restrict known w) keys + unknown_mass).
Proof.
  intros Hsub Hu U KT.
  assert (HU : 0 <= U).
  { unfold U. rewrite <- count_complement.
    apply Rmult_le_pos; [apply count_nonneg | apply Rlt_le, exp_pos]. }
  assert (HT : T <= KT + U).
  { unfold KT, U. rewrite <- count_complement, <- sum_restrict_constant.
    unfold tail_sum. rewrite <- sum_plus. apply sum_le. intros a Ha. unfold restrict, complement.
    destruct (kept a) eqn:Ek, (known a) eqn:En; cbn [negb andb]; try lra.
    - rewrite (Hsub a Ha Ek) in En. discriminate.
    - specialize (Hu a Ha En). lra. }
  replace (sum (restrict known w) keys + U) with (H + (KT + U)).
  - apply tail_mass_upper; trivial. lra.
  - rewrite <- Rplus_assoc. f_equal. unfold kept_sum, KT. rewrite <- sum_plus.
    apply sum_ext. intros a Ha. unfold restrict.
    destruct (kept a) eqn:Ek; cbn [negb]; [rewrite (Hsub a Ha Ek); cbn [andb]; ring|].
    destruct (known a); cbn [andb]; ring.
Qed.
End Row.

(** T8, blockwise. A row cut into blocks; every key is counted, so a block with t tail keys contributes t·e^u. *)
Record block (A : Type) := Block { members : list A; block_low : R; block_high : R }.
Arguments Block {A}.
Arguments members {A}.
Arguments block_low {A}.
Arguments block_high {A}.

Section Blocks.
Context {A : Type}.
Variables (blocks : list (block A)) (w : A -> R) (kept : A -> bool).
Let keys := flat_map members blocks.
Hypothesis w_nonneg : forall a, In a keys -> 0 <= w a.
Hypothesis kept_positive : 0 < kept_sum keys w kept.
Hypothesis in_range : forall b, In b blocks -> forall a, In a (members b) ->
  exp (block_low b) <= w a <= exp (block_high b).

Definition kept_count (b : block A) : R := count kept (members b).
Definition tail_count (b : block A) : R := count (complement kept) (members b).
Definition kept_low := sum (fun b => kept_count b * exp (block_low b)) blocks.
Definition kept_high := sum (fun b => kept_count b * exp (block_high b)) blocks.
Definition tail_low := sum (fun b => tail_count b * exp (block_low b)) blocks.
Definition tail_high := sum (fun b => tail_count b * exp (block_high b)) blocks.

Let blockwise_bounds (mask : A -> bool) :
  sum (fun b => count mask (members b) * exp (block_low b)) blocks
  <= sum (restrict mask w) keys
  <= sum (fun b => count mask (members b) * exp (block_high b)) blocks.
Proof.
  unfold keys. rewrite sum_flat_map.
  split; apply sum_le; intros b Hb; rewrite <- sum_restrict_constant;
    apply sum_restrict_le; intros a Ha _; apply (in_range b Hb a Ha).
Qed.

Theorem blockwise_upper :
  tail_mass keys w kept <= tail_high / (kept_low + tail_high).
Proof.
  destruct (blockwise_bounds kept) as (Hl & _). destruct (blockwise_bounds (complement kept)) as (_ & Hh).
  apply tail_mass_upper; trivial. split; trivial.
  (* a kept key exists, and contributes e^low > 0 *)
  fold (kept_sum keys w kept) in Hl.
  assert (Hnn : forall b, In b blocks -> 0 <= kept_count b * exp (block_low b)).
  { intros b _. apply Rmult_le_pos; [apply count_nonneg | apply Rlt_le, exp_pos]. }
  destruct (Rle_lt_or_eq_dec 0 kept_low) as [|E]; trivial; [now apply sum_nonneg|].
  exfalso. apply (Rlt_irrefl 0). apply Rlt_le_trans with (1 := kept_positive).
  apply Rle_trans with (1 := proj2 (blockwise_bounds kept)). right.
  rewrite (sum_ext _ (fun _ => 0)); [apply sum_zero|]. intros b Hb.
  assert (Hz : kept_count b * exp (block_low b) = 0)
    by (apply (sum_zero_inversion _ blocks b Hnn); trivial; now symmetry).
  pose proof (exp_pos (block_low b)). apply Rmult_integral in Hz as [Hz|Hz]; [|lra].
  unfold kept_count in Hz. rewrite Hz. ring.
Qed.

Theorem blockwise_lower :
  tail_low / (kept_high + tail_low) <= tail_mass keys w kept.
Proof.
  destruct (blockwise_bounds kept) as (_ & Hh). destruct (blockwise_bounds (complement kept)) as (Hl & _).
  apply tail_mass_lower; trivial. split; trivial.
  apply sum_nonneg. intros b _. apply Rmult_le_pos; [apply count_nonneg | apply Rlt_le, exp_pos].
Qed.
End Blocks.

(** T9, block moments: with the mean m of t finite scores known, their mass lies between Jensen and the chord. *)
Section Moments.
Context {A : Type}.
Variables (tail_keys : list A) (s : A -> R) (m : R).
Let t := INR (length tail_keys).
Hypothesis mean : sum s tail_keys = t * m.

Theorem jensen_lower : t * exp m <= sum (fun a => exp (s a)) tail_keys.
Proof.
  apply Rle_trans with (sum (fun a => exp m * (1 + (s a - m))) tail_keys).
  - rewrite sum_scale, sum_plus, sum_minus, mean, !sum_constant. fold t. right. ring.
  - apply sum_le. intros a _.
    replace (exp (s a)) with (exp m * exp (s a - m)) by (rewrite <- exp_plus; f_equal; ring).
    apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | apply exp_ineq1_le].
Qed.

(** e^x below its chord on [l, u]: the chord is the mixture of two tangent-bounded ends. *)
Lemma exp_below_chord l u x : l < u -> l <= x <= u ->
  exp x <= (u - x) / (u - l) * exp l + (x - l) / (u - l) * exp u.
Proof.
  intros Hlu Hx.
  assert (Hl : exp x * (1 + (l - x)) <= exp l).
  { replace (exp l) with (exp x * exp (l - x)) by (rewrite <- exp_plus; f_equal; ring).
    apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | apply exp_ineq1_le]. }
  assert (Hu : exp x * (1 + (u - x)) <= exp u).
  { replace (exp u) with (exp x * exp (u - x)) by (rewrite <- exp_plus; f_equal; ring).
    apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | apply exp_ineq1_le]. }
  assert (Ha : 0 <= (u - x) / (u - l)) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]).
  assert (Hb : 0 <= (x - l) / (u - l)) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]).
  apply Rle_trans with ((u - x) / (u - l) * (exp x * (1 + (l - x))) + (x - l) / (u - l) * (exp x * (1 + (u - x)))).
  - right. field. lra.
  - apply Rplus_le_compat; apply Rmult_le_compat_l; trivial.
Qed.

Theorem chord_upper l u :
  l < u -> (forall a, In a tail_keys -> l <= s a <= u) ->
  sum (fun a => exp (s a)) tail_keys <= t * ((u - m) / (u - l) * exp l + (m - l) / (u - l) * exp u).
Proof.
  intros Hlu Hin.
  apply Rle_trans with (sum (fun a => (u - s a) / (u - l) * exp l + (s a - l) / (u - l) * exp u) tail_keys).
  - apply sum_le. intros a Ha. apply exp_below_chord; [trivial | now apply Hin].
  - rewrite sum_plus, !sum_scale_right, !sum_divide, !sum_minus, mean, !sum_constant.
    fold t. right. field. lra.
Qed.
End Moments.
