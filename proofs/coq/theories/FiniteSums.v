(** Finite sums over the keys of a row.

    A row is a list of keys of an arbitrary type [A]; every quantity of the theory is a sum of a
    real function over that list, or over the part of it that a boolean mask selects. *)
From Coq Require Import Reals List Lra Bool Permutation.
Import ListNotations.
Open Scope R_scope.

Section Sums.
Context {A : Type}.
Implicit Types (l : list A) (f g : A -> R) (p : A -> bool).

Fixpoint sum f l : R :=
  match l with
  | [] => 0
  | a :: rest => f a + sum f rest
  end.

(** [restrict p f] is f where the mask p holds and 0 elsewhere. *)
Definition restrict p f (a : A) : R := if p a then f a else 0.

(** How many keys the mask selects, as a real number. *)
Definition count p l : R := sum (restrict p (fun _ => 1)) l.

Definition complement p (a : A) : bool := negb (p a).

Lemma sum_ext f g l : (forall a, In a l -> f a = g a) -> sum f l = sum g l.
Proof.
  induction l as [|a l IH]; intros H; cbn [sum]; trivial.
  rewrite (H a (or_introl eq_refl)), IH; trivial. intros b Hb. apply H. now right.
Qed.

Lemma sum_plus f g l : sum (fun a => f a + g a) l = sum f l + sum g l.
Proof. induction l as [|a l IH]; cbn [sum]; [ring | rewrite IH; ring]. Qed.

Lemma sum_minus f g l : sum (fun a => f a - g a) l = sum f l - sum g l.
Proof. induction l as [|a l IH]; cbn [sum]; [ring | rewrite IH; ring]. Qed.

Lemma sum_scale c f l : sum (fun a => c * f a) l = c * sum f l.
Proof. induction l as [|a l IH]; cbn [sum]; [ring | rewrite IH; ring]. Qed.

Lemma sum_scale_right c f l : sum (fun a => f a * c) l = sum f l * c.
Proof. induction l as [|a l IH]; cbn [sum]; [ring | rewrite IH; ring]. Qed.

Lemma sum_divide c f l : sum (fun a => f a / c) l = sum f l / c.
Proof. apply sum_scale_right. Qed.

Lemma sum_le f g l : (forall a, In a l -> f a <= g a) -> sum f l <= sum g l.
Proof.
  induction l as [|a l IH]; intros H; cbn [sum]; [lra|].
  apply Rplus_le_compat; [apply H; now left | apply IH; intros b Hb; apply H; now right].
Qed.

Lemma sum_zero l : sum (fun _ => 0) l = 0.
Proof. induction l as [|a l IH]; cbn [sum]; lra. Qed.

Lemma sum_nonneg f l : (forall a, In a l -> 0 <= f a) -> 0 <= sum f l.
Proof. intros H. rewrite <- (sum_zero l). now apply sum_le. Qed.

Lemma sum_constant c l : sum (fun _ => c) l = INR (length l) * c.
Proof.
  induction l as [|a l IH]; cbn [sum length]; [cbn [INR]; ring|].
  rewrite S_INR, IH. ring.
Qed.

Lemma sum_positive f l a :
  (forall b, In b l -> 0 <= f b) -> In a l -> 0 < f a -> 0 < sum f l.
Proof.
  induction l as [|b l IH]; intros Hn Hi Hp; [easy|]. cbn [sum].
  assert (0 <= f b) by (apply Hn; now left).
  assert (0 <= sum f l) by (apply sum_nonneg; intros c Hc; apply Hn; now right).
  destruct Hi as [->|Hi]; [lra|].
  assert (0 < sum f l) by (apply IH; trivial; intros c Hc; apply Hn; now right).
  lra.
Qed.

(** A sum of non-negative terms that is zero has only zero terms. *)
Lemma sum_zero_inversion f l a :
  (forall b, In b l -> 0 <= f b) -> sum f l = 0 -> In a l -> f a = 0.
Proof.
  intros Hn H0 Ha. destruct (Rle_lt_or_eq_dec 0 (f a) (Hn a Ha)) as [Hp|]; [|lra].
  pose proof (sum_positive f l a Hn Ha Hp). lra.
Qed.

Lemma sum_append f l m : sum f (l ++ m) = sum f l + sum f m.
Proof. induction l as [|a l IH]; cbn [sum app]; [ring | rewrite IH; ring]. Qed.

Lemma sum_abs_le f l : Rabs (sum f l) <= sum (fun a => Rabs (f a)) l.
Proof.
  induction l as [|a l IH]; cbn [sum]; [rewrite Rabs_R0; lra|].
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

(** Kept and tail parts together are the whole. *)
Lemma sum_split p f l :
  sum f l = sum (restrict p f) l + sum (restrict (complement p) f) l.
Proof.
  rewrite <- sum_plus. apply sum_ext. intros a _. unfold restrict, complement.
  destruct (p a); cbn [negb]; ring.
Qed.

Lemma sum_restrict_filter p f l : sum (restrict p f) l = sum f (filter p l).
Proof.
  induction l as [|a l IH]; cbn [sum filter]; trivial.
  unfold restrict at 1. rewrite IH. destruct (p a); cbn [sum]; ring.
Qed.

Lemma count_length p l : count p l = INR (length (filter p l)).
Proof. unfold count. rewrite sum_restrict_filter, sum_constant. ring. Qed.

Lemma count_nonneg p l : 0 <= count p l.
Proof. rewrite count_length. apply pos_INR. Qed.

Lemma count_complement p l : count (complement p) l = INR (length l) - count p l.
Proof.
  unfold count. pose proof (sum_split p (fun _ => 1) l) as H.
  rewrite sum_constant in H. lra.
Qed.

Lemma restrict_nonneg p f a : 0 <= f a -> 0 <= restrict p f a.
Proof. unfold restrict. destruct (p a); lra. Qed.

(** Σ c over a mask = (number of selected keys) · c: the multiplicity that a blockwise bound must carry. *)
Lemma sum_restrict_constant p c l : sum (restrict p (fun _ => c)) l = count p l * c.
Proof.
  unfold count. rewrite <- sum_scale_right. apply sum_ext. intros a _.
  unfold restrict. destruct (p a); ring.
Qed.

Lemma sum_restrict_le p f g l :
  (forall a, In a l -> p a = true -> f a <= g a) ->
  sum (restrict p f) l <= sum (restrict p g) l.
Proof.
  intros H. apply sum_le. intros a Ha. unfold restrict.
  destruct (p a) eqn:E; [now apply H | lra].
Qed.

(** Weighted Cauchy–Schwarz, from the sign of the quadratic t ↦ Σ w (x − t)². *)
Lemma cauchy_schwarz_weighted (w x : A -> R) l :
  (forall a, In a l -> 0 <= w a) ->
  sum (fun a => w a * x a) l ^ 2 <= sum w l * sum (fun a => w a * x a ^ 2) l.
Proof.
  intros Hw. set (S := sum (fun a => w a * x a) l). set (W := sum w l).
  set (Q := sum (fun a => w a * x a ^ 2) l).
  assert (HW : 0 <= W) by now apply sum_nonneg.
  assert (H : forall t, 0 <= Q - 2 * t * S + t ^ 2 * W).
  { intros t. replace (Q - 2 * t * S + t ^ 2 * W) with (sum (fun a => w a * (x a - t) ^ 2) l).
    - apply sum_nonneg. intros a Ha. apply Rmult_le_pos; [now apply Hw | apply pow2_ge_0].
    - unfold Q, S, W. rewrite <- !sum_scale, <- sum_minus, <- sum_plus.
      apply sum_ext. intros a _. ring. }
  destruct (Rle_lt_or_eq_dec 0 W HW) as [HWp|HW0].
  - specialize (H (S / W)). apply Rmult_le_compat_l with (r := W) in H; [|lra].
    replace (W * (Q - 2 * (S / W) * S + (S / W) ^ 2 * W)) with (W * Q - S ^ 2) in H by (field; lra).
    lra.
  - rewrite <- HW0. destruct (Req_dec S 0) as [->|HS]; [lra|].
    exfalso. specialize (H ((Q + 1) / (2 * S))). rewrite <- HW0 in H.
    replace (Q - 2 * ((Q + 1) / (2 * S)) * S + ((Q + 1) / (2 * S)) ^ 2 * 0) with (-1) in H
      by (field; lra).
    lra.
Qed.
End Sums.

(** Sums over another index. *)
Lemma sum_map {A B} (g : A -> B) (f : B -> R) l : sum f (map g l) = sum (fun a => f (g a)) l.
Proof. induction l as [|a l IH]; cbn [sum map]; [trivial | now rewrite IH]. Qed.

Lemma sum_flat_map {A B} (members : B -> list A) (f : A -> R) bs :
  sum f (flat_map members bs) = sum (fun b => sum f (members b)) bs.
Proof. induction bs as [|b bs IH]; cbn [sum flat_map]; [trivial | now rewrite sum_append, IH]. Qed.

Lemma sum_swap {A B} (f : A -> B -> R) la lb :
  sum (fun a => sum (f a) lb) la = sum (fun b => sum (fun a => f a b) la) lb.
Proof.
  induction la as [|a la IH]; cbn [sum]; [now rewrite sum_zero | now rewrite IH, <- sum_plus].
Qed.

Lemma sum_list_prod {A B} (f : A * B -> R) la lb :
  sum f (list_prod la lb) = sum (fun a => sum (fun b => f (a, b)) lb) la.
Proof.
  induction la as [|a la IH]; cbn [sum list_prod]; [trivial | now rewrite sum_append, sum_map, IH].
Qed.

Lemma sum_permutation {A} (f : A -> R) l m : Permutation l m -> sum f l = sum f m.
Proof. intros H. induction H; cbn [sum]; lra. Qed.
