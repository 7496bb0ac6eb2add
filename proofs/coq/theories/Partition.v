(** T15: the best partition. Over all partitions of the values into two non-empty sides, the smallest possible
    largest cross distance is the lightest edge of a maximum spanning tree, and removing that edge attains it. *)
From Coq Require Import Reals List Lra Lia Bool Classical.
Import ListNotations.
Open Scope R_scope.

Section Graph.
Context {V : Type}.
Variables (vertices : list V) (distance : V -> V -> R).
Hypothesis distance_symmetric : forall a b, distance a b = distance b a.

Definition edge : Type := (V * V)%type.
Definition edge_weight (e : edge) : R := distance (fst e) (snd e).
Fixpoint tree_weight (edges : list edge) : R :=
  match edges with
  | [] => 0
  | e :: rest => edge_weight e + tree_weight rest
  end.

(** A walk along edges, in either direction. *)
Inductive reach (edges : list edge) : V -> V -> Prop :=
  | reach_here a : reach edges a a
  | reach_step a b c : In (a, b) edges \/ In (b, a) edges -> reach edges b c -> reach edges a c.

Definition connects (edges : list edge) : Prop :=
  forall a b, In a vertices -> In b vertices -> reach edges a b.

(** A spanning tree is a connecting set of as few edges as possible; a maximum one is the heaviest of these. *)
Definition spanning_tree (edges : list edge) : Prop :=
  connects edges /\ forall other, connects other -> (length edges <= length other)%nat.
Definition maximum_spanning_tree (edges : list edge) : Prop :=
  spanning_tree edges /\ forall other, spanning_tree other -> tree_weight other <= tree_weight edges.

Lemma reach_transitive edges a b c : reach edges a b -> reach edges b c -> reach edges a c.
Proof. intros Hab Hbc. induction Hab as [a | a b' b He _ IH]; trivial. apply reach_step with b'; auto. Qed.

Lemma reach_symmetric edges a b : reach edges a b -> reach edges b a.
Proof.
  intros H. induction H as [a | a b c He _ IH]; [constructor|].
  apply reach_transitive with b; trivial. apply reach_step with a; [tauto | constructor].
Qed.

Lemma reach_more e edges a b : reach edges a b -> reach (e :: edges) a b.
Proof.
  intros H. induction H as [a | a b c He _ IH]; [constructor|].
  apply reach_step with b; trivial. destruct He; [left | right]; now right.
Qed.

(** Without the edge (x, y), what reached x still reaches x or y. *)
Lemma reach_without x y edges v : reach ((x, y) :: edges) v x -> reach edges v x \/ reach edges v y.
Proof.
  intros H. remember x as goal eqn:Eg in H at 2. induction H as [v | v v' goal He _ IH]; subst.
  - left. constructor.
  - specialize (IH eq_refl). destruct He as [[E|He]|[E|He]].
    + injection E as -> ->. left. constructor.
    + destruct IH as [IH|IH]; [left | right]; apply reach_step with v'; tauto.
    + injection E as -> ->. right. constructor.
    + destruct IH as [IH|IH]; [left | right]; apply reach_step with v'; tauto.
Qed.

(** Every cut crosses the tree: a walk from one side to the other uses an edge between the sides. *)
Lemma crossing_edge edges (side : V -> Prop) a b :
  reach edges a b -> side a -> ~ side b ->
  exists c d, (In (c, d) edges \/ In (d, c) edges) /\ side c /\ ~ side d.
Proof.
  intros H. induction H as [a | a b c He _ IH]; intros Ha Hb; [contradiction|].
  destruct (classic (side b)) as [Hs|Hs]; [now apply IH | now exists a, b].
Qed.

Section Tree.
Variables (x y : V) (rest : list edge).
Let tree := (x, y) :: rest.
Hypothesis x_in : In x vertices.
Hypothesis y_in : In y vertices.
Hypothesis maximum : maximum_spanning_tree tree.
Hypothesis lightest : forall e, In e tree -> distance x y <= edge_weight e.

(** No partition does better than the lightest edge. *)
Theorem every_partition_pays (side : V -> Prop) a b :
  In a vertices -> In b vertices -> side a -> ~ side b ->
  exists c d, (In (c, d) tree \/ In (d, c) tree) /\ side c /\ ~ side d /\ distance x y <= distance c d.
Proof.
  intros Ha Hb Sa Sb. destruct maximum as ((Hc & _) & _).
  destruct (crossing_edge tree side a b (Hc a b Ha Hb) Sa Sb) as (c & d & He & Sc & Sd).
  exists c, d. repeat split; trivial. destruct He as [He|He].
  - apply (lightest _ He).
  - rewrite (distance_symmetric c d). apply (lightest _ He).
Qed.

(** The side of x when the lightest edge is removed. *)
Definition best_side (v : V) : Prop := reach rest v x.

Lemma still_connected e : (forall v, In v vertices -> reach (e :: rest) v x) -> connects (e :: rest).
Proof.
  intros H a b Ha Hb. apply reach_transitive with x; [now apply H | apply reach_symmetric; now apply H].
Qed.

(** It is a partition into two non-empty sides ... *)
Theorem best_partition_nontrivial : best_side x /\ ~ best_side y.
Proof.
  split; [constructor|]. intros Hy. destruct maximum as ((Hc & Hmin) & _).
  assert (Hrest : connects rest).
  { intros a b Ha Hb. assert (Hx : forall v, In v vertices -> reach rest v x).
    { intros v Hv. destruct (reach_without x y rest v (Hc v x Hv x_in)) as [H|H]; trivial.
      now apply reach_transitive with y. }
    apply reach_transitive with x; [now apply Hx | apply reach_symmetric; now apply Hx]. }
  specialize (Hmin rest Hrest). cbn [length tree] in Hmin. unfold tree in Hmin. cbn [length] in Hmin. lia.
Qed.

(** ... and no cross distance exceeds the lightest edge. *)
Theorem best_partition_attains a b :
  In a vertices -> In b vertices -> best_side a -> ~ best_side b -> distance a b <= distance x y.
Proof.
  intros Ha Hb Sa Sb. destruct maximum as ((Hc & Hmin) & Hmax).
  assert (Hby : reach rest b y).
  { destruct (reach_without x y rest b (Hc b x Hb x_in)) as [H|H]; trivial. contradiction. }
  assert (Hnew : connects ((a, b) :: rest)).
  { apply still_connected. intros v Hv.
    destruct (reach_without x y rest v (Hc v x Hv x_in)) as [H|H]; [now apply reach_more|].
    apply reach_transitive with y; [now apply reach_more|].
    apply reach_transitive with b; [apply reach_more; now apply reach_symmetric|].
    apply reach_step with a; [right; now left | now apply reach_more]. }
  assert (Htree : spanning_tree ((a, b) :: rest)).
  { split; [exact Hnew | exact Hmin]. }
  specialize (Hmax _ Htree). unfold tree in Hmax. cbn [tree_weight] in Hmax.
  unfold edge_weight in Hmax. cbn [fst snd] in Hmax. lra.
Qed.
End Tree.
End Graph.
