(** The budget is not decoration: with the fast grade's units lowered to 2^-29, with a quarter of a percent less inflation
    or none, or with the quotient's outward step or floor left out, the kernel's bounds are false, and here are the inputs
    on which they fail. At the end: on a plain row the interval is narrow and inside (0, 1), so T23 says something. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import FiniteSums Softmax Binary64 Horner Constants IntegerInterval LaneSums Exponential Enclosure TailMass
  WeightError TailMassSound.
Import ListNotations.
Open Scope R_scope.

(** Near here the fast polynomial is furthest below 2^f. *)
Definition worst : binary64 := dyadic (-5664447467321515) (-54).

Lemma worst_value : finite worst = true /\ value worst = -5664447467321515 / 18014398509481984.
Proof. destruct (dyadic_value (-5664447467321515) (-54)) as (F & V); [lia | lia |]. split; [exact F|]. unfold worst. rewrite V. cbn. lra. Qed.

(** A float that the program computes, read off as a real number. *)
Lemma computed_value x m e : B2SF x = B2SF (dyadic m e) -> (Z.abs m < 2 ^ 53)%Z -> (-1074 <= e <= 900)%Z ->
  value x = IZR m * bpow radix2 e.
Proof. intros E Hm He. apply B2SF_inj in E. rewrite E. now apply dyadic_value. Qed.

Theorem units_of_the_fast_grade_cannot_be_2_to_the_24 :
  ~ (forall d, accepted_difference d ->
       exp (clamped d) <= value (exponential coefficients_fast d) * (1 + 16777216 * u)).
Proof.
  intros H. destruct worst_value as (F & V).
  specialize (H worst). unfold accepted_difference, clamped in H. rewrite F, V in H.
  assert (Hw : value (exponential coefficients_fast worst) = 3288517950236391 * bpow radix2 (-52)).
  { apply computed_value; [vm_compute; reflexivity | lia | lia]. }
  rewrite Hw, u_value, Rmax_left in H by lra.
  change (bpow radix2 (-52)) with (/ 4503599627370496) in H.
  assert (3288517950236391 * / 4503599627370496 * (1 + 16777216 * / 9007199254740992) < exp (-5664447467321515 / 18014398509481984))
    by (interval with (i_prec 70)).
  assert (exp (-5664447467321515 / 18014398509481984) <= 3288517950236391 * / 4503599627370496 * (1 + 16777216 * / 9007199254740992)).
  { apply H. left. split; [reflexivity | lra]. }
  lra.
Qed.

(** One kept key with score 0, one tail key. *)
Definition witness_row : list key := [(true, zero); (false, worst)].

Lemma witness_admissible : admissible witness_row.
Proof.
  destruct worst_value as (F & _). constructor.
  - intros k [<-|[<-|[]]]; left; [reflexivity | exact F].
  - exists (true, zero). split; [now left|]. split; reflexivity.
  - vm_compute. discriminate.
Qed.

Lemma witness_tau :
  tail_mass witness_row key_weight is_kept
  = exp (-5664447467321515 / 18014398509481984) / (1 + exp (-5664447467321515 / 18014398509481984)).
Proof.
  destruct worst_value as (F & V).
  unfold tail_mass, tail_sum, total, restrict, complement, witness_row, is_kept, key_weight, extended, score.
  cbn [sum fst snd negb]. rewrite F, V. change (finite zero) with true. change (value zero) with 0. cbn [Softmax.weight].
  rewrite exp_0, Rplus_0_r, Rplus_0_l. reflexivity.
Qed.

(** The quotient of the two computed sums, rounded outward but not inflated, is below τ. *)
Theorem inflation_cannot_be_dropped :
  ~ (forall row, admissible row ->
       tail_mass row key_weight is_kept
       <= value (quotient_upper (row_sum (fun k => negb (is_kept k)) Fast zero row) (row_sum is_kept Fast zero row))).
Proof.
  intros H. specialize (H witness_row witness_admissible). rewrite witness_tau in H.
  assert (Hq : value (quotient_upper (row_sum (fun k => negb (is_kept k)) Fast zero witness_row)
                                     (row_sum is_kept Fast zero witness_row)) = 475165064816511 * bpow radix2 (-50)).
  { apply computed_value; [vm_compute; reflexivity | lia | lia]. }
  rewrite Hq in H. change (bpow radix2 (-50)) with (/ 1125899906842624) in H.
  assert (475165064816511 * / 1125899906842624
          < exp (-5664447467321515 / 18014398509481984) / (1 + exp (-5664447467321515 / 18014398509481984)))
    by (interval with (i_prec 70)).
  lra.
Qed.

Ltac computed x m e := rewrite (computed_value x m e) by first [vm_compute; reflexivity | lia].

(** ** The quotient *)

(** Without the factor 1 + 2^-51 the quotient is not an upper bound: 1/3 is rounded down. *)
Theorem quotient_without_outward_step_is_false :
  ~ (forall a b, finite a = true -> finite b = true -> 0 <= value a <= bpow radix2 1000 -> 0 <= value b <= bpow radix2 1000 ->
      0 < value a + value b ->
      value a / (value a + value b) <= value (smaller (larger (divide a (add a b)) floor_float) one)).
Proof.
  intros H. specialize (H one (dyadic 2 0) eq_refl eq_refl). destruct one_value as (_ & V1). rewrite V1 in H.
  destruct (dyadic_value 2 0) as (_ & V2); [lia | lia |]. change (bpow radix2 0) with 1 in V2. rewrite V2 in H.
  assert (B : 2 <= bpow radix2 1000) by (change 2 with (bpow radix2 1); apply bpow_le; lia).
  specialize (H ltac:(lra) ltac:(lra) ltac:(lra)). revert H. apply Rlt_not_le.
  computed (smaller (larger (divide one (add one (dyadic 2 0))) floor_float) one) 6004799503160661%Z (-54)%Z.
  cbn. lra.
Qed.

(** Without the floor an upper bound may underflow to 0. *)
Theorem quotient_without_floor_is_false :
  ~ (forall a b, finite a = true -> finite b = true -> 0 <= value a <= bpow radix2 1000 -> 0 <= value b <= bpow radix2 1000 ->
      0 < value a + value b ->
      value a / (value a + value b) <= value (smaller (multiply (divide a (add a b)) outward_up_float) one)).
Proof.
  intros H. specialize (H (dyadic 1 (-1009)) (dyadic 1 700) eq_refl eq_refl).
  destruct (dyadic_value 1 (-1009)) as (_ & V1); [lia | lia |]. destruct (dyadic_value 1 700) as (_ & V2); [lia | lia |].
  rewrite V1, V2, !Rmult_1_l in H.
  pose proof (bpow_gt_0 radix2 (-1009)) as P1. pose proof (bpow_gt_0 radix2 700) as P2.
  assert (bpow radix2 (-1009) <= bpow radix2 1000) by (apply bpow_le; lia).
  assert (bpow radix2 700 <= bpow radix2 1000) by (apply bpow_le; lia).
  specialize (H ltac:(lra) ltac:(lra) ltac:(lra)). revert H. apply Rlt_not_le.
  computed (smaller (multiply (divide (dyadic 1 (-1009)) (add (dyadic 1 (-1009)) (dyadic 1 700))) outward_up_float) one) 0%Z 0%Z.
  rewrite Rmult_0_l. apply Rdiv_lt_0_compat; lra.
Qed.

(** ** The inflation *)

(** The kernel's upper end with any inflation in place of its own. *)
Definition upper_with (inflate : binary64) (g : grade) (row : list key) : binary64 :=
  let shift := row_shift (row_maximum row) in
  let share := multiply (dyadic (Z.of_nat (padded (length row))) 0) (constant_float clamp_share) in
  let tail := row_sum (fun k => negb (is_kept k)) g shift row in
  let kept := row_sum is_kept g shift row in
  quotient_upper (sum_upper inflate tail) (sum_lower inflate share kept).

(** A row of two keys: one kept, one not. *)
Definition pair_row (kept tail : binary64) : list key := [(true, kept); (false, tail)].

Lemma pair_row_admissible x y : finite x = true -> finite y = true -> admissible (pair_row x y).
Proof.
  intros Fx Fy. constructor.
  - intros k [<-|[<-|[]]]; now left.
  - exists (true, x). split; [now left | now split].
  - cbn. unfold max_keys. lia.
Qed.

Lemma pair_row_tail_mass x y : finite x = true -> finite y = true ->
  tail_mass (pair_row x y) key_weight is_kept = / (1 + exp (value x - value y)).
Proof.
  intros Fx Fy. unfold tail_mass, tail_sum, total, restrict, complement, key_weight, extended, pair_row. cbn.
  rewrite Fx, Fy. cbn [Softmax.weight]. unfold Rminus. rewrite exp_plus, exp_Ropp.
  pose proof (exp_pos (value x)). pose proof (exp_pos (value y)). field. lra.
Qed.

(** The scores where the fast grade's polynomial is worst, in opposite directions: about -0.22287 and -0.3145. *)
Definition worst_kept : binary64 := dyadic (-8029737991616500) (-55).
Definition worst_tail : binary64 := dyadic (-5665528331232084) (-54).

(** The fast grade charges 17,826,256 units of 2^-53 for such a row; 17,784,000, a quarter of a percent less, are too few. *)
Theorem smaller_inflation_is_unsound :
  ~ (forall row, admissible row ->
      tail_mass row key_weight is_kept <= value (upper_with (dyadic 8892000 (-52)) Fast row)).
Proof.
  intros H. destruct (dyadic_value (-8029737991616500) (-55)) as (F1 & V1); [lia | lia |].
  destruct (dyadic_value (-5665528331232084) (-54)) as (F2 & V2); [lia | lia |].
  fold worst_kept in F1, V1. fold worst_tail in F2, V2.
  specialize (H (pair_row worst_kept worst_tail) (pair_row_admissible _ _ F1 F2)). revert H. apply Rlt_not_le.
  rewrite (pair_row_tail_mass _ _ F1 F2), V1, V2.
  computed (upper_with (dyadic 8892000 (-52)) Fast (pair_row worst_kept worst_tail)) 8594822908456264%Z (-54)%Z.
  change (bpow radix2 (-55)) with (/ 36028797018963968). change (bpow radix2 (-54)) with (/ 18014398509481984).
  interval with (i_prec 100).
Qed.

(** With the kernel's own inflation [upper_with] is the kernel's upper end wherever the tail holds an attended key. *)
Theorem upper_with_is_the_kernel g row :
  existsb (fun k => negb (is_kept k) && attended k) row = true ->
  snd (tail_mass_interval g row)
  = upper_with (inflation g (length row) (is_nonzero (row_shift (row_maximum row)))) g row.
Proof. intros H. unfold tail_mass_interval. cbn [snd]. rewrite H. rewrite andb_false_r. reflexivity. Qed.

(** The theorem is not vacuous: on the row (1 kept, 0 not) both grades give a narrow interval inside (0, 1). *)
Theorem kernel_says_something :
  let row := pair_row one zero in
  admissible row
  /\ 0 < value (fst (tail_mass_interval Fast row)) /\ value (snd (tail_mass_interval Fast row)) < 1
  /\ value (snd (tail_mass_interval Fast row)) - value (fst (tail_mass_interval Fast row)) <= bpow radix2 (-29)
  /\ value (snd (tail_mass_interval Exact row)) - value (fst (tail_mass_interval Exact row)) <= bpow radix2 (-44).
Proof.
  intros row. split; [apply pair_row_admissible; reflexivity|]. unfold row.
  computed (fst (tail_mass_interval Fast (pair_row one zero))) 4844817919266051%Z (-54)%Z.
  computed (snd (tail_mass_interval Fast (pair_row one zero))) 4844817947304892%Z (-54)%Z.
  computed (fst (tail_mass_interval Exact (pair_row one zero))) 4844817940265238%Z (-54)%Z.
  computed (snd (tail_mass_interval Exact (pair_row one zero))) 4844817940265975%Z (-54)%Z.
  cbn. lra.
Qed.
