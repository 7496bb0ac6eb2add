(** The tail-mass kernel as a program on bits: float_kernels.tail_mass, operation for operation.

    A row is a list of keys, each with its place in the kept mask and its score. *)
From Coq Require Import ZArith List Bool.
From Flocq Require Import BinarySingleNaN.
From TopK Require Import Binary64 Horner Constants LaneSums Exponential Enclosure.
Import ListNotations.

Inductive grade : Type := Fast | Exact.

Definition coefficients (g : grade) : list constant :=
  match g with Fast => coefficients_fast | Exact => coefficients_exact end.
Definition exponential_units (g : grade) : Z :=
  match g with Fast => exponential_units_fast | Exact => exponential_units_exact end.

Definition key : Type := (bool * binary64)%type.
Definition is_kept (k : key) : bool := fst k.
Definition score (k : key) : binary64 := snd k.

(** lane_sums.row_maximum and row_shift. *)
Definition row_maximum (row : list key) : binary64 :=
  fold_left (fun best k => larger best (score k)) row minus_infinity.
Definition row_shift (maximum : binary64) : binary64 :=
  if at_most (constant_float unshifted_min) maximum && at_most maximum (constant_float unshifted_max)
  then zero else maximum.

(** lane_sums.lane_sums: a row padded to whole steps with masked tail keys, its weights, and the two sums. *)
Definition row_lanes : nat := lanes lane_levels.
Definition padded (n : nat) : nat := ((n + (row_lanes - 1)) / row_lanes) * row_lanes.
Definition pad (row : list key) : list key :=
  row ++ repeat (false, minus_infinity) (padded (length row) - length row).
Definition weight (g : grade) (shift : binary64) (k : key) : binary64 :=
  exponential (coefficients g) (subtract (score k) shift).
Definition weights_where (wanted : key -> bool) (g : grade) (shift : binary64) (row : list key) : list binary64 :=
  map (fun k => if wanted k then weight g shift k else zero) row.
Definition row_sum (wanted : key -> bool) (g : grade) (shift : binary64) (row : list key) : binary64 :=
  lane_sum add zero lane_levels steps_per_block (weights_where wanted g shift (pad row)).

(** rounding.inflation: the units of the budget, and g = ⌈(units + 1)/2⌉·2^-52. *)
Definition sum_depth (n : nat) : Z :=
  let steps := (Z.of_nat (padded n) / Z.of_nat row_lanes)%Z in
  let blocks := ((steps + (Z.of_nat steps_per_block - 1)) / Z.of_nat steps_per_block)%Z in
  (Z.min steps (Z.of_nat steps_per_block) + blocks + Z.of_nat lane_levels)%Z.
Definition budget_units (g : grade) (n : nat) (shifted : bool) : Z :=
  (exponential_units g + sum_depth n + outward_units + (if shifted then shift_units else 0))%Z.
Definition inflation (g : grade) (n : nat) (shifted : bool) : binary64 :=
  dyadic ((budget_units g n shifted + 2) / 2) (-52).

(** float_kernels.tail_mass: the interval of one row. *)
Definition is_nonzero (x : binary64) : bool := less x zero || less zero x.
Definition attended (k : key) : bool := less minus_infinity (score k).

Definition tail_mass_interval (g : grade) (row : list key) : binary64 * binary64 :=
  let shift := row_shift (row_maximum row) in
  let tail := row_sum (fun k => negb (is_kept k)) g shift row in
  let kept := row_sum is_kept g shift row in
  let inflate := inflation g (length row) (is_nonzero shift) in
  let share := multiply (dyadic (Z.of_nat (padded (length row))) 0) (constant_float clamp_share) in
  let lower := quotient_lower (sum_lower inflate share tail) (sum_upper inflate kept) in
  let upper := quotient_upper (sum_upper inflate tail) (sum_lower inflate share kept) in
  let empty_tail := at_most tail share && negb (existsb (fun k => negb (is_kept k) && attended k) row) in
  (lower, if empty_tail then zero else upper).
