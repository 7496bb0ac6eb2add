(** One key of a row: how far its computed weight is from its true one, in either grade, the rounding of the
    difference s − shift and the clamp included; and how the units of the budget add up. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import FiniteSums Softmax ScoreBounds Binary64 Horner Constants SummationTree LaneSums
  IntegerInterval Exponential PolynomialError Enclosure TailMass.
Import ListNotations.
Open Scope R_scope.

(** A binary64 as an extended score: finite, or −∞ for a masked key. *)
Definition extended (x : binary64) : option R := if finite x then Some (value x) else None.
Definition key_weight (k : key) : R := Softmax.weight (extended (score k)).

(** ** The exponential of both grades *)

Definition epsilon (g : grade) : R := IZR (exponential_units g) * u.

Theorem weight_correct g d : accepted_difference d ->
  let w := exponential (coefficients g) d in
  finite w = true /\ exp (clamped d) <= value w * (1 + epsilon g) /\ value w <= exp (clamped d) * (1 + epsilon g).
Proof.
  intros Hd. destruct g; cbn [coefficients].
  - destruct (budget coefficients_fast) as [(m, e)|] eqn:B; [|vm_compute in B; discriminate B].
    apply (exponential_correct coefficients_fast 17825792 4 exponential_units_fast m e); trivial.
    + exact polynomial_fast_within.
    + vm_compute in B. injection B as <- <-. vm_compute. discriminate.
    + lia.
    + rewrite u_value, plus_IZR. unfold exponential_units_fast. lra.
    + rewrite u_value, plus_IZR. unfold exponential_units_fast. lra.
  - destruct (budget coefficients_exact) as [(m, e)|] eqn:B; [|vm_compute in B; discriminate B].
    apply (exponential_correct coefficients_exact 3 4 exponential_units_exact m e); trivial.
    + exact polynomial_exact_within.
    + vm_compute in B. injection B as <- <-. vm_compute. discriminate.
    + lia.
    + rewrite u_value, plus_IZR. unfold exponential_units_exact. lra.
    + rewrite u_value, plus_IZR. unfold exponential_units_exact. lra.
Qed.

Lemma epsilon_range g : 0 <= epsilon g <= / 1000.
Proof. unfold epsilon. rewrite u_value. destruct g; cbn [exponential_units]; unfold exponential_units_fast, exponential_units_exact; lra. Qed.

Definition share_of_clamp : R := bpow radix2 (-1009).

Lemma exp_clamp_upper : exp (-700) * (1 + / 1000) <= share_of_clamp.
Proof.
  unfold share_of_clamp. rewrite bpow_exp. change (IZR (radix_val radix2)) with 2.
  replace (exp (-700)) with (exp (-1009 * ln 2) * exp (1009 * ln 2 - 700)) by (rewrite <- exp_plus; f_equal; ring).
  rewrite Rmult_assoc. rewrite <- (Rmult_1_r (exp (-1009 * ln 2))) at 2. apply Rmult_le_compat_l; [apply Rlt_le, exp_pos|].
  interval with (i_prec 60).
Qed.

Lemma exp_clamp_lower : bpow radix2 (-1010) <= exp (-700).
Proof.
  rewrite bpow_exp. change (IZR (radix_val radix2)) with 2. apply exp_le. interval with (i_prec 60).
Qed.

Lemma exp_top_upper : exp 512 * 2 <= bpow radix2 740.
Proof.
  rewrite bpow_exp. change (IZR (radix_val radix2)) with 2.
  replace (exp (IZR 740 * ln 2)) with (exp 512 * exp (740 * ln 2 - 512)) by (rewrite <- exp_plus; f_equal; ring).
  apply Rmult_le_compat_l; [apply Rlt_le, exp_pos|]. interval with (i_prec 60).
Qed.

(** ** One key *)
Section Key.
Variables (g : grade) (shift : binary64).
Hypothesis shift_finite : finite shift = true.

(** The true weight of a key in units of e^shift. *)
Definition relative_weight (x : binary64) : R :=
  Softmax.weight (extended x) * exp (- value shift).

Definition key_factor : R := (1 + epsilon g) * (1 + (if is_nonzero shift then IZR shift_units else 0) * u).

(** How far fl(s − shift) is from s − shift: not at all where the shift is 0, at most 2^-44 near the range that counts. *)
Lemma difference_error s :
  finite s = true -> value s <= (if is_nonzero shift then value shift else 512) ->
  let d := subtract s shift in
  let y := value s - value shift in
  accepted_difference d /\ clamped d <= 512
  /\ exp y <= exp (clamped d) * (1 + (if is_nonzero shift then IZR shift_units else 0) * u)
  /\ (exp (clamped d) <= exp y * (1 + (if is_nonzero shift then IZR shift_units else 0) * u) \/ clamped d = -700).
Proof.
  intros Fs Hs d y. pose proof u_positive as Hu.
  assert (Hzero : is_nonzero shift = false -> value shift = 0).
  { unfold is_nonzero. rewrite !less_value by trivial. change (value zero) with 0. intros H.
    apply orb_false_iff in H as (H1 & H2).
    destruct (Rlt_bool_spec (value shift) 0), (Rlt_bool_spec 0 (value shift)); try discriminate. lra. }
  destruct (is_nonzero shift) eqn:Eshift.
  - (* shifted: s ≤ shift *)
    set (sigma := 1 + IZR shift_units * u).
    assert (Hsigma : exp (512 * u) <= sigma).
    { pose proof (exp_ineq1_le (- (512 * u))) as I. rewrite exp_Ropp in I. pose proof (exp_pos (512 * u)) as P.
      apply Rmult_le_reg_r with (1 - 512 * u); [rewrite u_value; lra|].
      apply Rle_trans with 1.
      - apply Rmult_le_reg_l with (/ exp (512 * u)); [now apply Rinv_0_lt_compat|].
        rewrite <- Rmult_assoc, Rinv_l by lra. lra.
      - unfold sigma, shift_units. rewrite u_value. lra. }
    assert (Hsigma1 : 1 <= sigma) by (unfold sigma, shift_units; lra).
    destruct (subtract_cases s shift Fs shift_finite Hs) as [(Fd & Vd)|(Ed & Hfar)].
    + fold d in Fd, Vd. fold y in Vd.
      assert (Hd0 : value d <= 0) by (rewrite Vd; apply rounded_below; [apply representable_zero | unfold y; lra]).
      assert (Hclamped : clamped d = Rmax (value d) (-700)) by (unfold clamped; now rewrite Fd).
      split; [left; split; [exact Fd | lra]|]. rewrite Hclamped.
      split; [apply Rmax_lub; lra|].
      destruct (Rlt_or_le (- 1024) y) as [Hnear|Hfar].
      * assert (Herr : Rabs (value d - y) <= 512 * u).
        { rewrite Vd. apply Rle_trans with (bpow radix2 (10 - 54)).
          - apply absolute_error; [lia|]. apply Rabs_def1; unfold y in *; cbn; lra.
          - rewrite u_value. change (bpow radix2 (10 - 54)) with (/ 17592186044416). lra. }
        apply abs_le_both in Herr. split.
        -- apply Rle_trans with (exp (Rmax (value d) (-700)) * exp (512 * u)).
           ++ rewrite <- exp_plus. apply exp_le. pose proof (Rmax_l (value d) (-700)). lra.
           ++ apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | exact Hsigma].
        -- destruct (Rle_or_lt (-700) (value d)) as [Hin|Hout].
           ++ left. rewrite Rmax_left by trivial. apply Rle_trans with (exp y * exp (512 * u)).
              ** rewrite <- exp_plus. apply exp_le. lra.
              ** apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | exact Hsigma].
           ++ right. apply Rmax_right. lra.
      * assert (Hd : value d <= -1024).
        { rewrite Vd. apply rounded_below; trivial. apply (representable_integer (-1024)). lia. }
        rewrite Rmax_right by lra. split; [|now right].
        apply Rle_trans with (exp (-700) * 1); [rewrite Rmult_1_r; apply exp_le; lra|].
        apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | exact Hsigma1].
    + fold d in Ed. assert (Hclamped : clamped d = -700) by (unfold clamped; now rewrite Ed).
      split; [now right|]. rewrite Hclamped. split; [lra|]. split; [|now right].
      apply Rle_trans with (exp (-700) * 1); [rewrite Rmult_1_r; apply exp_le|].
      * assert (bpow radix2 10 <= bpow radix2 1023) by (apply bpow_le; lia).
        change (bpow radix2 10) with 1024 in *. unfold y. lra.
      * apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | exact Hsigma1].
  - (* shift 0: the difference is s itself *)
    specialize (Hzero eq_refl). rewrite Rmult_0_l, Rplus_0_r, !Rmult_1_r.
    destruct (subtract_nothing s shift Fs shift_finite Hzero) as (Fd & Vd). fold d in Fd, Vd.
    assert (Hclamped : clamped d = Rmax (value d) (-700)) by (unfold clamped; now rewrite Fd).
    unfold y. rewrite Hzero, Rminus_0_r, Hclamped, Vd.
    split; [left; rewrite Vd; split; [exact Fd | lra]|].
    split; [apply Rmax_lub; lra|]. split; [apply exp_le, Rmax_l|].
    destruct (Rle_or_lt (-700) (value s)) as [Hin|Hout].
    + left. rewrite Rmax_left by trivial. lra.
    + right. apply Rmax_right. lra.
Qed.
(** A score that the kernel meets in a row with this shift. *)
Definition fits (x : binary64) : Prop :=
  (finite x = true /\ value x <= (if is_nonzero shift then value shift else 512)) \/ x = minus_infinity.

Lemma subtract_from_minus_infinity : subtract minus_infinity shift = minus_infinity.
Proof. unfold subtract, minus_infinity. now destruct shift. Qed.

Lemma key_factor_range : 1 <= key_factor <= 5 / 4.
Proof.
  unfold key_factor. pose proof (epsilon_range g). pose proof u_positive. pose proof u_small.
  assert (0 <= (if is_nonzero shift then IZR shift_units else 0) * u <= / 100).
  { destruct (is_nonzero shift); unfold shift_units; lra. }
  nra.
Qed.

Theorem key_correct k : fits (score k) ->
  let w := weight g shift k in
  finite w = true
  /\ bpow radix2 (-1011) <= value w <= bpow radix2 740
  /\ 0 <= relative_weight (score k) <= key_factor * value w
  /\ value w <= key_factor * (relative_weight (score k) + share_of_clamp).
Proof.
  intros Hfits w.
  assert (Hbudget : 0 <= (if is_nonzero shift then IZR shift_units else 0) * u).
  { pose proof u_positive. destruct (is_nonzero shift); unfold shift_units; lra. }
  pose proof (epsilon_range g) as He. pose proof key_factor_range as Hkf.
  set (sigma := 1 + (if is_nonzero shift then IZR shift_units else 0) * u) in *.
  assert (Hs1 : 1 <= sigma) by (unfold sigma; lra).
  (* what is known of the difference, −∞ included *)
  assert (Hd : accepted_difference (subtract (score k) shift) /\ clamped (subtract (score k) shift) <= 512
    /\ relative_weight (score k) <= exp (clamped (subtract (score k) shift)) * sigma
    /\ 0 <= relative_weight (score k)
    /\ (exp (clamped (subtract (score k) shift)) <= relative_weight (score k) * sigma
        \/ clamped (subtract (score k) shift) = -700)).
  { destruct Hfits as [(Fs & Hle)| ->].
    - assert (Hr : relative_weight (score k) = exp (value (score k) - value shift)).
      { unfold relative_weight, extended. rewrite Fs. cbn [Softmax.weight]. now rewrite <- exp_plus. }
      rewrite Hr. destruct (difference_error (score k) Fs Hle) as (H1 & H2 & H3 & H4).
      repeat split; trivial. apply Rlt_le, exp_pos.
    - rewrite subtract_from_minus_infinity.
      assert (Hr : relative_weight minus_infinity = 0) by (unfold relative_weight, extended; cbn; ring).
      rewrite Hr. assert (Hc : clamped minus_infinity = -700) by reflexivity. rewrite Hc.
      split; [now right|]. split; [lra|]. split; [|split; [lra | now right]].
      apply Rmult_le_pos; [apply Rlt_le, exp_pos | lra]. }
  destruct Hd as (Hacc & H512 & Hup & Hr0 & Hlow).
  destruct (weight_correct g _ Hacc) as (Fw & W1 & W2). fold (weight g shift k) in Fw, W1, W2. fold w in Fw, W1, W2.
  set (x := clamped (subtract (score k) shift)) in *. pose proof (exp_pos x) as Px.
  assert (H700 : -700 <= x).
  { unfold x, clamped. destruct (finite (subtract (score k) shift)); [apply Rmax_r | lra]. }
  assert (Hkf2 : key_factor = (1 + epsilon g) * sigma) by reflexivity.
  assert (Pw : 0 < value w) by nra.
  split; [exact Fw|]. split; [split|split; [split; [exact Hr0|]|]].
  - apply Rmult_le_reg_r with 2; [lra|]. apply Rle_trans with (exp (-700)).
    + apply Rle_trans with (2 := exp_clamp_lower). change 2 with (bpow radix2 1). rewrite <- bpow_plus. apply bpow_le. lia.
    + apply Rle_trans with (exp x); [now apply exp_le|]. apply Rle_trans with (1 := W1). apply Rmult_le_compat_l; lra.
  - apply Rle_trans with (1 := W2). apply Rle_trans with (2 := exp_top_upper).
    apply Rmult_le_compat; try lra. now apply exp_le.
  - apply Rle_trans with (1 := Hup). rewrite Hkf2.
    replace ((1 + epsilon g) * sigma * value w) with (value w * (1 + epsilon g) * sigma) by ring.
    apply Rmult_le_compat_r; lra.
  - assert (Hshare : 0 <= share_of_clamp) by apply bpow_ge_0.
    destruct Hlow as [Hlow|Hclamp].
    + apply Rle_trans with (1 := W2). apply Rle_trans with (relative_weight (score k) * sigma * (1 + epsilon g)).
      * apply Rmult_le_compat_r; lra.
      * rewrite Hkf2.
        replace (relative_weight (score k) * sigma * (1 + epsilon g)) with ((1 + epsilon g) * sigma * relative_weight (score k)) by ring.
        apply Rmult_le_compat_l; [nra | lra].
    + rewrite Hclamp in W2. apply Rle_trans with share_of_clamp.
      * apply Rle_trans with (1 := W2). apply Rle_trans with (2 := exp_clamp_upper).
        apply Rmult_le_compat_l; [apply Rlt_le, exp_pos | lra].
      * nra.
Qed.
End Key.

(** ** The budget: u-units add up *)

Lemma absorbs_from_budget (a b N g : R) (h : nat) :
  0 <= a -> 0 <= b -> a + b + INR h + 3 <= N -> N * (N + 1) * u <= 1 -> (N + 1) * u <= g <= 1 / 4 ->
  absorbs g ((1 + a * u) * (1 + b * u) * (1 + u) ^ h).
Proof.
  intros Ha Hb HN HN2 Hg. pose proof u_positive as Hu. pose proof (pos_INR h) as Hh.
  set (h3 := (h + 3)%nat). assert (Hh3 : INR h3 = INR h + 3) by (unfold h3; rewrite plus_INR; cbn; ring).
  assert (HNu : N * u <= 1 / 4) by nra.
  assert (Pau : 0 <= a * u) by (apply Rmult_le_pos; lra).
  assert (Pbu : 0 <= b * u) by (apply Rmult_le_pos; lra).
  assert (Phu : 0 <= INR h3 * u) by (rewrite Hh3; apply Rmult_le_pos; lra).
  assert (Hsum : a * u + b * u + INR h3 * u <= N * u).
  { rewrite Hh3. replace (a * u + b * u + (INR h + 3) * u) with ((a + b + INR h + 3) * u) by ring.
    apply Rmult_le_compat_r; lra. }
  pose proof (power_budget h3 ltac:(lra)) as HP. pose proof (power_at_least_one h3) as HP1.
  set (P := (1 + u) ^ h3) in *.
  assert (E : (1 + a * u) * (1 + b * u) * (1 + u) ^ h * (1 + u) ^ 3 = (1 + a * u) * (1 + b * u) * P).
  { unfold P, h3. rewrite pow_add. ring. }
  set (A := a * u) in *. set (B := b * u) in *. set (H := INR h3 * u) in *.
  assert (Hkey : (1 + A) * (1 + B) * P * (1 - N * u) <= 1).
  { apply Rle_trans with ((1 + A) * (1 + B) * P * ((1 - A) * (1 - B) * (1 - H))).
    - apply Rmult_le_compat_l; [apply Rmult_le_pos; [apply Rmult_le_pos|]; lra|].
      assert (0 <= A * B) by (apply Rmult_le_pos; lra).
      assert (1 - A - B <= (1 - A) * (1 - B)) by lra.
      assert ((1 - A - B) * (1 - H) <= (1 - A) * (1 - B) * (1 - H)) by (apply Rmult_le_compat_r; lra).
      assert (0 <= (A + B) * H) by (apply Rmult_le_pos; lra). lra.
    - replace ((1 + A) * (1 + B) * P * ((1 - A) * (1 - B) * (1 - H)))
        with ((1 - A * A) * ((1 - B * B) * (P * (1 - H)))) by ring.
      assert (0 <= A * A <= 1) by (split; [apply Rmult_le_pos; lra|]; nra).
      assert (0 <= B * B <= 1) by (split; [apply Rmult_le_pos; lra|]; nra).
      assert (0 <= P * (1 - H)) by (apply Rmult_le_pos; lra).
      assert ((1 - B * B) * (P * (1 - H)) <= 1) by nra.
      assert (0 <= (1 - B * B) * (P * (1 - H))) by (apply Rmult_le_pos; lra). nra. }
  set (Q := (1 + A) * (1 + B) * P) in *.
  assert (PQ : 0 < Q) by (unfold Q; repeat apply Rmult_lt_0_compat; lra).
  unfold absorbs. rewrite E. fold Q. split.
  - apply Rmult_le_reg_r with (1 - N * u); [lra|]. apply Rle_trans with (1 := Hkey).
    apply Rle_trans with ((1 + (N + 1) * u) * (1 - N * u)); [|apply Rmult_le_compat_r; lra].
    assert (N * (N + 1) * u * u <= 1 * u) by (apply Rmult_le_compat_r; lra). lra.
  - apply Rle_trans with (2 := Hkey). rewrite (Rmult_comm Q). apply Rmult_le_compat_r; lra.
Qed.
