(** The fixed order in which the kernel sums a row (float_kernels/lane_sums.py), as list operations over any type with
    an addition. On binary64 it is the kernel's sum; on trees it is that sum's summation tree; the two agree because
    evaluating a tree is a homomorphism. *)
From Coq Require Import Reals List Lia Lra.
From TopK Require Import FiniteSums Binary64 SummationTree.
Import ListNotations.

(** [chunks size l]: l cut into pieces of [size], the last one possibly shorter. [fuel] only has to be large enough. *)
Fixpoint chunks_fuel {X} (fuel size : nat) (l : list X) : list (list X) :=
  match fuel, l with
  | S fuel, _ :: _ => firstn size l :: chunks_fuel fuel size (skipn size l)
  | _, _ => []
  end.
Definition chunks {X} (size : nat) (l : list X) : list (list X) := chunks_fuel (length l) size l.

Section Order.
Context {T : Type}.
Variables (plus : T -> T -> T) (nought : T) (lane_levels steps_per_block : nat).
Definition lanes : nat := 2 ^ lane_levels.

(** Lane by lane; lanes that the step does not have are left alone. *)
Fixpoint add_lanes (accumulator step : list T) : list T :=
  match accumulator, step with
  | a :: accumulator, x :: step => plus a x :: add_lanes accumulator step
  | _, _ => accumulator
  end.

Definition add_all (steps : list (list T)) : list T := fold_left add_lanes steps (repeat nought lanes).

(** Halve the lanes: the first half plus the second half, [levels] times. *)
Fixpoint halve (levels : nat) (l : list T) : list T :=
  match levels with
  | O => l
  | S levels => halve levels (add_lanes (firstn (2 ^ levels) l) (skipn (2 ^ levels) l))
  end.

Definition lane_sum (weights : list T) : T :=
  let steps := chunks lanes weights in
  let blocks := chunks steps_per_block steps in
  hd nought (halve lane_levels (add_all (map add_all blocks))).
End Order.

Lemma chunks_fuel_map {X Y} (f : X -> Y) fuel size l :
  chunks_fuel fuel size (map f l) = map (map f) (chunks_fuel fuel size l).
Proof.
  revert l. induction fuel as [|fuel IH]; intros [|x l]; trivial.
  change (map f (x :: l)) with (f x :: map f l). cbn [chunks_fuel map].
  change (f x :: map f l) with (map f (x :: l)). now rewrite firstn_map, skipn_map, IH.
Qed.

Lemma chunks_map {X Y} (f : X -> Y) size l : chunks size (map f l) = map (map f) (chunks size l).
Proof. unfold chunks. rewrite map_length. apply chunks_fuel_map. Qed.

Lemma concat_chunks_fuel {X} fuel size (l : list X) :
  (0 < size)%nat -> (length l <= fuel)%nat -> concat (chunks_fuel fuel size l) = l.
Proof.
  intros Hs. revert l. induction fuel as [|fuel IH]; intros [|x l] Hl; trivial; [cbn in Hl; lia|].
  cbn [chunks_fuel concat]. rewrite IH; [apply firstn_skipn|].
  rewrite skipn_length. cbn [length] in *. lia.
Qed.

Lemma concat_chunks {X} size (l : list X) : (0 < size)%nat -> concat (chunks size l) = l.
Proof. intros Hs. now apply concat_chunks_fuel. Qed.

Lemma chunk_length {X} fuel size (l : list X) : Forall (fun c => length c <= size)%nat (chunks_fuel fuel size l).
Proof.
  revert l. induction fuel as [|fuel IH]; intros [|x l]; constructor; [|apply IH].
  rewrite firstn_length. lia.
Qed.

Lemma chunks_count {X} fuel size (l : list X) :
  (0 < size)%nat -> (length (chunks_fuel fuel size l) * size <= length l + (size - 1))%nat.
Proof.
  intros Hs. revert l. induction fuel as [|fuel IH]; intros [|x l]; cbn [chunks_fuel]; try (cbn [length]; lia).
  cbn [length]. specialize (IH (skipn size (x :: l))).
  destruct (skipn size (x :: l)) as [|y m] eqn:E.
  - replace (chunks_fuel fuel size (@nil X)) with (@nil (list X)) by (now destruct fuel). cbn [length]. lia.
  - pose proof (skipn_length size (x :: l)) as L. rewrite E in L. cbn [length] in *. lia.
Qed.

(** ** Homomorphism *)
Section Homomorphism.
Context {T U : Type}.
Variables (plus : T -> T -> T) (nought : T) (plus' : U -> U -> U) (nought' : U) (f : T -> U).
Variables (lane_levels steps_per_block : nat).
Hypothesis f_plus : forall a b, f (plus a b) = plus' (f a) (f b).
Hypothesis f_nought : f nought = nought'.

Lemma map_add_lanes a b : map f (add_lanes plus a b) = add_lanes plus' (map f a) (map f b).
Proof.
  revert b. induction a as [|x a IH]; intros [|y b]; cbn [add_lanes map]; trivial. now rewrite f_plus, IH.
Qed.

Lemma map_add_all steps :
  map f (add_all plus nought lane_levels steps) = add_all plus' nought' lane_levels (map (map f) steps).
Proof.
  unfold add_all.
  assert (R0 : map f (repeat nought (lanes lane_levels)) = repeat nought' (lanes lane_levels)).
  { rewrite <- f_nought. generalize (lanes lane_levels). intros n. induction n as [|n IH]; cbn [repeat map]; [trivial | now rewrite IH]. }
  rewrite <- R0. generalize (repeat nought (lanes lane_levels)).
  induction steps as [|s steps IH]; intros acc; cbn [fold_left map]; trivial.
  now rewrite IH, map_add_lanes.
Qed.

Lemma map_halve levels l : map f (halve plus levels l) = halve plus' levels (map f l).
Proof.
  revert l. induction levels as [|levels IH]; intros l; cbn [halve]; trivial.
  now rewrite IH, map_add_lanes, firstn_map, skipn_map.
Qed.

Theorem lane_sum_homomorphism weights :
  f (lane_sum plus nought lane_levels steps_per_block weights)
  = lane_sum plus' nought' lane_levels steps_per_block (map f weights).
Proof.
  unfold lane_sum. rewrite chunks_map, chunks_map, map_map.
  rewrite (map_ext (fun steps => add_all plus' nought' lane_levels (map (map f) steps))
                   (fun steps => map f (add_all plus nought lane_levels steps)))
    by (intros steps; symmetry; apply map_add_all).
  rewrite <- (map_map (add_all plus nought lane_levels) (map f)), <- map_add_all, <- map_halve.
  destruct (halve plus lane_levels _); cbn [map hd]; trivial.
Qed.
End Homomorphism.

(** ** Lengths, measures, closed predicates *)
Section Invariants.
Context {T : Type}.
Variables (plus : T -> T -> T) (nought : T) (lane_levels steps_per_block : nat).
Hypothesis block_nonempty : (0 < steps_per_block)%nat.

Lemma add_lanes_length a b : length (add_lanes plus a b) = length a.
Proof. revert b. induction a as [|x a IH]; intros [|y b]; cbn [add_lanes length]; auto. Qed.

Lemma add_all_length steps : length (add_all plus nought lane_levels steps) = lanes lane_levels.
Proof.
  unfold add_all. assert (H : forall acc, length (fold_left (add_lanes plus) steps acc) = length acc).
  { induction steps as [|s steps IH]; intros acc; cbn [fold_left]; trivial. now rewrite IH, add_lanes_length. }
  now rewrite H, repeat_length.
Qed.

Lemma lanes_positive : (0 < lanes lane_levels)%nat.
Proof. unfold lanes. pose proof (Nat.pow_nonzero 2 lane_levels). lia. Qed.

(** An additive measure of the sum is the measure of what was summed. *)
Section Measure.
Variable mu : T -> R.
Hypothesis mu_plus : forall a b, mu (plus a b) = (mu a + mu b)%R.
Hypothesis mu_nought : mu nought = 0%R.
Open Scope R_scope.

Lemma add_lanes_measure a b : (length b <= length a)%nat -> sum mu (add_lanes plus a b) = sum mu a + sum mu b.
Proof.
  revert b. induction a as [|x a IH]; intros [|y b] H; cbn [add_lanes sum length] in *; try lra; try lia.
  rewrite mu_plus, IH by lia. lra.
Qed.

Lemma add_all_measure steps :
  Forall (fun s => length s <= lanes lane_levels)%nat steps ->
  sum mu (add_all plus nought lane_levels steps) = sum mu (concat steps).
Proof.
  intros Hs. unfold add_all.
  assert (H : forall acc, length acc = lanes lane_levels ->
            sum mu (fold_left (add_lanes plus) steps acc) = sum mu acc + sum mu (concat steps)).
  { induction Hs as [|s steps Hs _ IH]; intros acc Ha; cbn [fold_left concat]; [cbn [sum]; lra|].
    rewrite IH by now rewrite add_lanes_length. rewrite add_lanes_measure, sum_append by lia. lra. }
  rewrite H by apply repeat_length.
  assert (R0 : forall n, sum mu (repeat nought n) = 0).
  { intros n. induction n as [|n IH]; cbn [repeat sum]; [trivial | rewrite mu_nought, IH; lra]. }
  rewrite R0. lra.
Qed.

Lemma halve_measure levels l :
  length l = (2 ^ levels)%nat -> mu (hd nought (halve plus levels l)) = sum mu l.
Proof.
  revert l. induction levels as [|levels IH]; intros l Hl.
  - destruct l as [|x [|]]; try discriminate Hl. cbn [halve hd sum]. lra.
  - cbn [Nat.pow] in Hl. cbn [halve].
    assert (Hf : length (firstn (2 ^ levels) l) = (2 ^ levels)%nat) by (rewrite firstn_length; lia).
    assert (Hk : length (skipn (2 ^ levels) l) = (2 ^ levels)%nat) by (rewrite skipn_length; lia).
    rewrite IH by now rewrite add_lanes_length.
    rewrite add_lanes_measure, <- sum_append, firstn_skipn by lia. reflexivity.
Qed.

Theorem lane_sum_measure weights :
  mu (lane_sum plus nought lane_levels steps_per_block weights) = sum mu weights.
Proof.
  unfold lane_sum. rewrite halve_measure by apply add_all_length.
  rewrite add_all_measure.
  2: { apply Forall_map, Forall_forall. intros steps _. now rewrite add_all_length. }
  assert (Hc : forall blocks, Forall (Forall (fun s => length s <= lanes lane_levels)%nat) blocks ->
    sum mu (concat (map (add_all plus nought lane_levels) blocks)) = sum mu (concat (concat blocks))).
  { intros blocks H. induction H as [|b blocks Hb _ IH]; cbn [map concat]; trivial.
    now rewrite concat_app, !sum_append, IH, add_all_measure. }
  rewrite Hc.
  - rewrite concat_chunks by trivial. rewrite concat_chunks by apply lanes_positive. reflexivity.
  - pose proof (chunk_length (length weights) (lanes lane_levels) weights) as Hl.
    fold (chunks (lanes lane_levels) weights) in Hl.
    rewrite <- (concat_chunks steps_per_block (chunks (lanes lane_levels) weights) block_nonempty) in Hl.
    apply Forall_forall. intros b Hb. rewrite Forall_forall in Hl. apply Forall_forall. intros s Hs.
    apply Hl. apply in_concat. now exists b.
Qed.
End Measure.

(** A predicate that additions preserve holds of every accumulator. *)
Section Closed.
Variable good : T -> Prop.
Hypothesis good_plus : forall a b, good a -> good b -> good (plus a b).
Hypothesis good_nought : good nought.

Lemma add_lanes_good a b : Forall good a -> Forall good b -> Forall good (add_lanes plus a b).
Proof.
  intros Ha. revert b. induction Ha as [|x a Hx Ha IH]; intros b Hb; cbn [add_lanes]; [constructor|].
  destruct Hb as [|y b Hy Hb]; constructor; auto.
Qed.

Lemma add_all_good steps : Forall (Forall good) steps -> Forall good (add_all plus nought lane_levels steps).
Proof.
  intros Hs. unfold add_all.
  assert (H : forall acc, Forall good acc -> Forall good (fold_left (add_lanes plus) steps acc)).
  { induction Hs as [|s steps Hs _ IH]; intros acc Ha; cbn [fold_left]; trivial. apply IH. now apply add_lanes_good. }
  apply H. apply Forall_forall. intros x Hx. apply repeat_spec in Hx. now subst.
Qed.

Lemma Forall_parts n (l : list T) : Forall good l -> Forall good (firstn n l) /\ Forall good (skipn n l).
Proof. intros H. apply Forall_app. now rewrite firstn_skipn. Qed.

Lemma halve_good levels l : Forall good l -> Forall good (halve plus levels l).
Proof.
  revert l. induction levels as [|levels IH]; intros l Hl; cbn [halve]; trivial.
  destruct (Forall_parts (2 ^ levels) l Hl). now apply IH, add_lanes_good.
Qed.

Lemma chunks_fuel_good {X} (ok : X -> Prop) fuel size l : Forall ok l -> Forall (Forall ok) (chunks_fuel fuel size l).
Proof.
  revert l. induction fuel as [|fuel IH]; intros [|x l] Hl; constructor.
  - rewrite <- (firstn_skipn size (x :: l)) in Hl. now apply Forall_app in Hl.
  - apply IH. rewrite <- (firstn_skipn size (x :: l)) in Hl. now apply Forall_app in Hl.
Qed.

Theorem lane_sum_good weights : Forall good weights -> good (lane_sum plus nought lane_levels steps_per_block weights).
Proof.
  intros Hw. unfold lane_sum.
  assert (H : Forall good (halve plus lane_levels (add_all plus nought lane_levels
    (map (add_all plus nought lane_levels) (chunks steps_per_block (chunks (lanes lane_levels) weights)))))).
  { apply halve_good, add_all_good, Forall_map.
    apply Forall_impl with (P := Forall (Forall good)); [apply add_all_good|].
    apply chunks_fuel_good. now apply chunks_fuel_good. }
  destruct H; trivial.
Qed.
End Closed.
End Invariants.

(** ** The tree of the kernel's sum *)
Section Tree.
Variables (lane_levels steps_per_block : nat).
Hypothesis block_nonempty : (0 < steps_per_block)%nat.

Definition lane_tree (weights : list binary64) : tree :=
  lane_sum Node (Leaf zero) lane_levels steps_per_block (map Leaf weights).

Theorem lane_tree_computed weights :
  computed (lane_tree weights) = lane_sum add zero lane_levels steps_per_block weights.
Proof.
  unfold lane_tree. rewrite (lane_sum_homomorphism Node (Leaf zero) add zero computed) by reflexivity.
  rewrite map_map. cbn [computed]. now rewrite map_id.
Qed.

Theorem lane_tree_exact weights : exact (lane_tree weights) = sum value weights.
Proof.
  unfold lane_tree. rewrite (lane_sum_measure Node (Leaf zero) lane_levels steps_per_block block_nonempty exact).
  - rewrite sum_map. apply sum_ext. intros x _. unfold exact. cbn [leaves sum]. ring.
  - apply exact_node.
  - unfold exact. cbn [leaves sum]. cbn. ring.
Qed.

Theorem lane_tree_leaves (ok : binary64 -> Prop) weights :
  ok zero -> Forall ok weights -> Forall ok (leaves (lane_tree weights)).
Proof.
  intros Hz Hw. apply (lane_sum_good Node (Leaf zero) lane_levels steps_per_block (fun t => Forall ok (leaves t))).
  - intros a b Ha Hb. cbn [leaves]. now apply Forall_app.
  - cbn [leaves]. now constructor.
  - apply Forall_map. revert Hw. apply Forall_impl. intros x Hx. cbn [leaves]. now constructor.
Qed.

Definition depth_at_most (d : nat) (t : tree) : Prop := (depth t <= d)%nat.

Lemma add_lanes_depth d e a b : Forall (depth_at_most d) a -> Forall (depth_at_most e) b ->
  Forall (depth_at_most (S (max d e))) (add_lanes Node a b).
Proof.
  unfold depth_at_most. intros Ha. revert b. induction Ha as [|x a Hx Ha IH]; intros b Hb; cbn [add_lanes]; [constructor|].
  destruct Hb as [|y b Hy Hb].
  - apply Forall_impl with (P := depth_at_most d); [unfold depth_at_most; lia | now constructor].
  - constructor; [cbn [depth]; lia | now apply IH].
Qed.

(** n additions of things of depth d, starting from zeros: depth d + n. *)
Lemma add_all_depth d steps : Forall (Forall (depth_at_most d)) steps ->
  Forall (depth_at_most (d + length steps)) (add_all Node (Leaf zero) lane_levels steps).
Proof.
  intros Hs. unfold add_all.
  assert (H : forall n acc, (d <= n)%nat -> Forall (depth_at_most n) acc ->
            Forall (depth_at_most (n + length steps)) (fold_left (add_lanes Node) steps acc)).
  { induction Hs as [|s steps Hs _ IH]; intros n acc Hn Ha; cbn [fold_left length]; [now rewrite Nat.add_0_r|].
    replace (n + S (length steps))%nat with (S (max n d) + length steps)%nat by lia.
    apply IH; [lia | now apply add_lanes_depth]. }
  apply H; trivial. apply Forall_forall. intros x Hx. apply repeat_spec in Hx. subst. unfold depth_at_most. cbn [depth]. lia.
Qed.

Lemma halve_depth d levels l : Forall (depth_at_most d) l -> Forall (depth_at_most (d + levels)) (halve Node levels l).
Proof.
  revert d l. induction levels as [|levels IH]; intros d l Hl; cbn [halve]; [now rewrite Nat.add_0_r|].
  replace (d + S levels)%nat with (S (max d d) + levels)%nat by lia. apply IH.
  rewrite <- (firstn_skipn (2 ^ levels) l) in Hl. apply Forall_app in Hl as (Hf & Hk). now apply add_lanes_depth.
Qed.

(** At most [steps_per_block] additions within a block, one for each block, and one for each halving. *)
Theorem lane_tree_depth weights :
  let steps := length (chunks (lanes lane_levels) weights) in
  let blocks := length (chunks steps_per_block (chunks (lanes lane_levels) weights)) in
  (depth (lane_tree weights) <= min steps steps_per_block + blocks + lane_levels)%nat.
Proof.
  intros steps blocks. unfold lane_tree, lane_sum.
  set (tree_steps := chunks (lanes lane_levels) (map Leaf weights)).
  assert (Hsteps : Forall (Forall (depth_at_most 0)) tree_steps).
  { apply chunks_fuel_good. apply Forall_map, Forall_forall. intros x _. unfold depth_at_most. cbn [depth]. lia. }
  assert (Lsteps : length tree_steps = steps).
  { unfold tree_steps, steps. now rewrite chunks_map, map_length. }
  set (tree_blocks := chunks steps_per_block tree_steps).
  assert (Lblocks : length tree_blocks = blocks).
  { unfold tree_blocks, tree_steps, blocks. now rewrite !chunks_map, map_length. }
  assert (Hblocks : Forall (Forall (depth_at_most (min steps steps_per_block)))
                           (map (add_all Node (Leaf zero) lane_levels) tree_blocks)).
  { apply Forall_map, Forall_forall. intros b Hb.
    assert (Hb1 : (length b <= steps_per_block)%nat).
    { pose proof (chunk_length (length tree_steps) steps_per_block tree_steps) as H.
      rewrite Forall_forall in H. now apply H. }
    assert (Hb2 : (length b <= steps)%nat).
    { rewrite <- Lsteps, <- (concat_chunks steps_per_block tree_steps block_nonempty) at 1.
      fold tree_blocks. apply in_split in Hb as (l1 & l2 & ->).
      rewrite concat_app, app_length. cbn [concat]. rewrite app_length. lia. }
    apply Forall_impl with (P := depth_at_most (0 + length b)); [unfold depth_at_most; lia|].
    apply add_all_depth. pose proof (chunks_fuel_good _ (length tree_steps) steps_per_block tree_steps Hsteps) as H.
    rewrite Forall_forall in H. now apply H. }
  apply add_all_depth in Hblocks. rewrite map_length, Lblocks in Hblocks.
  apply halve_depth with (levels := lane_levels) in Hblocks.
  destruct Hblocks as [|t l Ht _]; cbn [hd]; [cbn [depth]; lia | exact Ht].
Qed.
End Tree.
