(** From two computed sums to an interval around τ (float_kernels/enclosure.py), and why each step is outward. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import Binary64 Horner Constants.
Open Scope R_scope.

(** ** The program *)
Definition one : binary64 := dyadic 1 0.
Definition floor_float := constant_float floor.
Definition outward_up_float := constant_float outward_up.
Definition outward_down_float := constant_float outward_down.

Definition sum_upper (g s : binary64) : binary64 := multiply s (add one g).
Definition sum_lower (g share s : binary64) : binary64 :=
  larger (subtract (multiply s (subtract one g)) share) zero.

Definition quotient_upper (a b : binary64) : binary64 :=
  smaller (larger (multiply (divide a (add a b)) outward_up_float) floor_float) one.
Definition quotient_lower (a b : binary64) : binary64 :=
  let q := divide a (add a b) in
  if at_most floor_float q then multiply q outward_down_float else zero.

(** ** Constants as real numbers *)
Lemma one_value : finite one = true /\ value one = 1.
Proof. destruct (dyadic_value 1 0) as (F & V); [lia | lia |]. split; [exact F|]. unfold one. rewrite V. cbn. lra. Qed.
Lemma floor_value : finite floor_float = true /\ value floor_float = bpow radix2 (-960).
Proof. destruct (constant_value floor eq_refl) as (F & V). split; [exact F|]. unfold floor_float. rewrite V. unfold constant_real, floor. cbn [fst snd]. ring. Qed.
Lemma outward_up_value : finite outward_up_float = true /\ value outward_up_float = 1 + 4 * u.
Proof. destruct (constant_value outward_up eq_refl) as (F & V). split; [exact F|]. unfold outward_up_float. rewrite V, u_value. unfold constant_real, outward_up. cbn. lra. Qed.
Lemma outward_down_value : finite outward_down_float = true /\ value outward_down_float = 1 - 4 * u.
Proof. destruct (constant_value outward_down eq_refl) as (F & V). split; [exact F|]. unfold outward_down_float. rewrite V, u_value. unfold constant_real, outward_down. cbn. lra. Qed.

Lemma bpow_power_two e : (0 <= e)%Z -> bpow radix2 e = IZR (2 ^ e).
Proof. intros H. rewrite <- IZR_Zpower by trivial. reflexivity. Qed.

(** ** The quotient *)
Section Quotient.
Variables a b : binary64.
Hypothesis Fa : finite a = true.
Hypothesis Fb : finite b = true.
Hypothesis a_nonneg : 0 <= value a <= bpow radix2 1000.
Hypothesis b_nonneg : 0 <= value b <= bpow radix2 1000.
Hypothesis positive : 0 < value a + value b.

Let S := rounded (value a + value b).
Let X := value a / S.

Lemma denominator : finite (add a b) = true /\ value (add a b) = S.
Proof.
  apply add_value; trivial. unfold in_range. rewrite Rabs_pos_eq by lra.
  apply Rle_trans with (bpow radix2 1000 * 2); [lra|]. change 2 with (bpow radix2 1). rewrite <- bpow_plus. apply bpow_le. lia.
Qed.

Lemma denominator_bounds :
  0 < S /\ value a <= S /\ value a + value b <= S * (1 + u) /\ S <= (value a + value b) * (1 + u).
Proof.
  pose proof u_positive.
  destruct (sum_error _ _ (representable_value a) (representable_value b)) as (S1 & S2); [lra|]. fold S in S1, S2.
  repeat split; trivial.
  - apply Rnot_le_lt. intros Hn. assert (S * (1 + u) <= 0) by nra. lra.
  - apply rounded_above; [apply representable_value | lra].
Qed.

Lemma ratio_bounds : 0 <= X <= 1 /\ value a / (value a + value b) <= X * (1 + u) /\ X <= value a / (value a + value b) * (1 + u).
Proof.
  destruct denominator_bounds as (PS & aS & S1 & S2). pose proof u_positive. unfold X.
  assert (P1 : 0 < / S) by now apply Rinv_0_lt_compat.
  repeat split.
  - apply Rmult_le_pos; lra.
  - apply Rmult_le_reg_r with S; trivial. replace (value a / S * S) with (value a) by (field; lra). lra.
  - apply Rmult_le_reg_r with (S * (value a + value b)); [now apply Rmult_lt_0_compat|].
    replace (value a / (value a + value b) * (S * (value a + value b))) with (value a * S) by (field; lra).
    replace (value a / S * (1 + u) * (S * (value a + value b))) with (value a * ((value a + value b) * (1 + u))) by (field; lra).
    apply Rmult_le_compat_l; lra.
  - apply Rmult_le_reg_r with (S * (value a + value b)); [now apply Rmult_lt_0_compat|].
    replace (value a / S * (S * (value a + value b))) with (value a * (value a + value b)) by (field; lra).
    replace (value a / (value a + value b) * (1 + u) * (S * (value a + value b))) with (value a * (S * (1 + u))) by (field; lra).
    apply Rmult_le_compat_l; lra.
Qed.

Lemma quotient : finite (divide a (add a b)) = true /\ value (divide a (add a b)) = rounded X /\ 0 <= rounded X <= 1.
Proof.
  destruct denominator as (Fs & Vs). destruct denominator_bounds as (PS & _). destruct ratio_bounds as (HX & _).
  destruct (divide_value a (add a b) Fa) as (F & V).
  - rewrite Vs. lra.
  - rewrite Vs. fold X. unfold in_range. rewrite Rabs_pos_eq by lra. apply Rle_trans with (bpow radix2 0); [cbn; lra | apply bpow_le; lia].
  - rewrite Vs in V. split; [exact F|]. split; [exact V|]. split; [now apply rounded_nonneg|].
    apply rounded_below; [apply (representable_integer 1); lia | lra].
Qed.

Theorem quotient_upper_sound :
  finite (quotient_upper a b) = true /\ value a / (value a + value b) <= value (quotient_upper a b) <= 1.
Proof.
  pose proof u_positive as Hu. pose proof u_small as Hu'.
  destruct quotient as (Fq & Vq & Bq). destruct outward_up_value as (Fo & Vo). destruct floor_value as (Ff & Vf).
  destruct one_value as (F1 & V1). destruct ratio_bounds as (HX & HX1 & _).
  unfold quotient_upper. set (q := divide a (add a b)) in *.
  destruct (multiply_value q outward_up_float Fq Fo) as (Fr & Vr).
  { rewrite Vq, Vo. unfold in_range. rewrite Rabs_pos_eq by nra. apply Rle_trans with (bpow radix2 1); [cbn; nra | apply bpow_le; lia]. }
  set (r := multiply q outward_up_float) in *.
  destruct (larger_value r floor_float Fr Ff) as (Fl & Vl).
  destruct (smaller_value (larger r floor_float) one Fl F1) as (F & V).
  split; [exact F|]. rewrite V, Vl, V1, Vf. split; [|apply Rmin_r].
  apply Rmin_glb.
  2: { apply Rmult_le_reg_r with (value a + value b); trivial.
       replace (value a / (value a + value b) * (value a + value b)) with (value a) by (field; lra). lra. }
  pose proof (bpow_gt_0 radix2 (-1000)) as P1000.
  destruct (Rle_or_lt (bpow radix2 (-1000)) X) as [Hbig|Hsmall].
  - apply Rle_trans with (2 := Rmax_l _ _). rewrite Vr, Vq, Vo.
    destruct (normal_error X) as (N1 & _); [apply Rle_trans with (2 := Hbig), bpow_le; lia|].
    assert (Rbig : bpow radix2 (-1000) <= rounded X) by (apply rounded_above; [apply representable_bpow; lia | trivial]).
    destruct (normal_error (rounded X * (1 + 4 * u))) as (N2 & _).
    { apply Rle_trans with (bpow radix2 (-1000)); [apply bpow_le; lia | nra]. }
    set (R1 := rounded X) in *. set (R2 := rounded (R1 * (1 + 4 * u))) in *.
    (* a/(a+b) ≤ X(1+u) ≤ R1(1+u)², and R1(1+4u) ≤ R2(1+u) with (1+u)³ ≤ 1+4u *)
    apply Rle_trans with (1 := HX1). apply Rle_trans with (R1 * ((1 + u) * (1 + u))); [nra|].
    apply Rmult_le_reg_r with (1 + u); [lra|]. apply Rle_trans with (2 := N2).
    rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|]. nra.
  - apply Rle_trans with (2 := Rmax_r _ _). apply Rle_trans with (1 := HX1).
    apply Rle_trans with (bpow radix2 (-1000) * bpow radix2 1); [|rewrite <- bpow_plus; apply bpow_le; lia].
    change (bpow radix2 1) with 2. apply Rmult_le_compat; lra.
Qed.

Theorem quotient_lower_sound :
  finite (quotient_lower a b) = true /\ 0 <= value (quotient_lower a b) <= value a / (value a + value b).
Proof.
  pose proof u_positive as Hu. pose proof u_small as Hu'.
  destruct quotient as (Fq & Vq & Bq). destruct outward_down_value as (Fo & Vo). destruct floor_value as (Ff & Vf).
  destruct ratio_bounds as (HX & _ & HX2).
  assert (Htau : 0 <= value a / (value a + value b)).
  { apply Rmult_le_pos; [lra | now apply Rlt_le, Rinv_0_lt_compat]. }
  unfold quotient_lower. set (q := divide a (add a b)) in *.
  rewrite at_most_value by trivial. rewrite Vf, Vq.
  destruct (Rle_bool_spec (bpow radix2 (-960)) (rounded X)) as [Hbig|_]; [|split; [reflexivity | cbn; lra]].
  assert (X961 : bpow radix2 (-961) <= X).
  { apply Rnot_lt_le. intros Hlt. assert (rounded X <= bpow radix2 (-961)).
    - apply rounded_below; [apply representable_bpow; lia | lra].
    - pose proof (bpow_lt radix2 (-961) (-960) ltac:(lia)). lra. }
  pose proof (bpow_gt_0 radix2 (-961)) as P961.
  destruct (normal_error X) as (_ & N1); [apply Rle_trans with (2 := X961), bpow_le; lia|].
  destruct (multiply_value q outward_down_float Fq Fo) as (Fr & Vr).
  { rewrite Vq, Vo. unfold in_range. rewrite Rabs_pos_eq by nra. apply Rle_trans with (bpow radix2 1); [cbn; nra | apply bpow_le; lia]. }
  rewrite Vq, Vo in Vr. split; [exact Fr|]. rewrite Vr.
  assert (Hhalf : bpow radix2 (-961) <= rounded X * (1 - 4 * u)).
  { replace (bpow radix2 (-961)) with (bpow radix2 (-960) * / 2) by (change (/ 2) with (bpow radix2 (-1)); now rewrite <- bpow_plus).
    pose proof (bpow_gt_0 radix2 (-960)). apply Rmult_le_compat; lra. }
  destruct (normal_error (rounded X * (1 - 4 * u))) as (_ & N2); [apply Rle_trans with (2 := Hhalf), bpow_le; lia|].
  split; [apply rounded_nonneg; lra|].
  set (R1 := rounded X) in *. apply Rle_trans with (1 := N2).
  apply Rle_trans with (X * ((1 + u) * (1 - 4 * u) * (1 + u))).
  - replace (X * ((1 + u) * (1 - 4 * u) * (1 + u))) with (X * (1 + u) * (1 - 4 * u) * (1 + u)) by ring.
    apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat_r; lra.
  - apply Rle_trans with (value a / (value a + value b) * (1 + u) * ((1 + u) * (1 - 4 * u) * (1 + u))).
    + apply Rmult_le_compat_r; [|exact HX2]. apply Rmult_le_pos; [apply Rmult_le_pos|]; lra.
    + rewrite <- (Rmult_1_r (value a / (value a + value b))) at 2. rewrite 1!Rmult_assoc.
      apply Rmult_le_compat_l; trivial.
      assert (0 <= u * u) by nra. assert (0 <= u * u * u) by nra. nra.
Qed.
End Quotient.

(** ** The sums *)

(** What the inflation g must achieve against an error factor F. *)
Definition absorbs (g F : R) : Prop := F * (1 + u) ^ 3 <= 1 + g /\ (1 - g) * (F * (1 + u) ^ 3) <= 1.

Section Sums.
Variables (g share s : binary64) (G : Z) (F true_sum clamped_share : R).
Hypothesis Fg : finite g = true.
Hypothesis Vg : value g = IZR G * bpow radix2 (-52).
Hypothesis G_range : (0 <= G <= 2 ^ 50)%Z.
Hypothesis Fshare : finite share = true.
Hypothesis share_value : value share = clamped_share.
Hypothesis share_range : 0 <= clamped_share <= bpow radix2 (-900).
Hypothesis Fs : finite s = true.
Hypothesis s_range : value s = 0 \/ bpow radix2 (-1012) <= value s.
Hypothesis s_small : value s <= bpow radix2 999.
Hypothesis F_at_least_one : 1 <= F.
Hypothesis absorbed : absorbs (value g) F.
Hypothesis true_nonneg : 0 <= true_sum.
Hypothesis below : true_sum <= F * value s.
Hypothesis above : value s <= F * (true_sum + clamped_share).

Lemma inflation_range : 0 <= value g <= / 4.
Proof.
  rewrite Vg. destruct G_range as (H1 & H2). apply IZR_le in H1, H2. pose proof (bpow_gt_0 radix2 (-52)). split.
  - apply Rmult_le_pos; lra.
  - change (/ 4) with (bpow radix2 (-2)). replace (bpow radix2 (-2)) with (bpow radix2 50 * bpow radix2 (-52)) by (now rewrite <- bpow_plus).
    apply Rmult_le_compat_r; [lra|]. rewrite bpow_power_two by lia. exact H2.
Qed.

Lemma one_plus_g : finite (add one g) = true /\ value (add one g) = 1 + value g.
Proof.
  destruct one_value as (F1 & V1). pose proof inflation_range.
  destruct (add_value one g F1 Fg) as (H1 & H2).
  - rewrite V1. unfold in_range. rewrite Rabs_pos_eq by lra. apply Rle_trans with (bpow radix2 1); [cbn; lra | apply bpow_le; lia].
  - split; trivial. rewrite H2, V1. apply rounded_id.
    replace (1 + value g) with (IZR (2 ^ 52 + G) * bpow radix2 (-52)).
    + apply representable_dyadic; lia.
    + rewrite plus_IZR, Vg, Rmult_plus_distr_r. f_equal. rewrite <- bpow_power_two by lia. rewrite <- bpow_plus. reflexivity.
Qed.

Lemma one_minus_g : finite (subtract one g) = true /\ value (subtract one g) = 1 - value g.
Proof.
  destruct one_value as (F1 & V1). pose proof inflation_range.
  destruct (subtract_value one g F1 Fg) as (H1 & H2).
  - rewrite V1. unfold in_range. rewrite Rabs_pos_eq by lra. apply Rle_trans with (bpow radix2 1); [cbn; lra | apply bpow_le; lia].
  - split; trivial. rewrite H2, V1. apply rounded_id.
    replace (1 - value g) with (IZR (2 ^ 52 - G) * bpow radix2 (-52)).
    + apply representable_dyadic; lia.
    + rewrite minus_IZR, Vg. unfold Rminus. rewrite Rmult_plus_distr_r. f_equal; [|ring].
      rewrite <- bpow_power_two by lia. rewrite <- bpow_plus. reflexivity.
Qed.

(** A product of s with a factor near 1: normal, or exactly zero. *)
Lemma scaled x c :
  finite x = true -> value x = c -> 1 / 2 <= c <= 2 ->
  finite (multiply s x) = true /\ value s * c <= value (multiply s x) * (1 + u) /\ value (multiply s x) <= value s * c * (1 + u)
  /\ 0 <= value (multiply s x) <= bpow radix2 1000.
Proof.
  intros Fx Vx Hc. pose proof u_positive. pose proof (bpow_gt_0 radix2 (-1012)).
  assert (Hs : 0 <= value s) by (destruct s_range; lra).
  assert (Hsc : value s * c <= bpow radix2 1000).
  { change 1000%Z with (999 + 1)%Z. rewrite bpow_plus. change (bpow radix2 1) with 2. apply Rmult_le_compat; lra. }
  assert (Hsc0 : 0 <= value s * c) by (apply Rmult_le_pos; lra).
  destruct (multiply_value s x Fs Fx) as (Fm & Vm).
  { rewrite Vx. unfold in_range. rewrite Rabs_pos_eq by lra. apply Rle_trans with (1 := Hsc), bpow_le. lia. }
  rewrite Vx in Vm. split; [exact Fm|]. rewrite Vm. rewrite <- and_assoc. split.
  - destruct s_range as [->|Hbig].
    + rewrite Rmult_0_l, round_0 by auto with typeclass_instances. lra.
    + apply normal_error. apply Rle_trans with (bpow radix2 (-1012) * bpow radix2 (-1)).
      * rewrite <- bpow_plus. apply bpow_le. lia.
      * change (bpow radix2 (-1)) with (/ 2). apply Rmult_le_compat; lra.
  - split; [now apply rounded_nonneg|]. apply rounded_below; [apply representable_bpow; lia | exact Hsc].
Qed.

Theorem sum_upper_sound :
  finite (sum_upper g s) = true /\ true_sum <= value (sum_upper g s) <= bpow radix2 1000.
Proof.
  pose proof u_positive as Hu. pose proof inflation_range as Hg. destruct one_plus_g as (F1 & V1). destruct absorbed as (A & _).
  destruct (scaled (add one g) (1 + value g) F1 V1) as (Fm & L & _ & B0 & B1); [lra|].
  unfold sum_upper. split; [exact Fm|]. split; [|exact B1].
  assert (Hs : 0 <= value s) by (pose proof (bpow_gt_0 radix2 (-1012)); destruct s_range; lra).
  apply Rle_trans with (1 := below). apply Rmult_le_reg_r with (1 + u); [lra|].
  apply Rle_trans with (2 := L). rewrite (Rmult_comm F), Rmult_assoc. apply Rmult_le_compat_l; trivial.
  apply Rle_trans with (2 := A). apply Rmult_le_compat_l; [lra|]. cbn [pow]. nra.
Qed.

Theorem sum_lower_sound :
  finite (sum_lower g share s) = true /\ 0 <= value (sum_lower g share s) <= true_sum
  /\ value (sum_lower g share s) <= bpow radix2 1000.
Proof.
  pose proof u_positive as Hu. pose proof u_small as Hu'. pose proof inflation_range as Hg.
  destruct one_minus_g as (F1 & V1). destruct absorbed as (_ & A).
  destruct (scaled (subtract one g) (1 - value g) F1 V1) as (Fm & _ & Up & B0 & B1); [lra|].
  unfold sum_lower. set (x := multiply s (subtract one g)) in *.
  assert (Hshare : bpow radix2 (-900) <= bpow radix2 1000) by (apply bpow_le; lia).
  destruct (subtract_value x share Fm Fshare) as (Fd & Vd).
  { rewrite share_value. unfold in_range. apply Rabs_le. assert (bpow radix2 1000 <= bpow radix2 1023) by (apply bpow_le; lia). lra. }
  destruct (larger_value (subtract x share) zero Fd eq_refl) as (F0 & V0).
  split; [exact F0|]. rewrite V0, Vd, share_value. change (value zero) with 0.
  assert (Hx : value x * (1 + u) * (1 + u) <= true_sum + clamped_share).
  { set (P := F * (1 + u) ^ 3) in *.
    assert (HP : P = F * (1 + u) * (1 + u) * (1 + u)) by (unfold P; cbn [pow]; ring).
    apply Rle_trans with ((1 - value g) * P * (true_sum + clamped_share)).
    - rewrite HP.
      replace ((1 - value g) * (F * (1 + u) * (1 + u) * (1 + u)) * (true_sum + clamped_share))
        with (F * (true_sum + clamped_share) * ((1 - value g) * ((1 + u) * (1 + u) * (1 + u)))) by ring.
      apply Rle_trans with (value s * (1 - value g) * (1 + u) * ((1 + u) * (1 + u))).
      + rewrite Rmult_assoc. apply Rmult_le_compat_r; [nra | exact Up].
      + replace (value s * (1 - value g) * (1 + u) * ((1 + u) * (1 + u)))
          with (value s * ((1 - value g) * ((1 + u) * (1 + u) * (1 + u)))) by ring.
        apply Rmult_le_compat_r; [|exact above]. repeat apply Rmult_le_pos; lra.
    - rewrite <- (Rmult_1_l (true_sum + clamped_share)) at 2. apply Rmult_le_compat_r; lra. }
  assert (Hd : rounded (value x - clamped_share) <= true_sum).
  { destruct (Rle_or_lt (value x) clamped_share) as [Hle|Hlt].
    - apply Rle_trans with 0; [|exact true_nonneg]. apply rounded_below; [apply representable_zero | lra].
    - assert (Hrep : representable clamped_share) by (rewrite <- share_value; apply representable_value).
      unfold Rminus. destruct (sum_error (value x) (- clamped_share)) as (_ & S2);
        [apply representable_value | now apply generic_format_opp | lra |].
      apply Rle_trans with (1 := S2).
      assert (0 <= clamped_share * u) by (apply Rmult_le_pos; lra).
      assert (0 <= true_sum * u) by (apply Rmult_le_pos; lra).
      assert (value x * (1 + u) <= true_sum + clamped_share).
      { apply Rmult_le_reg_r with (1 + u); [lra|]. apply Rle_trans with (1 := Hx). nra. }
      lra. }
  split; [split|].
  - apply Rmax_r.
  - apply Rmax_lub; trivial.
  - apply Rmax_lub; [|apply bpow_ge_0]. apply rounded_below; [apply representable_bpow; lia | lra].
Qed.

(** The lower sum is positive where the true sum is far above the clamp's share. *)
Theorem sum_lower_positive :
  bpow radix2 (-100) <= true_sum -> F <= 2 -> 0 < value (sum_lower g share s).
Proof.
  intros Htrue HF. pose proof u_positive as Hu. pose proof u_small as Hu'. pose proof inflation_range as Hg.
  destruct one_minus_g as (F1 & V1).
  destruct (scaled (subtract one g) (1 - value g) F1 V1) as (Fm & Low & _ & B0 & B1); [lra|].
  unfold sum_lower. set (x := multiply s (subtract one g)) in *.
  assert (Hshare : bpow radix2 (-900) <= bpow radix2 1000) by (apply bpow_le; lia).
  destruct (subtract_value x share Fm Fshare) as (Fd & Vd).
  { rewrite share_value. unfold in_range. apply Rabs_le. assert (bpow radix2 1000 <= bpow radix2 1023) by (apply bpow_le; lia). lra. }
  destruct (larger_value (subtract x share) zero Fd eq_refl) as (_ & V0).
  rewrite V0, Vd, share_value. apply Rlt_le_trans with (2 := Rmax_l _ _).
  assert (Hs : 0 <= value s) by (pose proof (bpow_gt_0 radix2 (-1012)); destruct s_range; lra).
  assert (P100 : bpow radix2 (-900) * 1024 <= bpow radix2 (-100)).
  { change 1024 with (bpow radix2 10). rewrite <- bpow_plus. apply bpow_le. lia. }
  pose proof (bpow_gt_0 radix2 (-900)) as P900.
  assert (true_sum <= 2 * value s) by nra.
  assert (value s * (3 / 4) <= value x * 2) by nra.
  apply Rlt_le_trans with (bpow radix2 (-900)); trivial.
  apply rounded_above; [apply representable_bpow; lia | lra].
Qed.
End Sums.
