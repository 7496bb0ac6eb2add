(** The two sums of a row: the computed sum over the kept keys, or over the tail, against the true one. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import FiniteSums Softmax Binary64 Horner Constants SummationTree LaneSums
  Exponential Enclosure TailMass WeightError.
Import ListNotations.
Open Scope R_scope.

Section Row.
Variables (g : grade) (shift : binary64) (row : list key).
Hypothesis shift_finite : finite shift = true.
Hypothesis all_fit : forall k, In k row -> fits shift (score k).
Hypothesis row_length : (Z.of_nat (length row) <= max_keys)%Z.

Let n := length row.

(** ** Padding *)

Lemma padded_bounds : (n <= padded n)%nat /\ (Z.of_nat (padded n) <= 2 ^ 37)%Z /\ (padded n <= n + 15)%nat.
Proof.
  unfold padded. change row_lanes with 16%nat.
  pose proof (Nat.div_mod (n + (16 - 1)) 16 ltac:(lia)). pose proof (Nat.mod_upper_bound (n + (16 - 1)) 16 ltac:(lia)).
  unfold max_keys in row_length. fold n in row_length. change (2 ^ 37)%Z with 137438953472%Z. lia.
Qed.

Lemma pad_length : length (pad row) = padded n.
Proof. unfold pad. rewrite app_length, repeat_length. fold n. pose proof padded_bounds. lia. Qed.

Lemma pad_fits k : In k (pad row) -> fits shift (score k).
Proof.
  unfold pad. intros H. apply in_app_or in H as [H|H]; [now apply all_fit|].
  apply repeat_spec in H. subst k. now right.
Qed.

(** ** Depth of the summation tree *)

Lemma depth_bounds wanted :
  INR (depth (lane_tree lane_levels steps_per_block (weights_where wanted g shift (pad row)))) <= IZR (sum_depth n)
  /\ (0 <= sum_depth n <= 33600000)%Z.
Proof.
  set (weights := weights_where wanted g shift (pad row)).
  assert (Hw : length weights = padded n) by (unfold weights, weights_where; now rewrite map_length, pad_length).
  pose proof padded_bounds as (Hn & Hp & _).
  pose proof (lane_tree_depth lane_levels steps_per_block ltac:(unfold steps_per_block; lia) weights) as H. cbv zeta in H.
  set (steps := length (chunks (lanes lane_levels) weights)) in *.
  set (blocks := length (chunks steps_per_block (chunks (lanes lane_levels) weights))) in *.
  assert (C1 : (steps * 16 <= padded n + 15)%nat).
  { rewrite <- Hw. exact (chunks_count (length weights) (lanes lane_levels) weights ltac:(cbn; lia)). }
  assert (C2 : (blocks * 128 <= steps + 127)%nat).
  { exact (chunks_count steps steps_per_block (chunks (lanes lane_levels) weights) ltac:(unfold steps_per_block; lia)). }
  set (d := depth (lane_tree lane_levels steps_per_block weights)) in *.
  fold steps blocks d in H. change (min steps steps_per_block) with (min steps 128) in H. change (d <= min steps 128 + blocks + 4)%nat in H.
  assert (Hq : exists q, padded n = (q * 16)%nat) by (unfold padded; change row_lanes with 16%nat; now eexists).
  destruct Hq as (q & Hq). unfold sum_depth. rewrite Hq in *. change row_lanes with 16%nat. change steps_per_block with 128%nat.
  change lane_levels with 4%nat.
  replace (Z.of_nat (q * 16) / Z.of_nat 16)%Z with (Z.of_nat q) by (rewrite Nat2Z.inj_mul, Z.div_mul; lia).
  assert (Hsteps : (steps <= q)%nat) by lia.
  change (Z.of_nat 128) with 128%Z. change (Z.of_nat 4) with 4%Z.
  pose proof (Z.div_mod (Z.of_nat q + (128 - 1)) 128 ltac:(lia)). pose proof (Z.mod_pos_bound (Z.of_nat q + (128 - 1)) 128 ltac:(lia)).
  set (zb := ((Z.of_nat q + (128 - 1)) / 128)%Z) in *.
  assert (Hb : (Z.of_nat blocks <= zb)%Z) by lia.
  change (2 ^ 37)%Z with 137438953472%Z in Hp.
  unfold max_keys in row_length. pose proof padded_bounds as (_ & _ & Hpn). rewrite Hq in Hpn. fold n in row_length. split.
  - rewrite INR_IZR_INZ. apply IZR_le. lia.
  - lia.
Qed.

(** ** The sums *)
Variable wanted : key -> bool.

Definition true_row_sum : R := sum (restrict wanted (fun k => relative_weight shift (score k))) row.
Definition clamp_shares : R := IZR (Z.of_nat (padded n)) * share_of_clamp.
Definition row_factor (h : nat) : R := key_factor g shift * (1 + u) ^ h.

Let weights := weights_where wanted g shift (pad row).
Let t := lane_tree lane_levels steps_per_block weights.
Let h := depth t.
Let S := row_sum wanted g shift row.

Lemma true_sum_padded : sum (restrict wanted (fun k => relative_weight shift (score k))) (pad row) = true_row_sum.
Proof.
  unfold pad, true_row_sum. rewrite sum_append.
  rewrite (sum_ext _ (fun _ => 0) (repeat _ _)); [rewrite sum_zero; ring|].
  intros k Hk. apply repeat_spec in Hk. subst k. unfold restrict. destruct (wanted (false, minus_infinity)); trivial.
  unfold relative_weight, extended. cbn. ring.
Qed.

Let weight_value (k : key) : R := value (weight g shift k).

Lemma sum_of_weights : sum value weights = sum (restrict wanted weight_value) (pad row).
Proof.
  unfold weights, weights_where. rewrite sum_map. apply sum_ext. intros k _. unfold restrict, weight_value.
  now destruct (wanted k).
Qed.

Lemma each_weight k : In k (pad row) ->
  finite (weight g shift k) = true /\ bpow radix2 (-1011) <= weight_value k <= bpow radix2 740
  /\ 0 <= relative_weight shift (score k) <= key_factor g shift * weight_value k
  /\ weight_value k <= key_factor g shift * (relative_weight shift (score k) + share_of_clamp).
Proof. intros Hk. apply key_correct; trivial. now apply pad_fits. Qed.

Lemma weights_finite_nonneg : Forall finite_nonneg weights.
Proof.
  unfold weights, weights_where. apply Forall_map, Forall_forall. intros k Hk.
  destruct (wanted k).
  - destruct (each_weight k Hk) as (F & B & _). split; [exact F|].
    pose proof (bpow_gt_0 radix2 (-1011)). unfold weight_value in B. lra.
  - split; [reflexivity | cbn; lra].
Qed.

Lemma weights_zero_or_normal : sum value weights = 0 \/ bpow radix2 (-1011) <= sum value weights.
Proof.
  rewrite sum_of_weights.
  assert (H : forall l, (forall k, In k l -> In k (pad row)) ->
            sum (restrict wanted weight_value) l = 0 \/ bpow radix2 (-1011) <= sum (restrict wanted weight_value) l).
  { pose proof (bpow_gt_0 radix2 (-1011)) as P. induction l as [|k l IH]; intros Hin; cbn [sum]; [now left|].
    destruct IH as [IH|IH]; [intros j Hj; apply Hin; now right| |];
      destruct (each_weight k (Hin k (or_introl eq_refl))) as (_ & B & _); unfold restrict at 1 3;
      destruct (wanted k); (right; lra) || (left; lra) || idtac. }
  now apply H.
Qed.

Lemma sum_of_weights_small : sum value weights <= bpow radix2 777.
Proof.
  rewrite sum_of_weights. apply Rle_trans with (sum (fun _ => bpow radix2 740) (pad row)).
  - apply sum_le. intros k Hk. destruct (each_weight k Hk) as (_ & B & _). unfold restrict.
    destruct (wanted k); [lra | apply bpow_ge_0].
  - rewrite sum_constant, pad_length, INR_IZR_INZ. pose proof padded_bounds as (_ & Hp & _).
    apply IZR_le in Hp. change 777%Z with (37 + 740)%Z. rewrite bpow_plus. apply Rmult_le_compat_r; [apply bpow_ge_0|].
    now rewrite bpow_power_two by lia.
Qed.

Lemma depth_power : 1 <= (1 + u) ^ h <= 101 / 100.
Proof.
  split; [apply power_at_least_one|]. destruct (depth_bounds wanted) as (H1 & _ & H2). fold weights t h in H1.
  apply IZR_le in H2. pose proof (pos_INR h).
  assert (Hhu : INR h * u <= / 1000).
  { apply Rle_trans with (33600000 * u); [apply Rmult_le_compat_r; [apply Rlt_le, u_positive | lra]|]. rewrite u_value. lra. }
  pose proof (power_budget h ltac:(lra)). pose proof (power_at_least_one h). nra.
Qed.

Theorem row_sum_correct :
  finite S = true
  /\ (value S = 0 \/ bpow radix2 (-1012) <= value S)
  /\ value S <= bpow radix2 999
  /\ 0 <= true_row_sum <= row_factor h * value S
  /\ value S <= row_factor h * (true_row_sum + clamp_shares).
Proof.
  assert (HS : S = computed t) by (unfold S, row_sum, t; now rewrite lane_tree_computed).
  assert (HE : exact t = sum value weights) by (apply lane_tree_exact; unfold steps_per_block; lia).
  pose proof depth_power as Hh. pose proof sum_of_weights_small as Hsmall.
  assert (HE0 : 0 <= sum value weights).
  { apply sum_nonneg. intros x Hx. pose proof weights_finite_nonneg as W. rewrite Forall_forall in W. apply (W x Hx). }
  destruct (summation_error t) as ((F & P) & L & G).
  { apply lane_tree_leaves; [split; [reflexivity | cbn; lra] | exact weights_finite_nonneg]. }
  { rewrite HE. fold h. apply Rle_trans with (bpow radix2 777 * 2).
    - apply Rmult_le_compat; lra.
    - change 2 with (bpow radix2 1). rewrite <- bpow_plus. apply bpow_le. lia. }
  rewrite HE in L, G. fold h in L, G. rewrite HS.
  pose proof (key_factor_range g shift) as Hkf.
  assert (Htrue0 : 0 <= true_row_sum).
  { rewrite <- true_sum_padded. apply sum_nonneg. intros k Hk. apply restrict_nonneg. apply (each_weight k Hk). }
  split; [exact F|]. split; [|split; [|split; [split; [exact Htrue0|]|]]].
  - destruct weights_zero_or_normal as [H0|Hn].
    + left. rewrite H0 in G. lra.
    + right. assert (bpow radix2 (-1012) * 2 <= bpow radix2 (-1011)).
      { change 2 with (bpow radix2 1). rewrite <- bpow_plus. apply bpow_le. lia. }
      nra.
  - apply Rle_trans with (1 := G). apply Rle_trans with (bpow radix2 777 * 2); [apply Rmult_le_compat; lra|].
    change 2 with (bpow radix2 1). rewrite <- bpow_plus. apply bpow_le. lia.
  - apply Rle_trans with (key_factor g shift * sum value weights).
    + rewrite <- true_sum_padded, sum_of_weights, <- sum_scale. apply sum_le. intros k Hk.
      unfold restrict. destruct (wanted k); [apply (each_weight k Hk) | lra].
    + unfold row_factor. rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|]. now rewrite Rmult_comm.
  - apply Rle_trans with (1 := G). unfold row_factor.
    apply Rle_trans with (key_factor g shift * (true_row_sum + clamp_shares) * (1 + u) ^ h); [|right; ring].
    apply Rmult_le_compat_r; [lra|]. rewrite sum_of_weights.
    apply Rle_trans with (sum (fun k => key_factor g shift * (restrict wanted (fun k => relative_weight shift (score k)) k + share_of_clamp)) (pad row)).
    + apply sum_le. intros k Hk. unfold restrict. destruct (wanted k); [apply (each_weight k Hk)|].
      apply Rmult_le_pos; [lra|]. pose proof (bpow_ge_0 radix2 (-1009)). unfold share_of_clamp. lra.
    + rewrite sum_scale, sum_plus, true_sum_padded, sum_constant, pad_length, INR_IZR_INZ. right. reflexivity.
Qed.
End Row.
