(* mutate: IZR exponential_units_fast -> IZR (exponential_units_fast - 6); refused with: Cannot find witness *)
(** The units that the fast grade charges for a weight cover its polynomial, its Horner steps and its reduction. *)
From Coq Require Import Reals ZArith Lra.
From TopK Require Import Binary64 Constants.
Open Scope R_scope.

Goal 1 <= (1 + IZR exponential_units_fast * u) * (1 - IZR (17825792 + 4) * u) * (1 - 445 * u).
Proof. rewrite u_value, ?minus_IZR, plus_IZR. unfold exponential_units_fast. lra. Qed.
