(** The budget is not decoration: with the fast grade's units lowered to 2^-29, or with no inflation at all, the kernel's
    bounds are false, and here is the input on which they fail. *)
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
