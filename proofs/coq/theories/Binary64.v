(** IEEE binary64, as Flocq defines it: what each operation gives, on bits, and how far rounding moves a real number.

    [value x] is the real number of a finite x. An operation theorem has the form "finite operands and a result that
    does not overflow: the result is finite and is the rounded exact result". *)
From Coq Require Import Reals ZArith Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN Plus_error Relative Sterbenz.
Open Scope R_scope.

#[global] Instance precision_positive : Prec_gt_0 53 := eq_refl _.
#[global] Instance precision_below_emax : Prec_lt_emax 53 1024 := eq_refl _.

Notation binary64 := (binary_float 53 1024).
Notation value := (@B2R 53 1024).
Notation finite := (@is_finite 53 1024).
Notation format_exponent := (FLT_exp (-1074) 53).
Notation representable := (generic_format radix2 format_exponent).
Notation rounded := (round radix2 format_exponent ZnearestE).

Definition add : binary64 -> binary64 -> binary64 := Bplus mode_NE.
Definition subtract : binary64 -> binary64 -> binary64 := Bminus mode_NE.
Definition multiply : binary64 -> binary64 -> binary64 := Bmult mode_NE.
Definition divide : binary64 -> binary64 -> binary64 := Bdiv mode_NE.
(** The binary64 nearest to m·2^e; exact in every use below. *)
Definition dyadic (m e : Z) : binary64 := binary_normalize 53 1024 _ _ mode_NE m e false.
(** x < y and x ≤ y, false when either is NaN. *)
Definition less (x y : binary64) : bool := Bltb x y.
Definition at_most (x y : binary64) : bool := Bleb x y.
(** The larger and the smaller of two numbers that are not NaN. *)
Definition larger (x y : binary64) : binary64 := if less x y then y else x.
Definition smaller (x y : binary64) : binary64 := if less y x then y else x.
Definition zero : binary64 := B754_zero false.
Definition minus_infinity : binary64 := B754_infinity true.

(** The unit roundoff. *)
Definition u : R := bpow radix2 (-53).

Lemma u_positive : 0 < u. Proof. apply bpow_gt_0. Qed.
Lemma u_value : u = / 9007199254740992. Proof. unfold u. cbn. lra. Qed.
Lemma u_small : u < / 1000000. Proof. rewrite u_value. lra. Qed.

(** ** Rounding a real number *)

Lemma representable_value x : representable (value x).
Proof. apply (generic_format_B2R 53 1024). Qed.

Lemma representable_dyadic m e : (Z.abs m < 2 ^ 53)%Z -> (-1074 <= e)%Z -> representable (IZR m * bpow radix2 e).
Proof. intros Hm He. apply generic_format_FLT. exists (Float radix2 m e); [reflexivity | exact Hm | exact He]. Qed.

Lemma representable_integer m : (Z.abs m < 2 ^ 53)%Z -> representable (IZR m).
Proof. intros H. replace (IZR m) with (IZR m * bpow radix2 0) by (cbn; ring). apply representable_dyadic; lia. Qed.

Lemma representable_bpow e : (-1074 <= e)%Z -> representable (bpow radix2 e).
Proof. intros H. replace (bpow radix2 e) with (IZR 1 * bpow radix2 e) by ring. apply representable_dyadic; lia. Qed.

Lemma rounded_id x : representable x -> rounded x = x.
Proof. apply round_generic; auto with typeclass_instances. Qed.

Lemma rounded_monotone x y : x <= y -> rounded x <= rounded y.
Proof. apply round_le; auto with typeclass_instances. Qed.

Lemma rounded_below x y : representable y -> x <= y -> rounded x <= y.
Proof. intros Hy H. rewrite <- (rounded_id y Hy). now apply rounded_monotone. Qed.

Lemma rounded_above x y : representable y -> y <= x -> y <= rounded x.
Proof. intros Hy H. rewrite <- (rounded_id y Hy). now apply rounded_monotone. Qed.

Lemma representable_zero : representable 0.
Proof. apply generic_format_0. Qed.

Lemma rounded_nonneg x : 0 <= x -> 0 <= rounded x.
Proof. apply rounded_above, representable_zero. Qed.

(** Absolute error below a power of two. *)
Lemma absolute_error x e : (-1020 <= e)%Z -> Rabs x < bpow radix2 e -> Rabs (rounded x - x) <= bpow radix2 (e - 54).
Proof.
  intros He Hx. destruct (Req_dec x 0) as [->|Hnz].
  - rewrite round_0, Rminus_0_r, Rabs_R0 by auto with typeclass_instances. apply bpow_ge_0.
  - apply Rle_trans with (/ 2 * ulp radix2 format_exponent x); [apply error_le_half_ulp; auto with typeclass_instances|].
    rewrite ulp_neq_0 by trivial. unfold cexp.
    apply Rle_trans with (/ 2 * bpow radix2 (e - 53)).
    + apply Rmult_le_compat_l; [lra|]. apply bpow_le. unfold FLT_exp.
      pose proof (mag_le_bpow radix2 x e Hnz Hx). lia.
    + right. change (/ 2) with (bpow radix2 (-1)). rewrite <- bpow_plus. f_equal. lia.
Qed.

(** Relative error u, plus half the tiniest number for underflow. *)
Lemma mixed_error x : Rabs (rounded x - x) <= u * Rabs x + bpow radix2 (-1075).
Proof.
  destruct (error_N_FLT radix2 (-1074) 53 eq_refl (fun z => negb (Z.even z)) x) as (eps & eta & He & Hn & _ & E).
  rewrite E. replace (x * (1 + eps) + eta - x) with (x * eps + eta) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). rewrite Rabs_mult. apply Rplus_le_compat.
  - rewrite Rmult_comm. apply Rmult_le_compat_r; [apply Rabs_pos|].
    apply Rle_trans with (1 := He). unfold u. cbn. lra.
  - apply Rle_trans with (1 := Hn). right. change (/ 2) with (bpow radix2 (-1)). rewrite <- bpow_plus. reflexivity.
Qed.

Lemma abs_le_both x y : Rabs x <= y -> - y <= x <= y.
Proof. apply Rabs_le_inv. Qed.

(** For a normal positive number both directions cost at most a factor 1 + u. *)
Lemma normal_error x : bpow radix2 (-1022) <= x -> x <= rounded x * (1 + u) /\ rounded x <= x * (1 + u).
Proof.
  intros Hx. pose proof u_positive as Hu.
  assert (Hpos : 0 < x) by (apply Rlt_le_trans with (2 := Hx), bpow_gt_0).
  assert (Hu' : u_ro radix2 53 = u) by (unfold u_ro, u; cbn; lra).
  split.
  - pose proof (relative_error_N_FLT_round radix2 (-1074) 53 eq_refl (fun z => negb (Z.even z)) x) as R.
    rewrite (Rabs_pos_eq x) in R by lra. specialize (R Hx). fold (u_ro radix2 53) in R. rewrite Hu' in R.
    rewrite (Rabs_pos_eq (rounded x)) in R by (apply rounded_nonneg; lra). apply abs_le_both in R. lra.
  - pose proof (relative_error_N_FLT radix2 (-1074) 53 eq_refl (fun z => negb (Z.even z)) x) as R.
    rewrite (Rabs_pos_eq x) in R by lra. specialize (R Hx). fold (u_ro radix2 53) in R. rewrite Hu' in R.
    apply abs_le_both in R. lra.
Qed.

(** Adding two representable numbers has no underflow error: a factor 1 + u both ways, however small the sum. *)
Lemma sum_error x y :
  representable x -> representable y -> 0 <= x + y ->
  x + y <= rounded (x + y) * (1 + u) /\ rounded (x + y) <= (x + y) * (1 + u).
Proof.
  intros Fx Fy Hs. pose proof u_positive as Hu.
  destruct (FLT_plus_error_N_ex radix2 (-1074) 53 (fun z => negb (Z.even z)) x y Fx Fy) as (e & He & E).
  assert (Hu' : u_ro radix2 53 = u) by (unfold u_ro, u; cbn; lra).
  rewrite Hu' in He. rewrite E. apply abs_le_both in He.
  assert (A : (1 - u / (1 + u)) * (1 + u) = 1) by (field; lra).
  assert (B : u / (1 + u) <= u).
  { apply Rmult_le_reg_r with (1 + u); [lra|]. replace (u / (1 + u) * (1 + u)) with u by (field; lra). nra. }
  split.
  - rewrite Rmult_assoc. apply Rle_trans with ((x + y) * ((1 - u / (1 + u)) * (1 + u))); [rewrite A; lra|].
    apply Rmult_le_compat_l; trivial. apply Rmult_le_compat_r; lra.
  - apply Rmult_le_compat_l; lra.
Qed.

(** Between 2⁵² and 2⁵³ rounding is to an integer. *)
Lemma rounded_to_integer x : bpow radix2 52 <= x < bpow radix2 53 -> rounded x = IZR (ZnearestE x).
Proof.
  intros Hx. assert (Hpos : 0 < x) by (apply Rlt_le_trans with (2 := proj1 Hx), bpow_gt_0).
  assert (Hmag : mag radix2 x = 53%Z :> Z).
  { apply mag_unique. rewrite Rabs_pos_eq by lra. exact Hx. }
  unfold round, scaled_mantissa, cexp. rewrite Hmag. unfold F2R. cbn [Fnum Fexp].
  change (format_exponent 53) with 0%Z. cbn [Z.opp bpow]. now rewrite !Rmult_1_r.
Qed.

(** ** Operations on bits *)

Lemma overflow_is_not_finite (x : binary64) s : finite x = true -> B2SF x = binary_overflow 53 1024 mode_NE s -> False.
Proof. rewrite <- is_finite_SF_B2SF. intros H E. rewrite E in H. discriminate H. Qed.

Definition in_range (x : R) : Prop := Rabs x <= bpow radix2 1023.

Lemma in_range_rounded x : in_range x -> Rlt_bool (Rabs (rounded x)) (bpow radix2 1024) = true.
Proof.
  intros H. apply Rlt_bool_true. apply Rle_lt_trans with (bpow radix2 1023); [|apply bpow_lt; lia].
  apply abs_round_le_generic; auto with typeclass_instances. apply representable_bpow. lia.
Qed.

Lemma add_value x y : finite x = true -> finite y = true -> in_range (value x + value y) ->
  finite (add x y) = true /\ value (add x y) = rounded (value x + value y).
Proof.
  intros Hx Hy Hr. pose proof (Bplus_correct 53 1024 _ _ mode_NE x y Hx Hy) as C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  rewrite (in_range_rounded _ Hr) in C. now split.
Qed.

Lemma subtract_value x y : finite x = true -> finite y = true -> in_range (value x - value y) ->
  finite (subtract x y) = true /\ value (subtract x y) = rounded (value x - value y).
Proof.
  intros Hx Hy Hr. pose proof (Bminus_correct 53 1024 _ _ mode_NE x y Hx Hy) as C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  rewrite (in_range_rounded _ Hr) in C. now split.
Qed.

Lemma value_of_positive_sign x : finite x = true -> Bsign x = false -> 0 <= value x.
Proof.
  destruct x as [s|s| |s m e Hb]; intros F E; [apply Rle_refl | discriminate | discriminate |].
  cbn [Bsign] in E. subst s. apply F2R_ge_0. cbn [Fnum cond_Zopp]. lia.
Qed.

Lemma value_of_negative_sign x : finite x = true -> Bsign x = true -> value x <= 0.
Proof.
  destruct x as [s|s| |s m e Hb]; intros F E; [apply Rle_refl | discriminate | discriminate |].
  cbn [Bsign] in E. subst s. apply F2R_le_0. cbn [Fnum cond_Zopp]. lia.
Qed.

(** A difference that overflows does so towards its own sign. *)
Lemma subtract_cases x y : finite x = true -> finite y = true -> value x <= value y ->
  (finite (subtract x y) = true /\ value (subtract x y) = rounded (value x - value y))
  \/ (subtract x y = minus_infinity /\ value x - value y < - bpow radix2 1023).
Proof.
  intros Hx Hy Hle. pose proof (Bminus_correct 53 1024 _ _ mode_NE x y Hx Hy) as C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  destruct (Rlt_bool_spec (Rabs (rounded (value x - value y))) (bpow radix2 1024)) as [H|H].
  - left. now split.
  - right.
    assert (Hbig : value x - value y < - bpow radix2 1023).
    { apply Rnot_le_lt. intros Hn. assert (Hr : in_range (value x - value y)).
      { unfold in_range. apply Rabs_le. pose proof (bpow_gt_0 radix2 1023). lra. }
      apply in_range_rounded in Hr.
      destruct (Rlt_bool_spec (Rabs (rounded (value x - value y))) (bpow radix2 1024)); [lra | discriminate]. }
    split; trivial. destruct C as (C & Hs).
    unfold subtract in *.
    assert (Hsx : Bsign x = true).
    { destruct (Bsign x) eqn:E; trivial. exfalso.
      assert (Hsy : Bsign y = true) by (destruct (Bsign y); [trivial | discriminate Hs]).
      pose proof (value_of_positive_sign x Hx E). pose proof (value_of_negative_sign y Hy Hsy).
      pose proof (bpow_gt_0 radix2 1023). lra. }
    rewrite Hsx in C. apply B2SF_inj. now rewrite C.
Qed.

(** Subtracting a zero changes nothing, up to the largest float. *)
Lemma subtract_nothing x y : finite x = true -> finite y = true -> value y = 0 ->
  finite (subtract x y) = true /\ value (subtract x y) = value x.
Proof.
  intros Hx Hy Hy0. pose proof (Bminus_correct 53 1024 _ _ mode_NE x y Hx Hy) as C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  rewrite Hy0, Rminus_0_r, rounded_id in C by apply representable_value.
  rewrite Rlt_bool_true in C by apply (abs_B2R_lt_emax 53 1024). now split.
Qed.

Lemma multiply_value x y : finite x = true -> finite y = true -> in_range (value x * value y) ->
  finite (multiply x y) = true /\ value (multiply x y) = rounded (value x * value y).
Proof.
  intros Hx Hy Hr. pose proof (Bmult_correct 53 1024 _ _ mode_NE x y) as C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  rewrite (in_range_rounded _ Hr) in C. destruct C as (C1 & C2 & _). rewrite Hx, Hy in C2. now split.
Qed.

Lemma divide_value x y : finite x = true -> value y <> 0 -> in_range (value x / value y) ->
  finite (divide x y) = true /\ value (divide x y) = rounded (value x / value y).
Proof.
  intros Hx Hy Hr. pose proof (Bdiv_correct 53 1024 _ _ mode_NE x y Hy) as C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  rewrite (in_range_rounded _ Hr) in C. destruct C as (C1 & C2 & _). rewrite Hx in C2. now split.
Qed.

Lemma dyadic_value m e : (Z.abs m < 2 ^ 53)%Z -> (-1074 <= e <= 900)%Z ->
  finite (dyadic m e) = true /\ value (dyadic m e) = IZR m * bpow radix2 e.
Proof.
  intros Hm He. pose proof (binary_normalize_correct 53 1024 _ _ mode_NE m e false) as C. cbv zeta in C.
  change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
  assert (F : F2R (Float radix2 m e) = IZR m * bpow radix2 e) by reflexivity. rewrite F in C.
  rewrite rounded_id in C by (apply representable_dyadic; lia).
  rewrite Rlt_bool_true in C.
  - destruct C as (C1 & C2 & _). now split.
  - rewrite Rabs_mult, (Rabs_pos_eq (bpow radix2 e)) by apply bpow_ge_0.
    apply Rlt_le_trans with (bpow radix2 53 * bpow radix2 e).
    + apply Rmult_lt_compat_r; [apply bpow_gt_0|]. rewrite <- abs_IZR. change (bpow radix2 53) with (IZR (2 ^ 53)).
      now apply IZR_lt.
    + rewrite <- bpow_plus. apply bpow_le. lia.
Qed.

Lemma less_value x y : finite x = true -> finite y = true -> less x y = Rlt_bool (value x) (value y).
Proof. apply Bltb_correct. Qed.
Lemma at_most_value x y : finite x = true -> finite y = true -> at_most x y = Rle_bool (value x) (value y).
Proof. apply Bleb_correct. Qed.

Lemma larger_value x y : finite x = true -> finite y = true ->
  finite (larger x y) = true /\ value (larger x y) = Rmax (value x) (value y).
Proof.
  intros Hx Hy. unfold larger. rewrite less_value by trivial.
  destruct (Rlt_bool_spec (value x) (value y)); split; trivial; [rewrite Rmax_right | rewrite Rmax_left]; lra.
Qed.

Lemma smaller_value x y : finite x = true -> finite y = true ->
  finite (smaller x y) = true /\ value (smaller x y) = Rmin (value x) (value y).
Proof.
  intros Hx Hy. unfold smaller. rewrite less_value by trivial.
  destruct (Rlt_bool_spec (value y) (value x)); split; trivial; [rewrite Rmin_right | rewrite Rmin_left]; lra.
Qed.
