(** T22: what a perturbation of the scores does to the tail mass and to the distribution. *)
From Coq Require Import Reals List Lra Bool.
From TopK Require Import FiniteSums Softmax Divergences ScoreBounds.
Import ListNotations.
Open Scope R_scope.

Lemma abs_le_inversion x r : Rabs x <= r -> - r <= x <= r.
Proof. pose proof (Rle_abs x). pose proof (Rle_abs (- x)). rewrite Rabs_Ropp in *. lra. Qed.

Section Perturbation.
Context {A : Type}.
Variables (keys : list A) (s s_hat delta : A -> R) (kept : A -> bool).
Hypothesis a_kept_key : exists a, In a keys /\ kept a = true.
Hypothesis close : forall a, In a keys -> Rabs (s a - s_hat a) <= delta a.

Let w (a : A) := exp (s a).

Theorem perturbed_tail_mass :
  let tail := sum (restrict (complement kept) (fun a => exp (s_hat a + delta a))) keys in
  let head := sum (restrict kept (fun a => exp (s_hat a - delta a))) keys in
  tail_mass keys w kept <= tail / (head + tail).
Proof.
  intros tail head. destruct a_kept_key as (k & Hk & Ek).
  assert (Hexp : forall f : A -> R, 0 < sum (restrict kept (fun a => exp (f a))) keys).
  { intros f. apply (sum_positive _ keys k); trivial.
    - intros b _. apply restrict_nonneg, Rlt_le, exp_pos.
    - unfold restrict. rewrite Ek. apply exp_pos. }
  apply tail_mass_upper.
  - intros a _. apply Rlt_le, exp_pos.
  - apply sum_restrict_le. intros a Ha _. apply exp_le.
    specialize (close a Ha). apply abs_le_inversion in close. lra.
  - split; [apply Hexp|]. apply sum_restrict_le. intros a Ha _. apply exp_le.
    specialize (close a Ha). apply abs_le_inversion in close. lra.
Qed.
End Perturbation.

(** The hyperbolic tangent of δ/2 in the form that the proof produces. *)
Lemma tanh_half d : tanh (d / 2) = (1 - exp (- d)) / (1 + exp (- d)).
Proof.
  unfold tanh, sinh, cosh. pose proof (exp_pos (d / 2)). pose proof (exp_pos (- (d / 2))). pose proof (exp_pos (- d)).
  replace (exp (- d)) with (exp (- (d / 2)) * exp (- (d / 2))) by (rewrite <- exp_plus; f_equal; field).
  assert (E : exp (d / 2) * exp (- (d / 2)) = 1) by (rewrite <- exp_plus, <- exp_0; f_equal; ring).
  set (x := exp (d / 2)) in *. set (y := exp (- (d / 2))) in *.
  apply Rmult_eq_reg_r with ((x + y) * (1 + y * y)); [|apply Rgt_not_eq, Rmult_lt_0_compat; nra].
  replace ((x - y) / 2 / ((x + y) / 2) * ((x + y) * (1 + y * y))) with ((x - y) * (1 + y * y)) by (field; lra).
  replace ((1 - y * y) / (1 + y * y) * ((x + y) * (1 + y * y))) with ((1 - y * y) * (x + y)) by (field; nra).
  replace ((x - y) * (1 + y * y)) with (x - y + (x * y) * y - y * y * y) by ring.
  replace ((1 - y * y) * (x + y)) with (x + y - (x * y) * y - y * y * y) by ring.
  rewrite E. ring.
Qed.

(** Two probabilities of one event whose odds differ by at most e^{±2δ}. *)
Lemma odds_difference a b a' b' theta :
  0 <= a -> 0 <= b -> 0 < theta <= 1 -> 0 < a + b -> 0 < a' + b' -> 0 <= a' -> 0 <= b' ->
  theta * a <= a' -> theta * b' <= b ->
  a / (a + b) - a' / (a' + b') <= (1 - theta) / (1 + theta).
Proof.
  intros Ha Hb Ht Hab Hab' Ha' Hb' H1 H2.
  apply Rmult_le_reg_r with ((a + b) * (a' + b') * (1 + theta));
    [repeat apply Rmult_lt_0_compat; lra|].
  replace ((a / (a + b) - a' / (a' + b')) * ((a + b) * (a' + b') * (1 + theta)))
    with ((a * b' - a' * b) * (1 + theta)) by (field; lra).
  replace ((1 - theta) / (1 + theta) * ((a + b) * (a' + b') * (1 + theta)))
    with ((1 - theta) * ((a + b) * (a' + b'))) by (field; lra).
  (* a b' (1+θ) ≤ …: with α = a' − θa ≥ 0 and β = b − θb' ≥ 0 the difference is a sum of squares and products *)
  set (alpha := a' - theta * a). set (beta := b - theta * b').
  assert (0 <= alpha) by (unfold alpha; lra). assert (0 <= beta) by (unfold beta; lra).
  replace a' with (theta * a + alpha) by (unfold alpha; ring).
  replace b with (theta * b' + beta) by (unfold beta; ring).
  assert (0 <= (1 - theta) * theta * ((a - b') * (a - b'))).
  { apply Rmult_le_pos; [apply Rmult_le_pos; lra | apply Rle_0_sqr]. }
  assert (0 <= a * alpha) by (apply Rmult_le_pos; lra).
  assert (0 <= a * beta) by (apply Rmult_le_pos; lra).
  assert (0 <= alpha * b') by (apply Rmult_le_pos; lra).
  assert (0 <= beta * b') by (apply Rmult_le_pos; lra).
  assert (0 <= alpha * beta) by (apply Rmult_le_pos; lra).
  nra.
Qed.

Section TotalVariation.
Context {A : Type}.
Variables (keys : list A) (s s_hat : A -> R) (delta : R).
Hypothesis nonempty : keys <> [].
Hypothesis close : forall a, In a keys -> Rabs (s a - s_hat a) <= delta.

Let w (a : A) := exp (s a).
Let w_hat (a : A) := exp (s_hat a).

Lemma total_exp_positive (f : A -> R) : 0 < total keys (fun a => exp (f a)).
Proof.
  destruct keys as [|k rest] eqn:E; [now elim nonempty|].
  apply (sum_positive _ _ k); [intros; apply Rlt_le, exp_pos | now left | apply exp_pos].
Qed.

(** Total variation is the difference on the set where p exceeds q. *)
Lemma total_variation_event (p q : A -> R) :
  sum p keys = sum q keys ->
  total_variation keys p q = sum (restrict (fun a => if Rle_dec (p a) (q a) then false else true) (fun a => p a - q a)) keys.
Proof.
  intros Heq. unfold total_variation.
  set (more := fun a => if Rle_dec (p a) (q a) then false else true).
  rewrite (sum_ext _ (fun a => 2 * restrict more (fun b => p b - q b) a - (p a - q a))).
  - rewrite sum_minus, sum_scale, sum_minus, Heq. field.
  - intros a _. unfold restrict, more. destruct (Rle_dec (p a) (q a)).
    + rewrite Rabs_left1; lra.
    + rewrite Rabs_pos_eq; lra.
Qed.

Theorem perturbed_total_variation :
  0 <= delta -> total_variation keys (attention keys w) (attention keys w_hat) <= tanh (delta / 2).
Proof.
  intros Hd.
  pose proof (total_exp_positive s) as HZ. pose proof (total_exp_positive s_hat) as HZ'. fold w in HZ. fold w_hat in HZ'.
  assert (Hone : forall f : A -> R, 0 < total keys (fun a => exp (f a)) ->
            sum (attention keys (fun a => exp (f a))) keys = 1).
  { intros f Hf. unfold attention. rewrite sum_divide. fold (total keys (fun a => exp (f a))). field. lra. }
  rewrite total_variation_event by (unfold w, w_hat; rewrite !Hone; trivial).
  set (event := fun a => _ : bool).
  set (a := sum (restrict event w) keys). set (b := sum (restrict (complement event) w) keys).
  set (a' := sum (restrict event w_hat) keys). set (b' := sum (restrict (complement event) w_hat) keys).
  assert (EZ : total keys w = a + b) by apply sum_split.
  assert (EZ' : total keys w_hat = a' + b') by apply sum_split.
  assert (Hnn : forall (m : A -> bool) f, 0 <= sum (restrict m (fun a => exp (f a))) keys).
  { intros m f. apply sum_nonneg. intros c _. apply restrict_nonneg, Rlt_le, exp_pos. }
  rewrite (sum_ext _ (fun c => restrict event w c / total keys w - restrict event w_hat c / total keys w_hat)).
  2: { intros c _. unfold restrict, attention. destruct (event c); unfold Rdiv; ring. }
  rewrite sum_minus, !sum_divide. fold a a'. rewrite EZ, EZ' in *.
  rewrite tanh_half. apply odds_difference; trivial; try apply Hnn.
  - split; [apply exp_pos|]. rewrite <- exp_0. apply exp_le. lra.
  - unfold a, a'. rewrite <- sum_scale. apply sum_le. intros c Hc. unfold restrict. destruct (event c); [|lra].
    unfold w, w_hat. rewrite <- exp_plus. apply exp_le. specialize (close c Hc). apply abs_le_inversion in close. lra.
  - unfold b, b'. rewrite <- sum_scale. apply sum_le. intros c Hc. unfold restrict. destruct (complement event c); [|lra].
    unfold w, w_hat. rewrite <- exp_plus. apply exp_le. specialize (close c Hc). apply abs_le_inversion in close. lra.
Qed.
End TotalVariation.
