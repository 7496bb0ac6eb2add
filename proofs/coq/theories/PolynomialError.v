(** How far each grade's polynomial is from 2^f on [-1/2, 1/2], by CoqInterval.

    The tactic is instantiated on integers of the standard library: its default uses primitive machine integers and floats,
    which are axioms. *)
From Coq Require Import Reals ZArith List Lra.
From Flocq Require Import Core.
From Interval Require Import Tactic Specific_ops Specific_stdz.
From TopK Require Import Binary64 Horner Constants.
Import ListNotations.
Open Scope R_scope.

Module IntegerFloats := SpecificFloat StdZRadix2.
Module IntegerInterval := IntervalTactic IntegerFloats.
Import IntegerInterval.

(** Spell a polynomial out with plain powers of two, so that the tactic sees numbers only. *)
Ltac spell_out :=
  cbv [polynomial constant_real fst snd];
  repeat match goal with |- context [bpow radix2 ?e] => let v := eval cbv in (2 ^ (Z.abs e))%Z in
    match e with
    | Z0 => change (bpow radix2 e) with 1
    | Zpos _ => change (bpow radix2 e) with (IZR v)
    | Zneg _ => change (bpow radix2 e) with (/ IZR v)
    end
  end.

Theorem polynomial_fast_within : polynomial_within coefficients_fast 17825792.
Proof.
  unfold polynomial_within, coefficients_fast. intros f Hf. spell_out.
  interval with (i_bisect f, i_taylor f, i_degree 8, i_prec 60).
Qed.

Theorem polynomial_exact_within : polynomial_within coefficients_exact 3.
Proof.
  unfold polynomial_within, coefficients_exact. intros f Hf. spell_out.
  interval with (i_bisect f, i_taylor f, i_degree 12, i_prec 75).
Qed.
