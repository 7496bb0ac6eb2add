(** The headline theorems, restated with every definition in sight: attention and its truncation, the search, and the
    whole kernel as a program on bits. Nothing here needs another file to be understood except Constants.v, which is
    copied from the kernel, and Flocq's IEEE 754; from the development only proofs are used.

    Throughout, a row is a list of keys, [score] gives each key an extended score ([None] is −∞, a masked key), and
    [kept] is the mask of the kept set, which holds at least one key that is not masked. *)
From Coq Require Import Reals List Bool ZArith Lra.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require Constants FiniteSums Softmax Divergences ScoreBounds OutputError Search
  Binary64 LaneSums Exponential Enclosure TailMass TailMassSound.
Import ListNotations.
Open Scope R_scope.

Section Sum.
Context {A : Type}.
Fixpoint sum (f : A -> R) (keys : list A) : R :=
  match keys with
  | [] => 0
  | a :: rest => f a + sum f rest
  end.
End Sum.

Definition weight (score : option R) : R := match score with Some s => exp s | None => 0 end.

(** f on the keys that the mask selects, 0 elsewhere. *)
Definition on {A} (mask : A -> bool) (f : A -> R) (a : A) : R := if mask a then f a else 0.
Definition not_kept {A} (kept : A -> bool) (a : A) : bool := negb (kept a).

Section Row.
Context {A : Type}.
Variables (keys : list A) (score : A -> option R) (kept : A -> bool).

Let w (a : A) : R := weight (score a).
Definition total : R := sum w keys.
Definition tau : R := sum (on (not_kept kept) w) keys / total.         (* tail mass *)
Definition P (a : A) : R := w a / total.                               (* attention *)
Definition P_hat (a : A) : R := on kept w a / sum (on kept w) keys.    (* its truncation *)

Definition total_variation (p q : A -> R) : R := / 2 * sum (fun a => Rabs (p a - q a)) keys.
Definition kl_divergence (q p : A -> R) : R := sum (fun a => q a * ln (q a / p a)) keys.

Hypothesis kept_attended : exists a s, In a keys /\ kept a = true /\ score a = Some s.

Let w_nonneg : forall a, In a keys -> 0 <= Softmax.weight (score a).
Proof. intros a _. apply Softmax.weight_nonneg. Qed.

Let kept_positive : 0 < Softmax.kept_sum keys (fun a => Softmax.weight (score a)) kept.
Proof.
  destruct kept_attended as (a & s & Ha & Ka & Sa). apply (FiniteSums.sum_positive _ keys a); trivial.
  - intros b Hb. now apply FiniteSums.restrict_nonneg, w_nonneg.
  - unfold FiniteSums.restrict. rewrite Ka, Sa. apply exp_pos.
Qed.

Theorem T1_tail_mass_identity : total_variation P P_hat = tau.
Proof. exact (Divergences.tail_mass_identity keys _ kept w_nonneg kept_positive). Qed.

Theorem T2_tv_kl_identity :
  kl_divergence P_hat P = - ln (1 - tau)
  /\ total_variation P P_hat = 1 - exp (- kl_divergence P_hat P).
Proof.
  split.
  - exact (Divergences.kl_identity keys _ kept w_nonneg kept_positive).
  - exact (Divergences.total_variation_from_kl keys _ kept w_nonneg kept_positive).
Qed.

(** n keys, k of them kept; every kept score is at least s and every tail score at most s − gap. *)
Theorem T6_single_gap (s gap : R) :
  (forall a, In a keys -> kept a = true -> exists x, score a = Some x /\ s <= x) ->
  (forall a x, In a keys -> kept a = false -> score a = Some x -> x <= s - gap) ->
  let n := INR (length keys) in
  let k := sum (on kept (fun _ => 1)) keys in
  tau <= (n - k) * exp (- gap) / (k + (n - k) * exp (- gap)).
Proof.
  intros Hkept Htail.
  apply (ScoreBounds.single_gap keys (fun a => Softmax.weight (score a)) kept w_nonneg kept_positive s gap).
  - intros a Ha Ka. destruct (Hkept a Ha Ka) as (x & -> & Hx). now apply Softmax.exp_le.
  - intros a Ha Ka. destruct (score a) as [x|] eqn:E; [apply Softmax.exp_le; now apply (Htail a) | apply Rlt_le, exp_pos].
Qed.
End Row.

(** Blocks: a list of keys with a range for all their scores; every key is counted. *)
Theorem T8_blockwise {A} (blocks : list (list A * (R * R))) (score : A -> R) (kept : A -> bool) :
  let keys := flat_map fst blocks in
  let low (b : list A * (R * R)) := fst (snd b) in
  let high (b : list A * (R * R)) := snd (snd b) in
  let h (b : list A * (R * R)) := sum (on kept (fun _ => 1)) (fst b) in
  let t (b : list A * (R * R)) := sum (on (not_kept kept) (fun _ => 1)) (fst b) in
  (exists a, In a keys /\ kept a = true) ->
  (forall b, In b blocks -> forall a, In a (fst b) -> low b <= score a <= high b) ->
  let T_low := sum (fun b => t b * exp (low b)) blocks in
  let T_high := sum (fun b => t b * exp (high b)) blocks in
  let H_low := sum (fun b => h b * exp (low b)) blocks in
  let H_high := sum (fun b => h b * exp (high b)) blocks in
  T_low / (H_high + T_low) <= tau keys (fun a => Some (score a)) kept <= T_high / (H_low + T_high).
Proof.
  intros keys low high h t (a & Ha & Ka) Hin.
  pose (as_block := fun b : list A * (R * R) => ScoreBounds.Block (fst b) (low b) (high b)).
  assert (Hkeys : flat_map ScoreBounds.members (map as_block blocks) = keys).
  { unfold keys. rewrite !flat_map_concat_map, map_map. reflexivity. }
  assert (Hsum : forall f : ScoreBounds.block A -> R, FiniteSums.sum f (map as_block blocks) = sum (fun b => f (as_block b)) blocks).
  { intros f. apply FiniteSums.sum_map. }
  set (w := fun a => exp (score a)).
  assert (Hw : forall a, In a (flat_map ScoreBounds.members (map as_block blocks)) -> 0 <= w a) by (intros; apply Rlt_le, exp_pos).
  assert (Hk : 0 < Softmax.kept_sum (flat_map ScoreBounds.members (map as_block blocks)) w kept).
  { rewrite Hkeys. apply (FiniteSums.sum_positive _ keys a); trivial.
    - intros b _. apply FiniteSums.restrict_nonneg, Rlt_le, exp_pos.
    - unfold FiniteSums.restrict. rewrite Ka. apply exp_pos. }
  assert (Hr : forall b, In b (map as_block blocks) -> forall a, In a (ScoreBounds.members b) ->
            exp (ScoreBounds.block_low b) <= w a <= exp (ScoreBounds.block_high b)).
  { intros b Hb x Hx. apply in_map_iff in Hb as (b' & <- & Hb'). destruct (Hin b' Hb' x Hx). now split; apply Softmax.exp_le. }
  pose proof (ScoreBounds.blockwise_upper (map as_block blocks) w kept Hw Hk Hr) as U.
  pose proof (ScoreBounds.blockwise_lower (map as_block blocks) w kept Hk Hr) as L.
  unfold ScoreBounds.tail_high, ScoreBounds.tail_low, ScoreBounds.kept_high, ScoreBounds.kept_low in U, L.
  rewrite !Hsum in U, L. rewrite Hkeys in U, L. split; [exact L | exact U].
Qed.

(** Values in R^d: a value is a function of the coordinate, [dims] lists the coordinates. *)
Section Output.
Context {A D : Type}.
Variables (keys : list A) (score : A -> option R) (kept : A -> bool) (dims : list D) (v : A -> D -> R).
Hypothesis kept_attended : exists a s, In a keys /\ kept a = true /\ score a = Some s.

Let w (a : A) : R := weight (score a).
Let tau : R := tau keys score kept.
Definition o (c : D) : R := sum (fun a => P keys score a * v a c) keys.
Definition o_hat (c : D) : R := sum (fun a => P_hat keys score kept a * v a c) keys.
Definition mean_kept (c : D) : R := sum (on kept (fun a => w a * v a c)) keys / sum (on kept w) keys.
Definition mean_tail (c : D) : R :=
  sum (on (not_kept kept) (fun a => w a * v a c)) keys / sum (on (not_kept kept) w) keys.
Definition norm (x : D -> R) : R := sqrt (sum (fun c => x c * x c) dims).
Definition variance : R := sum (fun a => P keys score a * norm (fun c => v a c - o c) ^ 2) keys.

Let w_nonneg : forall a, In a keys -> 0 <= Softmax.weight (score a).
Proof. intros a _. apply Softmax.weight_nonneg. Qed.

Let kept_positive : 0 < Softmax.kept_sum keys (fun a => Softmax.weight (score a)) kept.
Proof.
  destruct kept_attended as (a & s & Ha & Ka & Sa). apply (FiniteSums.sum_positive _ keys a); trivial.
  - intros b Hb. now apply FiniteSums.restrict_nonneg, w_nonneg.
  - unfold FiniteSums.restrict. rewrite Ka, Sa. apply exp_pos.
Qed.

Theorem T10_head_tail_factorisation : forall c, o c - o_hat c = tau * (mean_tail c - mean_kept c).
Proof. exact (OutputError.head_tail_factorisation keys _ kept v w_nonneg kept_positive). Qed.

Theorem T13_variance_bound : norm (fun c => o c - o_hat c) <= sqrt (tau / (1 - tau)) * sqrt variance.
Proof. exact (OutputError.variance_bound keys _ kept dims v w_nonneg kept_positive). Qed.
End Output.

(** Search over cells, each a list of keys with an upper bound on their scores. The program opens cells until its own
    bound is at most ε; [choose] picks the kept set among the scored keys and [next] the order of the cells, both
    arbitrary. *)
Section CellSearch.
Context {A : Type}.
Variables (score : A -> option R) (choose : list A -> A -> bool) (next : list (list A * R) -> list (list A * R)) (eps : R).

Let w (a : A) : R := weight (score a).
Definition unopened_mass (cells : list (list A * R)) : R := sum (fun c => INR (length (fst c)) * exp (snd c)) cells.
Definition bound (kept : A -> bool) (opened : list A) (cells : list (list A * R)) : R :=
  (sum (on (not_kept kept) w) opened + unopened_mass cells)
  / (sum (on kept w) opened + (sum (on (not_kept kept) w) opened + unopened_mass cells)).

(** The states from which the search may return the kept set: it has opened some cells, its kept set weighs something,
    and its bound is at most ε. *)
Inductive returns : list A -> list (list A * R) -> (A -> bool) -> Prop :=
  | stop opened cells :
      0 < sum (on (choose opened) w) opened -> bound (choose opened) opened cells <= eps ->
      returns opened cells (choose opened)
  | open_cell opened cells c rest kept :
      next cells = c :: rest -> returns (opened ++ fst c) rest kept -> returns opened cells kept.

Theorem T20_mass_search_sound (cells : list (list A * R)) (kept : A -> bool) :
  (forall opened a, choose opened a = true -> In a opened) ->
  (forall cs, Permutation.Permutation (next cs) cs) ->
  let row := flat_map fst cells in
  NoDup row ->
  (forall c a x, In c cells -> In a (fst c) -> score a = Some x -> x <= snd c) ->
  returns [] cells kept ->
  total_variation row (P row score) (P_hat row score kept) <= eps.
Proof.
  intros Hchoose Hnext row Hnodup Hupper Hret.
  pose proof (Search.mass_search_sound (fun a => Softmax.weight (score a)) (fun a => Softmax.weight_nonneg (score a))
    choose next eps Hchoose Hnext cells kept Hnodup) as S.
  apply S.
  - intros c Hc a Ha. unfold Search.cell_upper. destruct (score a) as [x|] eqn:E; cbn [Softmax.weight].
    + apply Softmax.exp_le. now apply (Hupper c a x).
    + apply Rlt_le, exp_pos.
  - clear S Hupper Hnodup. induction Hret as [opened cs H1 H2 | opened cs c rest kept E _ IH].
    + apply Search.stop; [exact H1 | exact H2].
    + apply Search.open_cell with (c := c) (rest := rest); [exact E | exact IH].
Qed.
End CellSearch.

(** * The kernel, operation for operation, on IEEE 754 binary64 *)

Notation binary64 := (binary_float 53 1024).
#[local] Instance precision_positive : Prec_gt_0 53 := eq_refl _.
#[local] Instance precision_below_emax : Prec_lt_emax 53 1024 := eq_refl _.
Definition add : binary64 -> binary64 -> binary64 := Bplus mode_NE.
Definition subtract : binary64 -> binary64 -> binary64 := Bminus mode_NE.
Definition multiply : binary64 -> binary64 -> binary64 := Bmult mode_NE.
Definition divide : binary64 -> binary64 -> binary64 := Bdiv mode_NE.
(** The binary64 nearest to m·2^e: here always exactly that. *)
Definition dyadic (m e : Z) : binary64 := binary_normalize 53 1024 _ _ mode_NE m e false.
Definition float (c : Z * Z) : binary64 := dyadic (fst c) (snd c).
Definition zero : binary64 := B754_zero false.
Definition one : binary64 := dyadic 1 0.
Definition minus_infinity : binary64 := B754_infinity true.
Definition less (x y : binary64) : bool := Bltb x y.
Definition at_most (x y : binary64) : bool := Bleb x y.
Definition larger (x y : binary64) : binary64 := if less x y then y else x.
Definition smaller (x y : binary64) : binary64 := if less y x then y else x.

(** exponential.py *)
Fixpoint horner (coefficients : list (Z * Z)) (f : binary64) : binary64 :=
  match coefficients with
  | [] => zero
  | [c] => float c
  | c :: higher => add (multiply (horner higher f) f) (float c)
  end.
(** The float whose exponent field is the low bits of b's significand: what a shift of b's bits by 52 leaves. *)
Definition power_of_two (b : binary64) : binary64 :=
  match b with
  | B754_finite _ m _ _ =>
    let field := (Z.pos m mod 4096)%Z in
    if ((0 <? field) && (field <? 2047))%Z then dyadic 1 (field - 1023) else zero
  | _ => zero
  end.
Definition exponential (coefficients : list (Z * Z)) (d : binary64) : binary64 :=
  let c := larger d (float Constants.clamp) in
  let t := multiply c (float Constants.log2e) in
  let b := add t (float Constants.magic) in
  let f := subtract t (subtract b (float Constants.magic)) in
  multiply (horner coefficients f) (power_of_two b).

(** lane_sums.py. [chunks size l] is l cut into pieces of [size]. *)
Fixpoint chunks_fuel {X} (fuel size : nat) (l : list X) : list (list X) :=
  match fuel, l with
  | S fuel, _ :: _ => firstn size l :: chunks_fuel fuel size (skipn size l)
  | _, _ => []
  end.
Definition chunks {X} (size : nat) (l : list X) : list (list X) := chunks_fuel (length l) size l.
Definition lanes : nat := 2 ^ Constants.lane_levels.
Fixpoint add_lanes (accumulator step : list binary64) : list binary64 :=
  match accumulator, step with
  | a :: accumulator, x :: step => add a x :: add_lanes accumulator step
  | _, _ => accumulator
  end.
Definition add_all (steps : list (list binary64)) : list binary64 := fold_left add_lanes steps (repeat zero lanes).
Fixpoint halve (levels : nat) (l : list binary64) : list binary64 :=
  match levels with
  | O => l
  | S levels => halve levels (add_lanes (firstn (2 ^ levels) l) (skipn (2 ^ levels) l))
  end.
Definition lane_sum (weights : list binary64) : binary64 :=
  let steps := chunks lanes weights in
  let blocks := chunks Constants.steps_per_block steps in
  hd zero (halve Constants.lane_levels (add_all (map add_all blocks))).

(** A key is its place in the kept mask and its score. *)
Definition row_maximum (row : list (bool * binary64)) : binary64 :=
  fold_left (fun best k => larger best (snd k)) row minus_infinity.
Definition row_shift (maximum : binary64) : binary64 :=
  if at_most (float Constants.unshifted_min) maximum && at_most maximum (float Constants.unshifted_max)
  then zero else maximum.
Definition padded (n : nat) : nat := ((n + (lanes - 1)) / lanes) * lanes.
Definition pad (row : list (bool * binary64)) : list (bool * binary64) :=
  row ++ repeat (false, minus_infinity) (padded (length row) - length row).
Definition row_sum (wanted : bool * binary64 -> bool) (coefficients : list (Z * Z)) (shift : binary64)
    (row : list (bool * binary64)) : binary64 :=
  lane_sum (map (fun k => if wanted k then exponential coefficients (subtract (snd k) shift) else zero) (pad row)).

(** rounding.py *)
Definition sum_depth (n : nat) : Z :=
  let steps := (Z.of_nat (padded n) / Z.of_nat lanes)%Z in
  let blocks := ((steps + (Z.of_nat Constants.steps_per_block - 1)) / Z.of_nat Constants.steps_per_block)%Z in
  (Z.min steps (Z.of_nat Constants.steps_per_block) + blocks + Z.of_nat Constants.lane_levels)%Z.
Definition inflation (units : Z) (n : nat) (shifted : bool) : binary64 :=
  dyadic ((units + sum_depth n + Constants.outward_units + (if shifted then Constants.shift_units else 0) + 2) / 2) (-52).

(** enclosure.py *)
Definition sum_upper (g s : binary64) : binary64 := multiply s (add one g).
Definition sum_lower (g share s : binary64) : binary64 := larger (subtract (multiply s (subtract one g)) share) zero.
Definition quotient_upper (a b : binary64) : binary64 :=
  smaller (larger (multiply (divide a (add a b)) (float Constants.outward_up)) (float Constants.floor)) one.
Definition quotient_lower (a b : binary64) : binary64 :=
  let q := divide a (add a b) in
  if at_most (float Constants.floor) q then multiply q (float Constants.outward_down) else zero.

(** The tail mass. A grade is its polynomial and the units that it costs. *)
Definition fast : list (Z * Z) * Z := (Constants.coefficients_fast, Constants.exponential_units_fast).
Definition exact : list (Z * Z) * Z := (Constants.coefficients_exact, Constants.exponential_units_exact).

Definition tail_mass_interval (grade : list (Z * Z) * Z) (row : list (bool * binary64)) : binary64 * binary64 :=
  let shift := row_shift (row_maximum row) in
  let tail := row_sum (fun k => negb (fst k)) (fst grade) shift row in
  let kept := row_sum fst (fst grade) shift row in
  let inflate := inflation (snd grade) (length row) (less shift zero || less zero shift) in
  let share := multiply (dyadic (Z.of_nat (padded (length row))) 0) (float Constants.clamp_share) in
  let lower := quotient_lower (sum_lower inflate share tail) (sum_upper inflate kept) in
  let upper := quotient_upper (sum_upper inflate tail) (sum_lower inflate share kept) in
  let empty_tail := at_most tail share && negb (existsb (fun k => negb (fst k) && less minus_infinity (snd k)) row) in
  (lower, if empty_tail then zero else upper).

(** The program above is the one that the development reasons about (TailMass.v): piece by piece, by computation. *)
Lemma same_row_sum wanted g : row_sum wanted (TailMass.coefficients g) = TailMass.row_sum wanted g.
Proof.
  assert (E : exponential = Exponential.exponential) by reflexivity.
  assert (L : lane_sum = LaneSums.lane_sum Binary64.add Binary64.zero Constants.lane_levels Constants.steps_per_block) by reflexivity.
  unfold row_sum. rewrite E, L. reflexivity.
Qed.

Lemma same_inflation g : inflation (TailMass.exponential_units g) = TailMass.inflation g.
Proof. assert (E : sum_depth = TailMass.sum_depth) by reflexivity. unfold inflation. rewrite E. reflexivity. Qed.

Lemma same_interval g row :
  tail_mass_interval (TailMass.coefficients g, TailMass.exponential_units g) row = TailMass.tail_mass_interval g row.
Proof.
  assert (M : row_maximum = TailMass.row_maximum) by reflexivity.
  assert (S : row_shift = TailMass.row_shift) by reflexivity.
  assert (P : padded = TailMass.padded) by reflexivity.
  assert (U : sum_upper = Enclosure.sum_upper) by reflexivity.
  assert (L : sum_lower = Enclosure.sum_lower) by reflexivity.
  assert (QU : quotient_upper = Enclosure.quotient_upper) by reflexivity.
  assert (QL : quotient_lower = Enclosure.quotient_lower) by reflexivity.
  unfold tail_mass_interval, TailMass.tail_mass_interval. cbn [fst snd].
  rewrite M, S, P, U, L, QU, QL, same_inflation, !same_row_sum. reflexivity.
Qed.

(** T23. Rows of binary64 scores with a kept mask, at most 2^36 keys, no NaN, no +∞, and some kept key that is not masked.
    For both grades the program returns two finite floats around the tail mass of the real numbers that the scores are. *)
Theorem T23_tail_mass_sound grade (row : list (bool * binary64)) :
  let real_score (k : bool * binary64) : option R := if is_finite (snd k) then Some (B2R (snd k)) else None in
  In grade [fast; exact] ->
  (forall k, In k row -> is_finite (snd k) = true \/ snd k = minus_infinity) ->
  (exists k, In k row /\ fst k = true /\ is_finite (snd k) = true) ->
  (Z.of_nat (length row) <= 2 ^ 36)%Z ->
  let (lower, upper) := tail_mass_interval grade row in
  is_finite lower = true /\ is_finite upper = true
  /\ 0 <= B2R lower <= tau row real_score fst
  /\ tau row real_score fst <= B2R upper <= 1.
Proof.
  intros real_score Hgrade H1 H2 H3.
  assert (Hg : exists g, tail_mass_interval grade row = TailMass.tail_mass_interval g row).
  { destruct Hgrade as [<-|[<-|[]]];
      [exists TailMass.Fast; exact (same_interval TailMass.Fast row)
      | exists TailMass.Exact; exact (same_interval TailMass.Exact row)]. }
  destruct Hg as (g & ->).
  pose proof (TailMassSound.tail_mass_sound g row (TailMassSound.Build_admissible row H1 H2 H3)) as S.
  cbv zeta in S. destruct (TailMass.tail_mass_interval g row) as (lower, upper).
  destruct S as (Fl & Fu & L & U). repeat split; trivial; try apply L; apply U.
Qed.
