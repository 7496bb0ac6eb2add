(** T23: for every row of binary64 scores, in either grade, the interval of the kernel contains the true tail mass. *)
From Coq Require Import Reals ZArith List Lia Lra Bool.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Import FiniteSums Softmax ScoreBounds Binary64 Horner Constants SummationTree LaneSums
  IntegerInterval Exponential Enclosure TailMass WeightError RowSums.
Import ListNotations.
Open Scope R_scope.

(** What the kernel accepts; everything else it refuses by an error. *)
Record admissible (row : list key) : Prop := {
  scores_finite_or_masked : forall k, In k row -> finite (score k) = true \/ score k = minus_infinity;
  some_kept_attended : exists k, In k row /\ is_kept k = true /\ finite (score k) = true;
  row_length : (Z.of_nat (length row) <= max_keys)%Z
}.

(** ** The largest score of a row *)

Lemma larger_than_masked x : finite x = true -> larger minus_infinity x = x.
Proof. destruct x; intros F; try discriminate F; reflexivity. Qed.

Lemma masked_is_smaller x : finite x = true \/ x = minus_infinity -> larger x minus_infinity = x.
Proof.
  intros [F| ->]; [|reflexivity]. destruct x as [s|s| |s m e H]; try discriminate F.
  - reflexivity.
  - unfold larger, less, Bltb, SpecFloat.SFltb. cbn. now destruct s.
Qed.

Lemma maximum_correct row : forall best,
  (finite best = true \/ best = minus_infinity) ->
  (forall k, In k row -> finite (score k) = true \/ score k = minus_infinity) ->
  let m := fold_left (fun best k => larger best (score k)) row best in
  (m = best \/ exists k, In k row /\ score k = m)
  /\ (finite best = true -> finite m = true /\ value best <= value m)
  /\ (forall k, In k row -> finite (score k) = true -> finite m = true /\ value (score k) <= value m).
Proof.
  induction row as [|k row IH]; intros best Hb Hrow; cbn [fold_left]; cbv zeta.
  - split; [now left|]. split; [intros F; split; [exact F | lra] | easy].
  - assert (Hk : finite (score k) = true \/ score k = minus_infinity) by (apply Hrow; now left).
    set (next := larger best (score k)).
    assert (Hnext : (finite next = true \/ next = minus_infinity) /\ (next = best \/ next = score k)
      /\ (finite best = true -> finite next = true /\ value best <= value next)
      /\ (finite (score k) = true -> finite next = true /\ value (score k) <= value next)).
    { destruct Hk as [Fk|Ek].
      - destruct Hb as [Fb| ->].
        + destruct (larger_value best (score k) Fb Fk) as (F & V). fold next in F, V.
          split; [now left|]. split; [unfold next, larger; destruct (less best (score k)); tauto|].
          rewrite V. split; intros _; (split; [exact F|]); [apply Rmax_l | apply Rmax_r].
        + unfold next. rewrite larger_than_masked by exact Fk.
          split; [now left|]. split; [now right|]. split; [discriminate|]. intros _. split; [exact Fk | lra].
      - unfold next. rewrite Ek, masked_is_smaller by exact Hb.
        split; [exact Hb|]. split; [now left|]. split; [intros F; split; [exact F | lra] | discriminate]. }
    destruct Hnext as (H1 & H2 & H3 & H4).
    destruct (IH next H1 (fun j Hj => Hrow j (or_intror Hj))) as (I1 & I2 & I3). cbv zeta in I1, I2, I3.
    split; [|split].
    + destruct I1 as [I1|(j & Hj & Ej)].
      * rewrite I1. destruct H2 as [->|E]; [now left|]. right. exists k. split; [now left | now symmetry].
      * right. exists j. split; [now right | exact Ej].
    + intros F. destruct (H3 F) as (F' & V'). destruct (I2 F') as (F'' & V''). split; [exact F'' | lra].
    + intros j [<-|Hj] Fj.
      * destruct (H4 Fj) as (F' & V'). destruct (I2 F') as (F'' & V''). split; [exact F'' | lra].
      * now apply I3.
Qed.

Section Row.
Variables (g : grade) (row : list key).
Hypothesis ok : admissible row.

Let m := row_maximum row.
Let shift := row_shift m.

Lemma maximum_facts :
  finite m = true
  /\ (exists k, In k row /\ score k = m)
  /\ forall k, In k row -> finite (score k) = true -> value (score k) <= value m.
Proof.
  destruct ok as [Hs (k & Hk & _ & Fk) _].
  destruct (maximum_correct row minus_infinity (or_intror eq_refl) Hs) as (H1 & _ & H3).
  fold (row_maximum row) in H1, H3. fold m in H1, H3.
  destruct (H3 k Hk Fk) as (Fm & _). split; [exact Fm|]. split.
  - destruct H1 as [H1|H1]; [rewrite H1 in Fm; discriminate Fm | exact H1].
  - intros j Hj Fj. now apply H3.
Qed.

(** Either the row is summed as it is, its maximum in [-32, 512], or its maximum, not 0, is subtracted. *)
Lemma shift_facts :
  finite shift = true
  /\ ((is_nonzero shift = false /\ value shift = 0 /\ -32 <= value m <= 512)
      \/ (is_nonzero shift = true /\ shift = m)).
Proof.
  destruct maximum_facts as (Fm & _). unfold shift, row_shift.
  assert (Vmin : finite (constant_float unshifted_min) = true /\ value (constant_float unshifted_min) = -32).
  { destruct (constant_value unshifted_min eq_refl) as (F & V). split; [exact F|]. rewrite V. unfold constant_real, unshifted_min. cbn. lra. }
  assert (Vmax : finite (constant_float unshifted_max) = true /\ value (constant_float unshifted_max) = 512).
  { destruct (constant_value unshifted_max eq_refl) as (F & V). split; [exact F|]. rewrite V. unfold constant_real, unshifted_max. cbn. lra. }
  destruct Vmin as (F1 & V1), Vmax as (F2 & V2). rewrite !at_most_value by trivial. rewrite V1, V2.
  destruct (Rle_bool_spec (-32) (value m)) as [H1|H1], (Rle_bool_spec (value m) 512) as [H2|H2]; cbn [andb].
  1: { split; [reflexivity|]. left. split; [reflexivity|]. split; [reflexivity | lra]. }
  all: split; [exact Fm|]; right; split; trivial; unfold is_nonzero; rewrite !less_value by trivial;
    change (value zero) with 0; apply orb_true_iff.
  - right. apply Rlt_bool_true. lra.
  - left. apply Rlt_bool_true. lra.
  - left. apply Rlt_bool_true. lra.
Qed.

Lemma scores_fit k : In k row -> fits shift (score k).
Proof.
  intros Hk. destruct ok as [Hs _ _]. destruct maximum_facts as (_ & _ & Hmax). destruct shift_facts as (_ & Hshift).
  destruct (Hs k Hk) as [F|E]; [left | now right]. split; [exact F|].
  specialize (Hmax k Hk F). destruct Hshift as [(-> & _ & H)|(-> & ->)]; lra.
Qed.

(** The key with the largest score weighs at least e^-32 in units of e^shift. *)
Lemma largest_weight : exists k, In k row /\ bpow radix2 (-100) <= relative_weight shift (score k).
Proof.
  destruct maximum_facts as (Fm & (k & Hk & E) & _). destruct shift_facts as (_ & Hshift).
  exists k. split; [exact Hk|]. unfold relative_weight, extended. rewrite E, Fm. cbn [Softmax.weight].
  rewrite <- exp_plus. rewrite bpow_exp. change (IZR (radix_val radix2)) with 2. apply exp_le.
  assert (L2 : 1 / 2 <= ln 2) by (interval with (i_prec 60)).
  destruct Hshift as [(_ & -> & H)|(_ & ->)]; lra.
Qed.

Lemma relative_weight_nonneg k : 0 <= relative_weight shift (score k).
Proof. apply Rmult_le_pos; [apply weight_nonneg | apply Rlt_le, exp_pos]. Qed.

(** The budget of the row pays for everything between the true and the computed sum. *)
Lemma inflation_correct (h : nat) :
  INR h <= IZR (sum_depth (length row)) -> (0 <= sum_depth (length row) <= 33600000)%Z ->
  let inflate := inflation g (length row) (is_nonzero shift) in
  exists G, finite inflate = true /\ value inflate = IZR G * bpow radix2 (-52) /\ (0 <= G <= 2 ^ 50)%Z
    /\ absorbs (value inflate) (row_factor g shift h).
Proof.
  intros Hh Hd inflate. set (N := budget_units g (length row) (is_nonzero shift)).
  assert (HN : (0 <= N <= 52000000)%Z).
  { unfold N, budget_units, outward_units, shift_units, exponential_units, exponential_units_fast, exponential_units_exact.
    destruct g, (is_nonzero shift); lia. }
  set (G := ((N + 2) / 2)%Z).
  assert (HG : (N + 1 <= 2 * G <= N + 2)%Z).
  { unfold G. pose proof (Z.div_mod (N + 2) 2 ltac:(lia)). pose proof (Z.mod_pos_bound (N + 2) 2 ltac:(lia)). lia. }
  destruct (dyadic_value G (-52)) as (F & V); [lia | lia |].
  exists G. split; [exact F|]. split; [exact V|]. split; [lia|].
  change (value inflate) with (value (dyadic G (-52))). rewrite V. unfold row_factor, key_factor, epsilon.
  assert (HNr : 0 <= IZR N <= 52000000) by (split; apply IZR_le; lia).
  assert (HGr : IZR N + 1 <= 2 * IZR G <= IZR N + 2).
  { rewrite <- mult_IZR, <- !plus_IZR. split; apply IZR_le; lia. }
  assert (H52 : bpow radix2 (-52) = 2 * u).
  { change 2 with (bpow radix2 1). unfold u. now rewrite <- bpow_plus. }
  rewrite H52. pose proof u_positive as Hu.
  apply (absorbs_from_budget _ _ (IZR N)).
  - destruct g; cbn [exponential_units]; unfold exponential_units_fast, exponential_units_exact; lra.
  - destruct (is_nonzero shift); unfold shift_units; lra.
  - unfold N, budget_units. rewrite !plus_IZR. unfold outward_units.
    destruct (is_nonzero shift); unfold shift_units; lra.
  - apply Rle_trans with (52000000 * 52000001 * u); [|rewrite u_value; lra].
    apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat; lra.
  - split.
    + replace (IZR G * (2 * u)) with (2 * IZR G * u) by ring. apply Rmult_le_compat_r; lra.
    + rewrite u_value. lra.
Qed.

Theorem tail_mass_sound :
  let tau := tail_mass row key_weight is_kept in
  let (lower, upper) := tail_mass_interval g row in
  finite lower = true /\ finite upper = true /\ 0 <= value lower <= tau /\ tau <= value upper <= 1.
Proof.
  intros tau. unfold tail_mass_interval. fold m. fold shift.
  destruct shift_facts as (Fshift & _).
  assert (Hlen : (0 < length row)%nat).
  { destruct ok as [_ (k & Hk & _) _]. destruct row; [destruct Hk | cbn; lia]. }
  pose proof (row_length row ok) as Hmax.
  set (in_tail := fun k => negb (is_kept k)).
  set (T := row_sum in_tail g shift row). set (H := row_sum is_kept g shift row).
  set (inflate := inflation g (length row) (is_nonzero shift)).
  set (share := multiply (dyadic (Z.of_nat (padded (length row))) 0) (constant_float clamp_share)).
  (* the share of the clamp *)
  assert (Hshare : finite share = true /\ value share = clamp_shares row /\ 0 <= clamp_shares row <= bpow radix2 (-900)).
  { destruct (padded_bounds row Hmax) as (_ & Hp & _).
    destruct (dyadic_value (Z.of_nat (padded (length row))) 0) as (F1 & V1); [lia | lia |].
    destruct (constant_value clamp_share eq_refl) as (F2 & V2).
    assert (V2' : value (constant_float clamp_share) = bpow radix2 (-1009)).
    { rewrite V2. unfold constant_real, clamp_share. cbn [fst snd]. ring. }
    assert (Hr : 0 <= clamp_shares row <= bpow radix2 (-900)).
    { unfold clamp_shares, share_of_clamp. pose proof (bpow_gt_0 radix2 (-1009)). split.
      - apply Rmult_le_pos; [apply IZR_le; lia | lra].
      - apply Rle_trans with (bpow radix2 37 * bpow radix2 (-1009)); [|rewrite <- bpow_plus; apply bpow_le; lia].
        apply Rmult_le_compat_r; [lra|]. rewrite bpow_power_two by lia. now apply IZR_le. }
    assert (Hv : value (dyadic (Z.of_nat (padded (length row))) 0) * value (constant_float clamp_share) = clamp_shares row).
    { rewrite V1, V2'. unfold clamp_shares, share_of_clamp. change (bpow radix2 0) with 1. ring. }
    destruct (multiply_value _ _ F1 F2) as (F & V).
    { rewrite Hv. unfold in_range. rewrite Rabs_pos_eq by lra. apply Rle_trans with (1 := proj2 Hr), bpow_le. lia. }
    split; [exact F|]. split; [|exact Hr]. unfold share. rewrite V, Hv. apply rounded_id.
    unfold clamp_shares, share_of_clamp. apply representable_dyadic; lia. }
  destruct Hshare as (Fshare & Vshare & Rshare).
  (* the two computed sums *)
  pose proof (row_sum_correct g shift row Fshift scores_fit Hmax in_tail) as (FT & ZT & BT & (TT0 & TT1) & TT2).
  pose proof (row_sum_correct g shift row Fshift scores_fit Hmax is_kept) as (FH & ZH & BH & (TH0 & TH1) & TH2).
  fold T in FT, ZT, BT, TT1, TT2. fold H in FH, ZH, BH, TH1, TH2.
  set (true_tail := true_row_sum shift row in_tail) in *. set (true_kept := true_row_sum shift row is_kept) in *.
  destruct (depth_bounds g shift row Hmax in_tail) as (DT & Dn).
  destruct (depth_bounds g shift row Hmax is_kept) as (DH & _).
  pose proof (depth_power g shift row Hmax in_tail) as PT. pose proof (depth_power g shift row Hmax is_kept) as PH.
  set (hT := depth (lane_tree lane_levels steps_per_block (weights_where in_tail g shift (pad row)))) in *.
  set (hH := depth (lane_tree lane_levels steps_per_block (weights_where is_kept g shift (pad row)))) in *.
  destruct (inflation_correct hT DT Dn) as (G & Fg & Vg & RG & AT). destruct (inflation_correct hH DH Dn) as (_ & _ & _ & _ & AH).
  fold inflate in Fg, Vg, AT, AH.
  pose proof (key_factor_range g shift) as Hkf.
  assert (FT1 : 1 <= row_factor g shift hT <= 2) by (unfold row_factor; nra).
  assert (FH1 : 1 <= row_factor g shift hH <= 2) by (unfold row_factor; nra).
  (* the four bounds *)
  destruct (sum_upper_sound inflate T G (row_factor g shift hT) true_tail Fg Vg RG FT ZT BT (proj1 FT1) AT TT1) as (FTu & BTu).
  destruct (sum_upper_sound inflate H G (row_factor g shift hH) true_kept Fg Vg RG FH ZH BH (proj1 FH1) AH TH1) as (FHu & BHu).
  destruct (sum_lower_sound inflate share T G (row_factor g shift hT) true_tail (clamp_shares row) Fg Vg RG Fshare Vshare Rshare
    FT ZT BT AT TT0 TT2) as (FTl & BTl & STl).
  destruct (sum_lower_sound inflate share H G (row_factor g shift hH) true_kept (clamp_shares row) Fg Vg RG Fshare Vshare Rshare
    FH ZH BH AH TH0 TH2) as (FHl & BHl & SHl).
  set (Tu := sum_upper inflate T) in *. set (Hu := sum_upper inflate H) in *.
  set (Tl := sum_lower inflate share T) in *. set (Hl := sum_lower inflate share H) in *.
  (* the true sums are those of τ, up to the common factor e^-shift *)
  set (omega := fun k => relative_weight shift (score k)).
  assert (Homega : forall k, In k row -> 0 <= omega k) by (intros k _; apply relative_weight_nonneg).
  assert (Ekept : kept_sum row omega is_kept = true_kept) by reflexivity.
  assert (Etail : tail_sum row omega is_kept = true_tail) by reflexivity.
  assert (Pkept : 0 < true_kept).
  { destruct ok as [_ (k & Hk & Kk & Fk) _]. apply (sum_positive _ row k); trivial.
    - intros j Hj. apply restrict_nonneg. now apply Homega.
    - unfold restrict. rewrite Kk. unfold relative_weight, extended. rewrite Fk. cbn [Softmax.weight].
      apply Rmult_lt_0_compat; apply exp_pos. }
  assert (Etau : tail_mass row omega is_kept = tau).
  { unfold tau, omega. apply (tail_mass_scaled row key_weight is_kept); [apply exp_pos|].
    destruct ok as [_ (k & Hk & Kk & Fk) _]. apply (sum_positive _ row k); trivial.
    - intros j _. apply weight_nonneg.
    - unfold key_weight, extended. rewrite Fk. apply exp_pos. }
  rewrite <- Ekept in Pkept.
  pose proof (tail_mass_bounds row omega is_kept Homega Pkept) as Htau. rewrite Etau in Htau.
  (* a positive denominator: the largest key weighs in *)
  assert (Pden : 0 < value Tu + value Hl).
  { destruct largest_weight as (k & Hk & Wk). destruct (is_kept k) eqn:Kk.
    - assert (Hbig : bpow radix2 (-100) <= true_kept).
      { apply Rle_trans with (1 := Wk). unfold true_kept, true_row_sum.
        apply in_split in Hk as (l1 & l2 & El). rewrite El, sum_append. cbn [sum].
        unfold restrict at 2. rewrite Kk.
        assert (forall l, 0 <= sum (restrict is_kept (fun j => relative_weight shift (score j))) l).
        { intros l. apply sum_nonneg. intros j _. apply restrict_nonneg, relative_weight_nonneg. }
        pose proof (H0 l1). pose proof (H0 l2). lra. }
      pose proof (sum_lower_positive inflate share H G (row_factor g shift hH) true_kept (clamp_shares row) Fg Vg RG Fshare Vshare Rshare
        FH ZH BH TH1 Hbig (proj2 FH1)) as P. fold Hl in P. lra.
    - assert (Hbig : bpow radix2 (-100) <= true_tail).
      { apply Rle_trans with (1 := Wk). unfold true_tail, true_row_sum.
        apply in_split in Hk as (l1 & l2 & El). rewrite El, sum_append. cbn [sum].
        unfold restrict at 2, in_tail at 2. rewrite Kk. cbn [negb].
        assert (forall l, 0 <= sum (restrict in_tail (fun j => relative_weight shift (score j))) l).
        { intros l. apply sum_nonneg. intros j _. apply restrict_nonneg, relative_weight_nonneg. }
        pose proof (H0 l1). pose proof (H0 l2). lra. }
      pose proof (bpow_gt_0 radix2 (-100)). lra. }
  destruct (quotient_upper_sound Tu Hl FTu FHl) as (FU & BU); [lra | lra | exact Pden |].
  destruct (quotient_lower_sound Tl Hu FTl FHu) as (FL & BL); [lra | lra | lra |].
  assert (Hupper : tau <= value (quotient_upper Tu Hl)).
  { apply Rle_trans with (2 := proj1 BU). rewrite <- Etau, (Rplus_comm (value Tu)).
    apply (tail_mass_upper_weak row omega is_kept Homega Pkept); rewrite ?Ekept, ?Etail; lra. }
  assert (Hlower : value (quotient_lower Tl Hu) <= tau).
  { apply Rle_trans with (1 := proj2 BL). rewrite <- Etau, (Rplus_comm (value Tl)).
    apply (tail_mass_lower row omega is_kept Pkept); rewrite ?Ekept, ?Etail; lra. }
  split; [exact FL|].
  destruct (at_most T share && negb (existsb (fun k => negb (is_kept k) && attended k) row)) eqn:Eempty.
  - (* no attended tail key: τ = 0 *)
    assert (Hzero : tau = 0).
    { apply andb_true_iff in Eempty as (_ & Hnone). apply negb_true_iff in Hnone.
      rewrite <- Etau. unfold tail_mass. rewrite Etail. unfold true_tail, true_row_sum.
      rewrite (sum_ext _ (fun _ => 0)); [rewrite sum_zero; unfold Rdiv; ring|].
      intros k Hk. unfold restrict, in_tail. destruct (is_kept k) eqn:Kk; cbn [negb]; trivial.
      assert (Hna : attended k = false).
      { destruct (attended k) eqn:Ea; trivial. exfalso.
        rewrite <- not_true_iff_false in Hnone. apply Hnone. apply existsb_exists. exists k. split; trivial.
        now rewrite Kk, Ea. }
      unfold relative_weight, extended. destruct (finite (score k)) eqn:F; [|cbn; ring].
      exfalso. unfold attended, less in Hna. destruct (score k); try discriminate F; discriminate Hna. }
    split; [reflexivity|]. change (value zero) with 0. lra.
  - split; [exact FU|]. lra.
Qed.
End Row.
