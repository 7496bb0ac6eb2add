(** CoqInterval's tactic, computing with the integers of the standard library. Its default instance computes with
    primitive machine integers and floats, which are axioms; this one adds none. *)
From Interval Require Export Tactic.
From Interval Require Import Specific_ops Specific_stdz.

Module IntegerFloats := SpecificFloat StdZRadix2.
Module IntegerInterval := IntervalTactic IntegerFloats.
Export IntegerInterval.
