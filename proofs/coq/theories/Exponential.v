(** The kernel's exponential (float_kernels/exponential.py): the program on bits, and its error.

    For every score difference d up to the ceiling, −∞ included, the weight w satisfies
    e^x ≤ w(1 + ε) and w ≤ e^x(1 + ε) with x = max(d, clamp) and ε the grade's units times 2^-53. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN Sterbenz Mult_error.
From TopK Require Import Softmax Binary64 Horner Constants IntegerInterval.
Import ListNotations.
Open Scope R_scope.

Definition clamp_float := constant_float clamp.
Definition log2e_float := constant_float log2e.
Definition magic_float := constant_float magic.

(** The float whose sign and exponent fields are the low 12 bits of b's significand, and whose fraction is 0: what is
    left of the bits of b after a shift by 52. Fields 1 … 2046 with sign + are the powers 2^(field − 1023); the proof
    shows that no other field occurs. *)
Definition power_of_two (b : binary64) : binary64 :=
  match b with
  | B754_finite _ m _ _ =>
    let field := (Z.pos m mod 4096)%Z in
    if ((0 <? field) && (field <? 2047))%Z then dyadic 1 (field - 1023) else zero
  | _ => zero
  end.

Definition exponential (coefficients : list constant) (d : binary64) : binary64 :=
  let c := larger d clamp_float in
  let t := multiply c log2e_float in
  let b := add t magic_float in
  let f := subtract t (subtract b magic_float) in
  let q := horner coefficients f in
  multiply q (power_of_two b).

(** ** The reduction: t = k + f with an integer k and |f| ≤ 1/2, all exact but the product *)

Lemma clamp_value : finite clamp_float = true /\ value clamp_float = -700.
Proof. destruct (constant_value clamp eq_refl) as (F & V). split; [exact F|]. unfold clamp_float. rewrite V. unfold constant_real, clamp. cbn. lra. Qed.
Lemma log2e_value : finite log2e_float = true /\ value log2e_float = 3248660424278399 / 2251799813685248.
Proof. destruct (constant_value log2e eq_refl) as (F & V). split; [exact F|]. unfold log2e_float. rewrite V. unfold constant_real, log2e. cbn. lra. Qed.
Lemma magic_value : finite magic_float = true /\ value magic_float = 6755399441056767.
Proof. destruct (constant_value magic eq_refl) as (F & V). split; [exact F|]. unfold magic_float. rewrite V. unfold constant_real, magic. cbn. lra. Qed.

Lemma in_range_small x e : (e <= 1023)%Z -> Rabs x <= bpow radix2 e -> in_range x.
Proof. intros He H. apply Rle_trans with (1 := H), bpow_le, He. Qed.

Lemma integer_significand b n :
  finite b = true -> value b = IZR n -> (2 ^ 52 <= n < 2 ^ 53)%Z ->
  exists m H, b = B754_finite false m 0 H /\ Z.pos m = n.
Proof.
  intros Hf Hv Hn. destruct b as [s|s| |s m e Hb]; try discriminate Hf.
  - cbn [B2R] in Hv. change 0 with (IZR 0) in Hv. apply eq_IZR in Hv. lia.
  - assert (Hs : s = false).
    { destruct s; trivial. exfalso. cbn [B2R cond_Zopp] in Hv.
      assert (H0 : F2R (Float radix2 (Zneg m) e) < 0) by (apply F2R_lt_0; reflexivity).
      apply (Rlt_not_le _ _ H0). apply Rle_trans with (IZR n); [apply IZR_le; lia | right; symmetry; exact Hv]. }
    subst s. cbn [B2R cond_Zopp] in Hv.
    pose proof (canonical_bounded 53 1024 false m e Hb) as C. cbn [cond_Zopp] in C.
    unfold canonical in C. cbn [Fexp] in C. rewrite Hv in C. unfold cexp in C.
    assert (Hmag : mag radix2 (IZR n) = 53%Z :> Z).
    { apply mag_unique. rewrite Rabs_pos_eq by (apply IZR_le; lia).
      change (bpow radix2 (53 - 1)) with (IZR (2 ^ 52)). change (bpow radix2 53) with (IZR (2 ^ 53)).
      split; [apply IZR_le | apply IZR_lt]; lia. }
    rewrite Hmag in C. change (SpecFloat.fexp 53 1024 53) with 0%Z in C. subst e.
    exists m, Hb. split; trivial. apply eq_IZR. rewrite <- Hv. unfold F2R. cbn. ring.
Qed.

Record reduced (c : binary64) (k : Z) (f : binary64) : Prop := {
  reduced_shift : (-1020 <= k <= 1020)%Z;
  reduced_finite : finite f = true;
  reduced_small : Rabs (value f) <= / 2;
  reduced_close : Rabs (IZR k + value f - value c * value log2e_float) <= bpow radix2 (-44);
  reduced_power : finite (power_of_two (add (multiply c log2e_float) magic_float)) = true
    /\ value (power_of_two (add (multiply c log2e_float) magic_float)) = bpow radix2 k
}.

Lemma reduction c :
  finite c = true -> Rabs (value c) <= 700 ->
  let t := multiply c log2e_float in
  let b := add t magic_float in
  exists k, reduced c k (subtract t (subtract b magic_float)).
Proof.
  intros Fc Hc t b. destruct log2e_value as (Fl & Vl). destruct magic_value as (Fm & Vm).
  apply abs_le_both in Hc.
  set (x := value c * value log2e_float).
  assert (Hx : Rabs x <= 1010).
  { unfold x. rewrite Vl. apply Rabs_le. nra. }
  destruct (multiply_value c log2e_float Fc Fl) as (Ft & Vt).
  { apply in_range_small with 10%Z; [lia|]. apply Rle_trans with (1 := Hx). cbn. lra. }
  fold t in Ft, Vt. fold x in Vt.
  assert (Herr : Rabs (value t - x) <= bpow radix2 (-44)).
  { rewrite Vt. apply (absolute_error x 10); [lia|]. apply Rle_lt_trans with (1 := Hx). cbn. lra. }
  assert (Ht : -1011 <= value t <= 1011).
  { apply abs_le_both in Herr. apply abs_le_both in Hx. cbn in Herr. lra. }
  destruct (add_value t magic_float Ft Fm) as (Fb & Vb).
  { apply in_range_small with 53%Z; [lia|]. rewrite Vm. apply Rabs_le. cbn. lra. }
  fold b in Fb, Vb. rewrite rounded_to_integer in Vb by (rewrite Vm; cbn; lra).
  set (n := ZnearestE (value t + value magic_float)) in *.
  assert (Hn : Rabs (value t + 6755399441056767 - IZR n) <= / 2).
  { rewrite <- Vm. unfold n. apply Znearest_half. }
  apply abs_le_both in Hn.
  set (k := (n - 6755399441056767)%Z).
  assert (Hk : IZR k = IZR n - 6755399441056767) by (unfold k; now rewrite minus_IZR).
  assert (Hkb : (-1012 <= k <= 1012)%Z).
  { split; apply le_IZR; rewrite Hk; lra. }
  destruct (subtract_value b magic_float Fb Fm) as (Fk & Vk).
  { apply in_range_small with 53%Z; [lia|]. rewrite Vb, Vm, <- Hk. rewrite <- abs_IZR.
    change (bpow radix2 53) with (IZR (2 ^ 53)). apply IZR_le. lia. }
  rewrite Vb, Vm, <- Hk in Vk.
  rewrite rounded_id in Vk by (apply representable_integer; lia).
  assert (Hf : Rabs (value t - IZR k) <= / 2) by (rewrite Hk; apply Rabs_le; lra).
  destruct (subtract_value t (subtract b magic_float) Ft Fk) as (Ff & Vf).
  { apply in_range_small with 0%Z; [lia|]. rewrite Vk. apply Rle_trans with (1 := Hf). cbn. lra. }
  rewrite Vk in Vf.
  assert (Hexact : representable (value t - IZR k)).
  { destruct (Z.eq_dec k 0) as [Hk0|Hk0].
    - rewrite Hk0, Rminus_0_r. apply representable_value.
    - assert (Hk1 : 1 <= Rabs (IZR k)) by (rewrite <- abs_IZR; apply IZR_le; lia).
      assert (Ht1 : / 2 <= Rabs (value t)).
      { pose proof (Rabs_triang_inv (IZR k) (value t)) as Htri. rewrite Rabs_minus_sym in Hf. lra. }
      unfold Rminus. apply generic_format_plus; auto with typeclass_instances.
      + apply representable_value.
      + apply generic_format_opp, representable_integer. lia.
      + apply Rle_trans with (1 := Hf). apply Rle_trans with (bpow radix2 (-1)); [cbn; lra|]. apply bpow_le.
        apply Z.min_glb.
        * apply mag_ge_bpow. apply Rle_trans with (2 := Ht1). cbn. lra.
        * apply mag_ge_bpow. rewrite Rabs_Ropp. apply Rle_trans with (2 := Hk1). cbn. lra. }
  rewrite rounded_id in Vf by trivial.
  exists k. constructor.
  - lia.
  - exact Ff.
  - now rewrite Vf.
  - rewrite Vf. replace (IZR k + (value t - IZR k) - value c * value log2e_float) with (value t - x) by (unfold x; ring).
    exact Herr.
  - fold t b. destruct (integer_significand b n Fb Vb) as (m & Hb & E & Hm).
    { unfold k in Hkb. lia. }
    rewrite E. unfold power_of_two. rewrite Hm.
    assert (Hfield : (n mod 4096 = k + 1023)%Z).
    { replace n with (k + 1023 + 1649267441664 * 4096)%Z by (unfold k; lia).
      rewrite Z.mod_add by lia. apply Z.mod_small. lia. }
    rewrite Hfield. replace ((0 <? k + 1023) && (k + 1023 <? 2047))%Z with true
      by (symmetry; apply andb_true_iff; rewrite !Z.ltb_lt; lia).
    replace (k + 1023 - 1023)%Z with k by ring.
    assert (Hd : (-1074 <= k <= 900)%Z \/ (900 < k)%Z) by lia.
    pose proof (binary_normalize_correct 53 1024 _ _ mode_NE 1 k false) as C. cbv zeta in C.
    change (round_mode mode_NE) with ZnearestE in C. change (SpecFloat.fexp 53 1024) with format_exponent in C.
    assert (F : F2R (Float radix2 1 k) = bpow radix2 k) by (unfold F2R; cbn [Fnum Fexp]; ring). rewrite F in C.
    rewrite rounded_id in C by (apply representable_bpow; lia).
    rewrite Rlt_bool_true in C by (rewrite Rabs_pos_eq by apply bpow_ge_0; apply bpow_lt; lia).
    destruct C as (C1 & C2 & _). now split.
Qed.

(** ** The error of a weight, for any grade *)

(** The real exponent that the weight stands for: everything at or below the clamp counts as the clamp. *)
Definition clamped (d : binary64) : R := if finite d then Rmax (value d) (-700) else -700.

(** A score difference that the exponential accepts. *)
Definition accepted_difference (d : binary64) : Prop := (finite d = true /\ value d <= 700) \/ d = minus_infinity.

Lemma larger_clamp d : accepted_difference d ->
  finite (larger d clamp_float) = true /\ value (larger d clamp_float) = clamped d.
Proof.
  destruct clamp_value as (Fc & Vc). intros [(Hd & _)| ->].
  - destruct (larger_value d clamp_float Hd Fc) as (F & V). unfold clamped. now rewrite Hd, <- Vc.
  - change (larger minus_infinity clamp_float) with clamp_float. now split.
Qed.

Lemma clamped_range d : accepted_difference d -> Rabs (clamped d) <= 700.
Proof.
  unfold clamped. intros [(-> & Hd)| ->].
  - apply Rabs_le. split; [|apply Rmax_lub; lra]. pose proof (Rmax_r (value d) (-700)). lra.
  - apply Rabs_le. cbn. lra.
Qed.

(** The exponent (k + f)·ln 2 differs from x by the rounding of x·LOG2E and by LOG2E itself. *)
Lemma exponent_close x kf :
  Rabs x <= 700 -> Rabs (kf - x * (3248660424278399 / 2251799813685248)) <= bpow radix2 (-44) ->
  Rabs (kf * ln 2 - x) <= 445 * u.
Proof.
  intros Hx Hk. rewrite u_value.
  assert (L : Rabs (3248660424278399 / 2251799813685248 * ln 2 - 1) <= 1275 / 10000 * / 9007199254740992)
    by (interval with (i_prec 90)).
  assert (L2 : 0 < ln 2 <= 6932 / 10000) by (split; interval with (i_prec 60)).
  replace (kf * ln 2 - x) with ((kf - x * (3248660424278399 / 2251799813685248)) * ln 2
     + x * (3248660424278399 / 2251799813685248 * ln 2 - 1)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). rewrite !Rabs_mult.
  apply Rle_trans with (bpow radix2 (-44) * (6932 / 10000) + 700 * (1275 / 10000 * / 9007199254740992)).
  - apply Rplus_le_compat.
    + apply Rmult_le_compat; try apply Rabs_pos; trivial. rewrite Rabs_pos_eq; lra.
    + apply Rmult_le_compat; try apply Rabs_pos; trivial.
  - change (bpow radix2 (-44)) with (/ 17592186044416). lra.
Qed.

Section Grade.
Variables (coefficients : list constant) (polynomial_units horner_units units : Z) (m e : Z).
Hypothesis approximates : polynomial_within coefficients polynomial_units.
Hypothesis budgeted : budget coefficients = Some (m, e).
Hypothesis rounding_budget : (e * 10 <= 7 * horner_units * 2 ^ 67)%Z.
Hypothesis units_nonneg : (0 <= polynomial_units)%Z /\ (0 <= horner_units)%Z /\ (polynomial_units + horner_units <= 2 ^ 40)%Z.
Let p : R := IZR (polynomial_units + horner_units) * u.
Let eps : R := IZR units * u.
Hypothesis enough_above : (1 + p) <= (1 + eps) * (1 - 445 * u).
Hypothesis enough_below : 1 <= (1 + eps) * (1 - p) * (1 - 445 * u).

Lemma horner_close f :
  finite f = true -> Rabs (value f) <= / 2 ->
  finite (horner coefficients f) = true
  /\ Rabs (value (horner coefficients f) - exp (value f * ln 2)) <= p * exp (value f * ln 2).
Proof.
  intros Ff Hf. destruct (horner_correct coefficients m e f budgeted Ff Hf) as (He & Fq & _ & Herr).
  split; trivial. apply abs_le_both in Hf.
  set (E := exp (value f * ln 2)).
  assert (L2 : 0 < ln 2 <= 7 / 10) by (split; interval with (i_prec 60)).
  assert (HE : 7 / 10 <= E).
  { unfold E. apply Rle_trans with (exp (- (/ 2) * ln 2)).
    - interval with (i_prec 60).
    - apply exp_le. apply Rmult_le_compat_r; lra. }
  pose proof (approximates (value f) ltac:(lra)) as HP. fold E in HP.
  set (P := polynomial coefficients (value f)) in *.
  assert (HP' : Rabs (P - E) <= IZR polynomial_units * u * E).
  { replace (P - E) with ((P / E - 1) * E) by (field; lra). rewrite Rabs_mult, (Rabs_pos_eq E) by lra.
    rewrite u_value. apply Rmult_le_compat_r; [lra | exact HP]. }
  assert (Hround : IZR e * unit_size <= IZR horner_units * u * E).
  { apply Rle_trans with (IZR horner_units * u * (7 / 10)).
    - apply IZR_le in rounding_budget. rewrite !mult_IZR in rounding_budget.
      change (IZR (2 ^ 67)) with (bpow radix2 67) in rounding_budget.
      assert (Hu : u = bpow radix2 67 * unit_size) by (unfold u, unit_size, scale; now rewrite <- bpow_plus).
      rewrite Hu. pose proof unit_positive. nra.
    - apply Rmult_le_compat_l; trivial. apply Rmult_le_pos; [apply IZR_le; lia | apply Rlt_le, u_positive]. }
  replace (value (horner coefficients f) - E) with ((value (horner coefficients f) - P) + (P - E)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). unfold p. rewrite plus_IZR. lra.
Qed.

Theorem exponential_correct d : accepted_difference d ->
  let w := exponential coefficients d in
  finite w = true /\ exp (clamped d) <= value w * (1 + eps) /\ value w <= exp (clamped d) * (1 + eps).
Proof.
  intros Hd w. destruct (larger_clamp d Hd) as (Fc & Vc). pose proof (clamped_range d Hd) as Hx.
  set (c := larger d clamp_float) in *. rewrite <- Vc in Hx.
  destruct (reduction c Fc Hx) as (k & [Hk Ff Hf Hclose (Fw & Vw)]).
  unfold w, exponential. fold c.
  set (t := multiply c log2e_float) in *. set (b := add t magic_float) in *.
  set (f := subtract t (subtract b magic_float)) in *.
  destruct (horner_close f Ff Hf) as (Fq & Hq). set (q := horner coefficients f) in *.
  assert (L2 : 0 < ln 2 <= 7 / 10) by (split; interval with (i_prec 60)).
  pose proof u_positive as Hu. pose proof u_small as Hu'.
  assert (Hp : 0 <= p <= / 100).
  { unfold p. split.
    - apply Rmult_le_pos; [apply IZR_le; lia | lra].
    - rewrite u_value. apply Rle_trans with (IZR (2 ^ 40) * / 9007199254740992).
      + apply Rmult_le_compat_r; [lra|]. apply IZR_le. lia.
      + change (2 ^ 40)%Z with 1099511627776%Z. lra. }
  set (E := exp (value f * ln 2)) in *.
  apply abs_le_both in Hf as Hf'.
  assert (HE : 7 / 10 <= E <= 3 / 2).
  { unfold E. split.
    - apply Rle_trans with (exp (- (/ 2) * ln 2)); [interval with (i_prec 60)|]. apply exp_le. apply Rmult_le_compat_r; lra.
    - apply Rle_trans with (exp (/ 2 * ln 2)); [|interval with (i_prec 60)]. apply exp_le. apply Rmult_le_compat_r; lra. }
  apply abs_le_both in Hq.
  assert (Hqr : / 2 <= value q <= 2) by nra.
  assert (Hbig : bpow radix2 k <= bpow radix2 1020) by (apply bpow_le; lia).
  pose proof (bpow_gt_0 radix2 k) as Hbp.
  destruct (multiply_value q (power_of_two b) Fq Fw) as (F & V).
  { rewrite Vw. unfold in_range. rewrite Rabs_pos_eq by (apply Rmult_le_pos; lra).
    apply Rle_trans with (2 * bpow radix2 1020); [apply Rmult_le_compat; lra|].
    change 2 with (bpow radix2 1). rewrite <- bpow_plus. apply bpow_le. lia. }
  split; [exact F|]. rewrite V, Vw.
  rewrite rounded_id.
  2: { apply mult_bpow_exact_FLT; [apply representable_value|].
       assert (0 <= mag radix2 (value q))%Z.
       { apply mag_ge_bpow. rewrite Rabs_pos_eq by lra. apply Rle_trans with (2 := proj1 Hqr). cbn. lra. }
       lia. }
  (* 2^k·2^f = e^{x + δ} *)
  assert (Hpow : bpow radix2 k = exp (IZR k * ln 2)).
  { rewrite bpow_exp. now cbn [radix_val]. }
  destruct log2e_value as (_ & Vl). rewrite Vl in Hclose.
  pose proof (exponent_close (value c) (IZR k + value f) Hx Hclose) as Hdelta.
  rewrite <- Vc. set (x := value c) in *. set (y := (IZR k + value f) * ln 2) in *.
  assert (Hy : bpow radix2 k * E = exp y).
  { rewrite Hpow. unfold E, y. rewrite <- exp_plus. f_equal. ring. }
  apply abs_le_both in Hdelta. set (r := 445 * u) in *.
  assert (Hr : 0 < 1 - r) by (unfold r; lra).
  pose proof (exp_pos x) as Px. pose proof (exp_pos y) as Py.
  (* e^y within e^{±r} of e^x, and e^{-r} ≥ 1 − r *)
  assert (Hxy : exp x * (1 - r) <= exp y).
  { apply Rle_trans with (exp x * exp (y - x)).
    - apply Rmult_le_compat_l; [lra|]. pose proof (exp_ineq1_le (y - x)). lra.
    - rewrite <- exp_plus. right. f_equal. ring. }
  assert (Hyx : exp y * (1 - r) <= exp x).
  { apply Rle_trans with (exp y * exp (x - y)).
    - apply Rmult_le_compat_l; [lra|]. pose proof (exp_ineq1_le (x - y)). lra.
    - rewrite <- exp_plus. right. f_equal. ring. }
  replace (value q * bpow radix2 k) with (value q / E * exp y) by (rewrite <- Hy; field; lra).
  assert (HqE : 1 - p <= value q / E <= 1 + p).
  { split; apply Rmult_le_reg_r with E; try lra; replace (value q / E * E) with (value q) by (field; lra); lra. }
  assert (Heps : 0 < 1 + eps) by nra.
  split.
  - apply Rle_trans with ((1 + eps) * (1 - p) * (1 - r) * exp x); [nra|].
    replace ((1 + eps) * (1 - p) * (1 - r) * exp x) with ((1 - p) * (exp x * (1 - r)) * (1 + eps)) by ring.
    apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat; try lra. nra.
  - apply Rmult_le_reg_r with (1 - r); trivial.
    apply Rle_trans with ((1 + p) * exp x).
    + rewrite Rmult_assoc. apply Rmult_le_compat; try lra. nra.
    + replace (exp x * (1 + eps) * (1 - r)) with ((1 + eps) * (1 - r) * exp x) by ring.
      apply Rmult_le_compat_r; lra.
Qed.
End Grade.
