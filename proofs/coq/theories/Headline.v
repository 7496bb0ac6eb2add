(** The headline theorems, restated with every definition in sight. Nothing here needs another file to be understood,
    except Flocq's binary64 (T23) and the kernel itself, which TailMass.v spells out; every proof is one line that points
    to the development.

    Throughout, a row is a list of keys, [score] gives each key an extended score ([None] is −∞, a masked key), and
    [kept] is the mask of the kept set, which holds at least one key that is not masked. *)
From Coq Require Import Reals List Bool ZArith Lra.
From Flocq Require Import Core BinarySingleNaN.
From TopK Require FiniteSums Softmax Divergences ScoreBounds OutputError Search TailMass TailMassSound.
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
Definition Z : R := sum w keys.
Definition tau : R := sum (on (not_kept kept) w) keys / Z.             (* tail mass *)
Definition P (a : A) : R := w a / Z.                                   (* attention *)
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

(** T23. Rows of binary64 scores with a kept mask, [TailMass.key] = (kept?, score), at most 2^36 keys, no NaN, no +∞, and
    some kept key that is not masked. For both grades the program [TailMass.tail_mass_interval] returns two finite floats
    around the tail mass of the real numbers that the scores are. *)
Theorem T23_tail_mass_sound (grade : TailMass.grade) (row : list (bool * binary_float 53 1024)) :
  let real_score (k : bool * binary_float 53 1024) : option R :=
    if is_finite (snd k) then Some (B2R (snd k)) else None in
  (forall k, In k row -> is_finite (snd k) = true \/ snd k = B754_infinity true) ->
  (exists k, In k row /\ fst k = true /\ is_finite (snd k) = true) ->
  (BinInt.Z.of_nat (length row) <= 2 ^ 36)%Z ->
  let (lower, upper) := TailMass.tail_mass_interval grade row in
  is_finite lower = true /\ is_finite upper = true
  /\ 0 <= B2R lower <= tau row real_score fst
  /\ tau row real_score fst <= B2R upper <= 1.
Proof.
  intros real_score H1 H2 H3.
  pose proof (TailMassSound.tail_mass_sound grade row (TailMassSound.Build_admissible row H1 H2 H3)) as S.
  cbv zeta in S. destruct (TailMass.tail_mass_interval grade row) as (lower, upper).
  destruct S as (Fl & Fu & L & U). repeat split; trivial; try apply L; apply U.
Qed.
