(** The program that T23 is about, run inside Coq on Flocq's binary64, gives the bits that NumPy gave on every vector. *)
From Coq Require Import ZArith List Bool.
From Flocq Require Import BinarySingleNaN.
From TopK Require Import Binary64 Exponential TailMass Vectors.
Import ListNotations.

Definition float_of (c : Z * Z) : binary64 := dyadic (fst c) (snd c).
Definition score_of (s : option (Z * Z)) : binary64 :=
  match s with Some c => float_of c | None => minus_infinity end.

(** Equality of finite floats: same mantissa and exponent; the sign of a zero is not compared. *)
Definition same (x y : binary64) : bool :=
  match x, y with
  | B754_finite s m e _, B754_finite s' m' e' _ => Bool.eqb s s' && Pos.eqb m m' && Z.eqb e e'
  | B754_zero _, B754_zero _ => true
  | _, _ => false
  end.

Definition exponentials_agree (g : grade) (cases : list (option (Z * Z) * (Z * Z))) : bool :=
  forallb (fun c => same (exponential (coefficients g) (score_of (fst c))) (float_of (snd c))) cases.

Definition intervals_agree (g : grade) (cases : list (list (bool * option (Z * Z)) * ((Z * Z) * (Z * Z)))) : bool :=
  forallb (fun c =>
    let row := map (fun k => (fst k, score_of (snd k))) (fst c) in
    let (lower, upper) := tail_mass_interval g row in
    same lower (float_of (fst (snd c))) && same upper (float_of (snd (snd c)))) cases.

Theorem exponentials_fast_agree : exponentials_agree Fast exponentials_fast = true.
Proof. vm_compute. reflexivity. Qed.
Theorem exponentials_exact_agree : exponentials_agree Exact exponentials_exact = true.
Proof. vm_compute. reflexivity. Qed.
Theorem intervals_fast_agree : intervals_agree Fast intervals_fast = true.
Proof. vm_compute. reflexivity. Qed.
Theorem intervals_exact_agree : intervals_agree Exact intervals_exact = true.
Proof. vm_compute. reflexivity. Qed.
