(** Horner's rule in binary64 on |f| ≤ 1/2: the result, its exact counterpart, and a bound on their difference that is
    computed, coefficient by coefficient, in integers. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import Binary64.
Import ListNotations.
Open Scope R_scope.

(** A constant of the kernel: m·2^e, exactly. *)
Definition constant : Type := (Z * Z)%type.
Definition constant_float (c : constant) : binary64 := dyadic (fst c) (snd c).
Definition constant_real (c : constant) : R := IZR (fst c) * bpow radix2 (snd c).
Definition constant_ok (c : constant) : bool :=
  ((Z.abs (fst c) <? 2 ^ 53) && (-1074 <=? snd c) && (snd c <=? 900))%Z.

Lemma constant_value c : constant_ok c = true ->
  finite (constant_float c) = true /\ value (constant_float c) = constant_real c.
Proof.
  unfold constant_ok. rewrite !andb_true_iff, Z.ltb_lt, !Z.leb_le. intros ((H1 & H2) & H3).
  apply dyadic_value; lia.
Qed.

(** c₀ + f(c₁ + f(c₂ + …)), on bits and on reals; the first step has no addition. *)
Fixpoint horner (coefficients : list constant) (f : binary64) : binary64 :=
  match coefficients with
  | [] => zero
  | [c] => constant_float c
  | c :: higher => add (multiply (horner higher f) f) (constant_float c)
  end.

Fixpoint polynomial (coefficients : list constant) (f : R) : R :=
  match coefficients with
  | [] => 0
  | [c] => constant_real c
  | c :: higher => polynomial higher f * f + constant_real c
  end.

(** |p(f)/2^f − 1| ≤ units·2^-53 for |f| ≤ 1/2. *)
Definition polynomial_within (coefficients : list constant) (units : Z) : Prop :=
  forall f, -1 / 2 <= f <= 1 / 2 ->
    Rabs (polynomial coefficients f / exp (f * ln 2) - 1) <= IZR units * / 9007199254740992.

(** The budget, in units of 2^-120: (bound on the exact value, bound on the error), or None if a bound grows absurd. *)
Definition scale : Z := 120.
Definition unit_size : R := bpow radix2 (- scale).
Definition magnitude (c : constant) : Z := Z.abs (fst c) * 2 ^ (snd c + scale).

Definition budget_step (c : constant) (m e : Z) : Z * Z :=
  let product_error := (e / 2 + 1 + ((m + e) / 2 ^ 54 + 1) + 1)%Z in
  let m' := (m / 2 + 1 + magnitude c)%Z in
  (m', (product_error + ((m' + product_error) / 2 ^ 53 + 1) + 1)%Z).

Fixpoint budget (coefficients : list constant) : option (Z * Z) :=
  match coefficients with
  | [] => None
  | [c] => if (constant_ok c && (0 <=? snd c + scale) && (magnitude c <=? 2 ^ 200))%Z then Some (magnitude c, 0%Z) else None
  | c :: higher =>
    match budget higher with
    | None => None
    | Some (m, e) =>
      let (m', e') := budget_step c m e in
      if (constant_ok c && (0 <=? snd c + scale) && (m' <=? 2 ^ 200) && (e' <=? 2 ^ 200))%Z then Some (m', e') else None
    end
  end.

Lemma unit_positive : 0 < unit_size. Proof. apply bpow_gt_0. Qed.

Lemma divide_up a k : (0 < k)%Z -> IZR a / IZR k <= IZR (a / k + 1).
Proof.
  intros Hk. apply IZR_lt in Hk as Hk'. apply Rmult_le_reg_r with (IZR k); trivial.
  replace (IZR a / IZR k * IZR k) with (IZR a) by (field; lra).
  rewrite <- mult_IZR. apply IZR_le. pose proof (Z.div_mod a k). pose proof (Z.mod_pos_bound a k). nia.
Qed.

Lemma magnitude_value c : (0 <= snd c + scale)%Z -> IZR (magnitude c) * unit_size = Rabs (constant_real c).
Proof.
  intros H. unfold magnitude, unit_size, constant_real. rewrite mult_IZR, abs_IZR, Rabs_mult.
  rewrite (Rabs_pos_eq (bpow radix2 (snd c))) by apply bpow_ge_0.
  change 2%Z with (radix_val radix2). rewrite IZR_Zpower, Rmult_assoc, <- bpow_plus by trivial. do 2 f_equal. lia.
Qed.

Lemma tiny_below_unit : bpow radix2 (-1075) <= unit_size.
Proof. apply bpow_le. unfold scale. lia. Qed.

Theorem horner_correct coefficients : forall m e f,
  budget coefficients = Some (m, e) -> finite f = true -> Rabs (value f) <= / 2 ->
  (0 <= e)%Z /\ finite (horner coefficients f) = true
  /\ Rabs (polynomial coefficients (value f)) <= IZR m * unit_size
  /\ Rabs (value (horner coefficients f) - polynomial coefficients (value f)) <= IZR e * unit_size.
Proof.
  pose proof unit_positive as Hunit. pose proof u_positive as Hu. pose proof tiny_below_unit as Htiny.
  induction coefficients as [|c higher IH]; [discriminate|]. intros m' e' f Hb Hf Hf2.
  destruct higher as [|c2 rest].
  - cbn [budget] in Hb. destruct (constant_ok c && _ && _)%bool eqn:E; [|discriminate].
    injection Hb as <- <-. rewrite !andb_true_iff in E. destruct E as ((Hok & Hs) & _). apply Z.leb_le in Hs.
    destruct (constant_value c Hok) as (Fc & Vc). cbn [horner polynomial].
    split; [lia|]. split; [exact Fc|]. rewrite Vc, magnitude_value by exact Hs.
    unfold Rminus. rewrite Rplus_opp_r, Rabs_R0. lra.
  - change (budget (c :: c2 :: rest)) with
      (match budget (c2 :: rest) with
       | None => None
       | Some (m, e) => let (m', e') := budget_step c m e in
          if (constant_ok c && (0 <=? snd c + scale) && (m' <=? 2 ^ 200) && (e' <=? 2 ^ 200))%Z then Some (m', e') else None
       end) in Hb.
    destruct (budget (c2 :: rest)) as [(m, e)|]; [|discriminate].
    specialize (IH m e f eq_refl Hf Hf2). destruct IH as (He & Fh & Hm & Herr).
    change (horner (c :: c2 :: rest) f) with (add (multiply (horner (c2 :: rest) f) f) (constant_float c)).
    change (polynomial (c :: c2 :: rest) (value f)) with (polynomial (c2 :: rest) (value f) * value f + constant_real c).
    set (h := horner (c2 :: rest) f) in *. set (y := polynomial (c2 :: rest) (value f)) in *.
    unfold budget_step in Hb.
    set (pe := (e / 2 + 1 + ((m + e) / 2 ^ 54 + 1) + 1)%Z) in *.
    set (mm := (m / 2 + 1 + magnitude c)%Z) in *.
    set (ee := (pe + ((mm + pe) / 2 ^ 53 + 1) + 1)%Z) in *.
    destruct (constant_ok c && _ && _ && _)%bool eqn:E; [|discriminate].
    injection Hb as <- <-. rewrite !andb_true_iff, !Z.leb_le in E. destruct E as (((Hok & Hs) & Hmm) & Hee).
    destruct (constant_value c Hok) as (Fc & Vc).
    assert (Hu54 : u / 2 = / IZR (2 ^ 54)) by (rewrite u_value; cbn; lra).
    assert (Hu53 : u = / IZR (2 ^ 53)) by (rewrite u_value; cbn; lra).
    pose proof (magnitude_value c Hs) as Hmagnitude.
    set (U := unit_size) in *.
    (* the exact product and sum *)
    assert (Hyf : Rabs (y * value f) <= IZR (m / 2 + 1) * U).
    { rewrite Rabs_mult. apply Rle_trans with (IZR m * U * / 2).
      - apply Rmult_le_compat; trivial; apply Rabs_pos.
      - pose proof (divide_up m 2 ltac:(lia)) as D. unfold Rdiv in D. nra. }
    assert (Hexact : Rabs (y * value f + constant_real c) <= IZR mm * U).
    { unfold mm. rewrite plus_IZR, Rmult_plus_distr_r, Hmagnitude.
      apply Rle_trans with (1 := Rabs_triang _ _). lra. }
    (* the computed product *)
    assert (Hhf : Rabs (value h * value f - y * value f) <= IZR e * U * / 2).
    { replace (value h * value f - y * value f) with ((value h - y) * value f) by ring.
      rewrite Rabs_mult. apply Rmult_le_compat; trivial; apply Rabs_pos. }
    assert (Hh : Rabs (value h * value f) <= IZR (m + e) * U * / 2).
    { replace (value h * value f) with (y * value f + (value h * value f - y * value f)) by ring.
      apply Rle_trans with (1 := Rabs_triang _ _). rewrite plus_IZR.
      assert (Rabs (y * value f) <= IZR m * U * / 2) by (rewrite Rabs_mult; apply Rmult_le_compat; trivial; apply Rabs_pos).
      lra. }
    assert (Hm0 : (0 <= m)%Z).
    { apply le_IZR. apply Rmult_le_reg_r with U; trivial. rewrite Rmult_0_l. apply Rle_trans with (2 := Hm), Rabs_pos. }
    assert (Hbig : forall z, (z <= 2 ^ 202)%Z -> IZR z * U <= bpow radix2 90).
    { intros z Hz. apply IZR_le in Hz. change (2 ^ 202)%Z with (radix2 ^ 202)%Z in Hz. rewrite IZR_Zpower in Hz by lia.
      apply Rle_trans with (bpow radix2 202 * U); [now apply Rmult_le_compat_r; [lra|]|].
      unfold U, unit_size. rewrite <- bpow_plus. apply bpow_le. unfold scale. lia. }
    assert (Hpe0 : (0 <= pe)%Z).
    { unfold pe. pose proof (Z.div_pos e 2 He ltac:(lia)). pose proof (Z.div_pos (m + e) (2 ^ 54) ltac:(lia) ltac:(lia)). lia. }
    assert (Hmm0 : (0 <= mm)%Z).
    { apply le_IZR. apply Rmult_le_reg_r with U; trivial. rewrite Rmult_0_l. apply Rle_trans with (2 := Hexact), Rabs_pos. }
    assert (Hee0 : (pe <= ee)%Z).
    { unfold ee. pose proof (Z.div_pos (mm + pe) (2 ^ 53) ltac:(lia) ltac:(lia)). lia. }
    assert (Hmag0 : (0 <= magnitude c)%Z) by (unfold magnitude; apply Z.mul_nonneg_nonneg; [lia | apply Z.pow_nonneg; lia]).
    assert (Hm2 : (m + e <= 2 ^ 203)%Z).
    { unfold mm in Hmm. unfold pe in Hee0. pose proof (Z.div_mod m 2 ltac:(lia)). pose proof (Z.mod_pos_bound m 2 ltac:(lia)).
      pose proof (Z.div_mod e 2 ltac:(lia)). pose proof (Z.mod_pos_bound e 2 ltac:(lia)).
      pose proof (Z.div_pos (m + e) (2 ^ 54) ltac:(lia) ltac:(lia)).
      change (2 ^ 203)%Z with (8 * 2 ^ 200)%Z. lia. }
    destruct (multiply_value h f Fh Hf) as (Fp & Vp).
    { unfold in_range. apply Rle_trans with (1 := Hh). apply Rle_trans with (bpow radix2 90); [|apply bpow_le; lia].
      assert (IZR (m + e) <= 2 * IZR (2 ^ 202)) by (rewrite <- mult_IZR; apply IZR_le; lia).
      pose proof (Hbig (2 ^ 202)%Z (Z.le_refl _)). nra. }
    set (p := multiply h f) in *.
    assert (Hp : Rabs (value p - y * value f) <= IZR pe * U).
    { replace (value p - y * value f) with ((value p - value h * value f) + (value h * value f - y * value f)) by ring.
      apply Rle_trans with (1 := Rabs_triang _ _).
      pose proof (mixed_error (value h * value f)) as M. rewrite <- Vp in M.
      assert (u * Rabs (value h * value f) <= IZR ((m + e) / 2 ^ 54 + 1) * U).
      { apply Rle_trans with (u * (IZR (m + e) * U * / 2)); [apply Rmult_le_compat_l; lra|].
        replace (u * (IZR (m + e) * U * / 2)) with (IZR (m + e) / IZR (2 ^ 54) * U) by (unfold Rdiv; rewrite <- Hu54; field).
        apply Rmult_le_compat_r; [lra|]. apply divide_up. lia. }
      assert (IZR e * U * / 2 <= IZR (e / 2 + 1) * U).
      { pose proof (divide_up e 2 ltac:(lia)) as D. unfold Rdiv in D. nra. }
      unfold pe. rewrite 2!plus_IZR. fold U in Htiny. lra. }
    assert (Hpc : Rabs (value p + constant_real c) <= IZR (mm + pe) * U).
    { replace (value p + constant_real c) with ((y * value f + constant_real c) + (value p - y * value f)) by ring.
      apply Rle_trans with (1 := Rabs_triang _ _). rewrite plus_IZR. lra. }
    destruct (add_value p (constant_float c) Fp Fc) as (Fs & Vs).
    { rewrite Vc. unfold in_range. apply Rle_trans with (1 := Hpc).
      apply Rle_trans with (bpow radix2 90); [|apply bpow_le; lia]. apply Hbig.
      change (2 ^ 202)%Z with (4 * 2 ^ 200)%Z. lia. }
    split; [lia|]. split; [exact Fs|]. split; [exact Hexact|].
    rewrite Vs, Vc.
    replace (rounded (value p + constant_real c) - (y * value f + constant_real c))
      with ((rounded (value p + constant_real c) - (value p + constant_real c)) + (value p - y * value f)) by ring.
    apply Rle_trans with (1 := Rabs_triang _ _).
    pose proof (mixed_error (value p + constant_real c)) as M.
    assert (u * Rabs (value p + constant_real c) <= IZR ((mm + pe) / 2 ^ 53 + 1) * U).
    { apply Rle_trans with (u * (IZR (mm + pe) * U)); [apply Rmult_le_compat_l; lra|].
      replace (u * (IZR (mm + pe) * U)) with (IZR (mm + pe) / IZR (2 ^ 53) * U) by (unfold Rdiv; rewrite <- Hu53; ring).
      apply Rmult_le_compat_r; [lra|]. apply divide_up. lia. }
    unfold ee. rewrite 2!plus_IZR. lra.
Qed.
