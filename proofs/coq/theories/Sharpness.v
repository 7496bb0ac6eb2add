(** The hypotheses can be met, the bounds are attained, and the tempting variants of the theorems are false.

    A proof file that no longer compiles shows little: a tactic may fail for any reason. So each classical mistake is
    refuted here by a concrete row: [~ (forall …)] for the wrong statement. *)
From Coq Require Import Reals List Lra Bool.
From TopK Require Import FiniteSums Softmax Divergences ScoreBounds OutputError Perturbation.
Import ListNotations.
Open Scope R_scope.

(** Two keys of equal weight, one kept: τ = 1/2. *)
Definition pair : list bool := [true; false].
Definition keep_true (b : bool) : bool := b.
Definition even_weight (_ : bool) : R := 1.

Lemma pair_nonneg : forall b, In b pair -> 0 <= even_weight b.
Proof. intros b _. unfold even_weight. lra. Qed.

Lemma pair_kept : 0 < kept_sum pair even_weight keep_true.
Proof. unfold kept_sum, restrict, even_weight, pair. cbn. lra. Qed.

Lemma pair_tau : tail_mass pair even_weight keep_true = / 2.
Proof. unfold tail_mass, tail_sum, total, restrict, complement, even_weight, pair. cbn. lra. Qed.

(** ** Attained *)

Example identity_not_vacuous :
  total_variation pair (attention pair even_weight) (truncated pair even_weight keep_true) = / 2.
Proof. rewrite (tail_mass_identity pair even_weight keep_true pair_nonneg pair_kept). apply pair_tau. Qed.

(** The single-gap bound with gap 0 gives exactly τ. *)
Example single_gap_attained :
  let n := INR (length pair) in
  let k := count keep_true pair in
  tail_mass pair even_weight keep_true = (n - k) * exp (- 0) / (k + (n - k) * exp (- 0)).
Proof. cbv zeta. rewrite pair_tau, Ropp_0, exp_0. unfold count, restrict, pair. cbn. lra. Qed.

(** Values 0 and 1 on the line: the variance bound and the diameter bound are equalities. *)
Definition step_value (b : bool) (_ : unit) : R := if b then 0 else 1.

Lemma pair_output_gap c : output pair even_weight step_value c - truncated_output pair even_weight keep_true step_value c = / 2.
Proof.
  unfold output, truncated_output, attention, truncated, total, kept_sum, restrict, even_weight, pair. cbn. lra.
Qed.

Lemma pair_output_error : output_error pair even_weight keep_true [tt] step_value = / 2.
Proof.
  unfold output_error. rewrite (norm_ext [tt] _ (fun _ => / 2)) by (intros; apply pair_output_gap).
  unfold norm, inner. cbn [sum]. rewrite Rplus_0_r. apply sqrt_square. lra.
Qed.

Lemma pair_variance : variance pair even_weight [tt] step_value = / 4.
Proof.
  assert (Hn : forall b, norm [tt] (fun c => step_value b c - output pair even_weight step_value c) ^ 2 = / 4).
  { intros b. cbn [pow]. rewrite Rmult_1_r, norm_squared. unfold inner, output, attention, total, even_weight, pair.
    destruct b; cbn; lra. }
  unfold variance. rewrite (sum_ext _ (fun b => attention pair even_weight b * / 4)) by (intros b _; now rewrite Hn).
  rewrite sum_scale_right, (attention_sum_one pair even_weight keep_true pair_nonneg pair_kept). lra.
Qed.

Example variance_bound_attained :
  let tau := tail_mass pair even_weight keep_true in
  output_error pair even_weight keep_true [tt] step_value
  = sqrt (tau / (1 - tau)) * sqrt (variance pair even_weight [tt] step_value).
Proof.
  cbv zeta. rewrite pair_output_error, pair_variance, pair_tau.
  replace (/ 2 / (1 - / 2)) with 1 by field. rewrite sqrt_1.
  replace (/ 4) with (/ 2 * / 2) by field. rewrite sqrt_square by lra. lra.
Qed.

(** Two keys with odds e^±δ around even: the perturbation bound tanh(δ/2) is an equality. *)
Definition tilted (d : R) (b : bool) : R := if b then d / 2 else - (d / 2).

Example perturbation_attained (d : R) : 0 <= d ->
  total_variation pair (attention pair (fun b => exp (tilted d b))) (attention pair (fun b => exp (tilted (- d) b)))
  = tanh (d / 2).
Proof.
  intros Hd. unfold total_variation, attention, total, tilted, pair, tanh, sinh, cosh. cbn [sum].
  pose proof (exp_pos (d / 2)) as P. pose proof (exp_pos (- (d / 2))) as Q.
  replace (- d / 2) with (- (d / 2)) by field. replace (- - (d / 2)) with (d / 2) by ring.
  assert (exp (- (d / 2)) <= exp (d / 2)) by (apply exp_le; lra).
  set (x := exp (d / 2)) in *. set (y := exp (- (d / 2))) in *.
  replace (x / (x + (y + 0)) - y / (y + (x + 0))) with ((x - y) / (x + y)) by (field; lra).
  replace (y / (x + (y + 0)) - x / (y + (x + 0))) with (- ((x - y) / (x + y))) by (field; lra).
  rewrite Rabs_Ropp, Rabs_pos_eq.
  - field. lra.
  - apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra].
Qed.

(** ** Refuted *)

(** Half the tail mass is not the total variation. *)
Theorem half_of_tau_is_wrong :
  ~ (forall (keys : list bool) w kept, (forall b, In b keys -> 0 <= w b) -> 0 < kept_sum keys w kept ->
       total_variation keys (attention keys w) (truncated keys w kept) <= tail_mass keys w kept / 2).
Proof.
  intros H. specialize (H pair even_weight keep_true pair_nonneg pair_kept).
  rewrite identity_not_vacuous, pair_tau in H. lra.
Qed.

(** A block counted once instead of once per key. *)
Theorem block_multiplicity_matters :
  ~ (forall (blocks : list (block bool)) w kept,
       (forall b, In b blocks -> forall a, In a (members b) -> exp (block_low b) <= w a <= exp (block_high b)) ->
       0 < kept_sum (flat_map members blocks) w kept ->
       let tail_once := sum (fun b => exp (block_high b)) (filter (fun b => negb (forallb kept (members b))) blocks) in
       let kept_once := sum (fun b => exp (block_low b)) (filter (fun b => existsb kept (members b)) blocks) in
       tail_mass (flat_map members blocks) w kept <= tail_once / (kept_once + tail_once)).
Proof.
  intros H. specialize (H [Block [true] 0 0; Block [false; false] 0 0] even_weight keep_true).
  assert (Hr : forall b, In b [Block [true] 0 0; Block [false; false] 0 0] -> forall a, In a (members b) ->
            exp (block_low b) <= even_weight a <= exp (block_high b)).
  { intros b [<-|[<-|[]]] a _; cbn [block_low block_high]; rewrite exp_0; unfold even_weight; lra. }
  specialize (H Hr). cbn in H. unfold kept_sum, restrict, even_weight, keep_true in H. cbn in H.
  specialize (H ltac:(lra)). unfold tail_mass, tail_sum, total, restrict, complement, even_weight in H. cbn in H.
  rewrite exp_0 in H. lra.
Qed.

(** The gap bound on a set that is not the top-k: the kept key lies one below the tail key, so the "gap" is −1, and
    its absolute value does not do. *)
Theorem gap_needs_a_true_top_k :
  ~ (forall (keys : list bool) (s : bool -> R) kept gap,
       0 < kept_sum keys (fun b => exp (s b)) kept ->
       (forall a b, In a keys -> In b keys -> kept a = true -> kept b = false -> Rabs (s a - s b) = gap) ->
       let n := INR (length keys) in
       let k := count kept keys in
       tail_mass keys (fun b => exp (s b)) kept <= (n - k) * exp (- gap) / (k + (n - k) * exp (- gap))).
Proof.
  intros H. set (s := fun b : bool => if b then 0 else 1). specialize (H pair s keep_true 1). cbv zeta in H.
  assert (Hc : count keep_true pair = 1) by (unfold count, restrict, pair; cbn; ring).
  assert (Hn : INR (length pair) = 2) by (cbn; ring). rewrite Hc, Hn in H.
  assert (Ht : tail_mass pair (fun b => exp (s b)) keep_true = exp 1 / (1 + exp 1)).
  { pose proof (exp_pos 1). unfold tail_mass, tail_sum, total, restrict, complement, pair, s. cbn. rewrite exp_0. field. lra. }
  rewrite Ht in H. pose proof (exp_pos 1) as Hp1. pose proof (exp_pos (- 1)) as Hp.
  assert (Hl : 1 < exp 1).
  { apply Rle_lt_trans with (exp 0); [rewrite exp_0; lra | apply exp_increasing; lra]. }
  assert (Hi : exp (- 1) < 1).
  { apply Rlt_le_trans with (exp 0); [apply exp_increasing; lra | rewrite exp_0; lra]. }
  assert (B : exp 1 / (1 + exp 1) <= (2 - 1) * exp (- 1) / (1 + (2 - 1) * exp (- 1))).
  { apply H.
    - unfold kept_sum, restrict, pair, s. cbn. rewrite exp_0. lra.
    - intros a b _ _ Ha Hb. unfold keep_true in Ha, Hb. subst. unfold s. rewrite Rabs_left; lra. }
  assert (/ 2 < exp 1 / (1 + exp 1)).
  { apply Rmult_lt_reg_r with (1 + exp 1); [lra|]. replace (exp 1 / (1 + exp 1) * (1 + exp 1)) with (exp 1) by (field; lra). lra. }
  assert ((2 - 1) * exp (- 1) / (1 + (2 - 1) * exp (- 1)) < / 2).
  { apply Rmult_lt_reg_r with (1 + (2 - 1) * exp (- 1)); [lra|].
    replace ((2 - 1) * exp (- 1) / (1 + (2 - 1) * exp (- 1)) * (1 + (2 - 1) * exp (- 1))) with (exp (- 1)) by (field; lra). lra. }
  lra.
Qed.

(** The variance bound without its factor 1/(1 − τ). *)
Theorem variance_bound_needs_its_factor :
  ~ (forall (keys : list bool) w kept (v : bool -> unit -> R), (forall b, In b keys -> 0 <= w b) -> 0 < kept_sum keys w kept ->
       output_error keys w kept [tt] v <= sqrt (tail_mass keys w kept) * sqrt (variance keys w [tt] v)).
Proof.
  intros H. specialize (H pair even_weight keep_true step_value pair_nonneg pair_kept).
  rewrite pair_output_error, pair_variance, pair_tau in H.
  replace (/ 4) with (/ 2 * / 2) in H by field. rewrite sqrt_square in H by lra.
  assert (sqrt (/ 2) < 1) by (rewrite <- sqrt_1; apply sqrt_lt_1; lra). lra.
Qed.

(** The diameter over the tail alone: two kept-tail values that differ, one tail value. *)
Theorem diameter_must_cross :
  ~ (forall (keys : list bool) w kept (v : bool -> unit -> R) d, (forall b, In b keys -> 0 <= w b) -> 0 < kept_sum keys w kept ->
       (forall i j, In i keys -> In j keys -> kept i = false -> kept j = false -> norm [tt] (fun c => v j c - v i c) <= d) ->
       output_error keys w kept [tt] v <= tail_mass keys w kept * d).
Proof.
  intros H. specialize (H pair even_weight keep_true step_value 0 pair_nonneg pair_kept).
  rewrite pair_output_error, pair_tau in H.
  assert (/ 2 <= / 2 * 0); [|lra]. apply H.
  intros i j _ _ Hi Hj. unfold keep_true in Hi, Hj. subst.
  unfold norm, inner, step_value. cbn. replace ((1 - 1) * (1 - 1) + 0) with 0 by ring. rewrite sqrt_0. lra.
Qed.

(** Without a kept key there is no truncation: the KL identity reads 0 = −ln 0. *)
Example an_empty_kept_set_breaks_it :
  tail_mass [false] even_weight keep_true = 1 /\ kl_divergence [false] (truncated [false] even_weight keep_true) (attention [false] even_weight) = 0.
Proof.
  split.
  - unfold tail_mass, tail_sum, total, restrict, complement, even_weight. cbn. field.
  - unfold kl_divergence, truncated, restrict. cbn. unfold Rdiv. ring.
Qed.
