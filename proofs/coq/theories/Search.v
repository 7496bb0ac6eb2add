(** T19, T20: certified search is sound. Keys lie in cells; a cell is opened (all its keys scored) or it is known
    only by how many keys it has and an upper bound on their scores. *)
From Coq Require Import Reals List Lra Bool Permutation.
From TopK Require Import FiniteSums Softmax Divergences ScoreBounds.
Import ListNotations.
Open Scope R_scope.

(** The keys of a cell and an upper bound on their scores. *)
Definition cell (A : Type) : Type := (list A * R)%type.
Definition cell_keys {A} (c : cell A) : list A := fst c.
Definition cell_upper {A} (c : cell A) : R := snd c.

Section Search.
Context {A : Type}.
Variable w : A -> R.                          (* weights e^s, known only for opened keys *)
Hypothesis w_nonneg : forall a, 0 <= w a.

Definition in_cells (cells : list (cell A)) : list A := flat_map cell_keys cells.

(** n_j · e^{U_j}, summed over the unopened cells. *)
Definition unopened_mass (cells : list (cell A)) : R :=
  sum (fun c => INR (length (cell_keys c)) * exp (cell_upper c)) cells.

(** τ̂ = (S_tail + Σ n_j e^{U_j}) / (S_kept + S_tail + Σ n_j e^{U_j}). *)
Definition estimate (kept : A -> bool) (opened : list A) (unopened : list (cell A)) : R :=
  (tail_sum opened w kept + unopened_mass unopened)
  / (kept_sum opened w kept + (tail_sum opened w kept + unopened_mass unopened)).

Definition upper_bounds_hold (cells : list (cell A)) : Prop :=
  forall c, In c cells -> forall a, In a (cell_keys c) -> w a <= exp (cell_upper c).

Lemma unopened_mass_upper cells : upper_bounds_hold cells -> sum w (in_cells cells) <= unopened_mass cells.
Proof.
  intros Hu. unfold in_cells, unopened_mass. rewrite sum_flat_map. apply sum_le. intros c Hc.
  rewrite <- sum_constant. apply sum_le. intros a Ha. now apply (Hu c Hc).
Qed.

(** One look at the bounds: whatever the unopened keys are, τ ≤ τ̂. *)
Theorem estimate_upper kept opened unopened :
  upper_bounds_hold unopened ->
  (forall a, In a (in_cells unopened) -> kept a = false) ->
  0 < kept_sum opened w kept ->
  0 < kept_sum (opened ++ in_cells unopened) w kept
  /\ tail_mass (opened ++ in_cells unopened) w kept <= estimate kept opened unopened.
Proof.
  intros Hu Hk Hpos.
  assert (EK : kept_sum (opened ++ in_cells unopened) w kept = kept_sum opened w kept).
  { unfold kept_sum. rewrite sum_append.
    rewrite (sum_ext _ (fun _ => 0) (in_cells unopened)); [rewrite sum_zero; ring|].
    intros a Ha. unfold restrict. now rewrite (Hk a Ha). }
  assert (ET : tail_sum (opened ++ in_cells unopened) w kept = tail_sum opened w kept + sum w (in_cells unopened)).
  { unfold tail_sum. rewrite sum_append. f_equal. apply sum_ext.
    intros a Ha. unfold restrict, complement. now rewrite (Hk a Ha). }
  split; [now rewrite EK|]. pose proof (unopened_mass_upper unopened Hu).
  unfold estimate. apply tail_mass_upper; rewrite ?EK, ?ET; trivial; lra.
Qed.

(** T20, the search as a program: [choose] proposes a kept set among the scored keys, [next] the order in which cells
    are opened; both may be anything at all. A kept set is returned only when τ̂ ≤ ε. *)
Variables (choose : list A -> A -> bool) (next : list (cell A) -> list (cell A)) (eps : R).
Hypothesis choose_scored : forall opened a, choose opened a = true -> In a opened.
Hypothesis next_reorders : forall cells, Permutation (next cells) cells.

(** The states (opened keys, unopened cells) from which the search may return a kept set. *)
Inductive returns : list A -> list (cell A) -> (A -> bool) -> Prop :=
  | stop opened cells :
      0 < kept_sum opened w (choose opened) -> estimate (choose opened) opened cells <= eps ->
      returns opened cells (choose opened)
  | open_cell opened cells c rest kept :
      next cells = c :: rest -> returns (opened ++ cell_keys c) rest kept -> returns opened cells kept.

Lemma in_cells_permutation cells cells' : Permutation cells cells' -> Permutation (in_cells cells) (in_cells cells').
Proof. intros H. unfold in_cells. now apply Permutation_flat_map. Qed.

(** Opened keys and keys of unopened cells together are always the whole row. *)
Lemma search_invariant row opened unopened kept :
  returns opened unopened kept ->
  Permutation row (opened ++ in_cells unopened) -> NoDup row -> upper_bounds_hold unopened ->
  0 < kept_sum row w kept /\ tail_mass row w kept <= eps.
Proof.
  intros Hret Hrow Hnodup. induction Hret as [opened cells Hpos Heps | opened cells c rest kept En _ IH]; intros Hu.
  - destruct (estimate_upper (choose opened) opened cells Hu) as (Hk & Ht); trivial.
    + intros a Ha. destruct (choose opened a) eqn:E; trivial. exfalso. apply choose_scored in E.
      apply (Permutation_NoDup Hrow) in Hnodup. revert E Ha. clear - Hnodup.
      induction opened as [|o os IHo]; [easy|].
      cbn [app] in Hnodup. apply NoDup_cons_iff in Hnodup as (Hn & Hnodup).
      intros [->|E] Ha; [apply Hn, in_or_app; now right | now apply IHo].
    + unfold tail_mass, tail_sum, kept_sum, total in *. rewrite !(sum_permutation _ _ _ Hrow).
      split; [trivial | lra].
  - pose proof (next_reorders cells) as Hnext. rewrite En in Hnext. apply IH.
    + apply Permutation_trans with (1 := Hrow). rewrite <- app_assoc.
      apply Permutation_app_head. apply Permutation_sym. exact (in_cells_permutation (c :: rest) cells Hnext).
    + intros c' Hc'. apply Hu. apply (Permutation_in c' Hnext). now right.
Qed.

Theorem mass_search_sound (cells : list (cell A)) kept :
  let row := in_cells cells in
  NoDup row -> upper_bounds_hold cells -> returns [] cells kept ->
  total_variation row (attention row w) (truncated row w kept) <= eps.
Proof.
  intros row Hnodup Hu Hs.
  destruct (search_invariant row [] cells kept Hs (Permutation_refl _) Hnodup Hu) as (Hk & Ht).
  rewrite tail_mass_identity; auto.
Qed.
End Search.

(** T19: after the best-bounded keys are scored, every unscored weight is at most e^u; the multi-gap bound (T7)
    for a kept set among the scored keys is then a certificate, at whatever k the search stopped. *)
Theorem gap_search_sound {A} (keys : list A) (w : A -> R) (kept scored : A -> bool) (u eps : R) :
  (forall a, In a keys -> 0 <= w a) -> 0 < kept_sum keys w kept ->
  (forall a, In a keys -> kept a = true -> scored a = true) ->
  (forall a, In a keys -> scored a = false -> w a <= exp u) ->
  let unscored_mass := (INR (length keys) - count scored keys) * exp u in
  (sum (restrict (fun a => scored a && negb (kept a)) w) keys + unscored_mass)
    / (sum (restrict scored w) keys + unscored_mass) <= eps ->
  total_variation keys (attention keys w) (truncated keys w kept) <= eps.
Proof.
  intros Hw Hk Hsub Hu U Heps. rewrite tail_mass_identity by trivial.
  apply Rle_trans with (2 := Heps). now apply multi_gap.
Qed.
