"""How another implementation is tested: read the vectors, answer, write the answers. This one is what people write.

It needs the vectors file and its description (certify/schemas/README.md) alone, NumPy, and nothing of this package:

    python examples/naive_conformance.py conformance-suite.json answers.json
    certify conform conformance-suite.json answers.json
"""

import json
import sys

import numpy as np

np.seterr(all="ignore")


def number(found):
    return float.fromhex(found) if isinstance(found, str) else found


def inputs_of(case):
    given = {}
    for name, found in case["inputs"].items():
        if isinstance(found, dict):
            given[name] = np.array(
                [[number(x) for x in row] if isinstance(row, list) else number(row) for row in found["data"]]
            )
        else:
            given[name] = np.array(found) if isinstance(found, list) else number(found) if "0x" in str(found) else found
    return given


def scores_of(given):
    return given["scores"] if "scores" in given else given["key"] @ given["query"]  # the scale is forgotten


def softmax(scores):
    weights = np.exp(scores)  # and so is the maximum
    return weights / weights.sum()


def tail_mass(given):
    return 1 - softmax(scores_of(given))[given["kept"]].sum()


def kl(given):
    p = softmax(scores_of(given))[given["kept"]]
    return (p * np.log(p / (p / p.sum()))).sum()


def squared_hellinger(given):
    return 1 - np.sqrt(1 - tail_mass(given))


def chi_squared(given):
    return tail_mass(given) / (1 - tail_mass(given))


def gap_bound(given):
    tail = (given["n"] - given["k"]) * np.exp(-given["gap"])
    return tail / (given["k"] + tail)


def block_bound_upper(given):
    tail = kept = 0.0
    for block in np.unique(given["blocks"]):
        inside = given["blocks"] == block
        if (inside & ~given["kept"]).any():
            tail += np.exp(given["scores"][inside].max())  # once, though the block has many keys
        kept += (inside & given["kept"]).sum() * np.exp(given["scores"][inside].min())
    return tail / (tail + kept)


def block_mean_bound_upper(given):
    tail = kept = 0.0
    for block in np.unique(given["blocks"]):
        inside = given["blocks"] == block
        dropped = given["scores"][inside & ~given["kept"]]
        tail += len(dropped) * np.exp(dropped.mean()) if len(dropped) else 0.0
        kept += (inside & given["kept"]).sum() * np.exp(given["scores"][inside].min())
    return tail / (tail + kept)


def tail_mass_from_log_sum_exp_upper(given):
    return 1 - 2.0 ** (given["kept_lse"] - given["all_lse"])


def diameter_bound(given):
    dropped = given["value"][~given["kept"]]
    apart = [np.linalg.norm(a - b) for a in dropped for b in dropped]
    return tail_mass(given) * max(apart, default=0.0)


def output_error(given):
    p, kept = softmax(scores_of(given)), given["kept"]
    return np.linalg.norm(p @ given["value"] - (p[kept] / p[kept].sum()) @ given["value"][kept])


def smallest_k(given):
    rest = 1 - np.cumsum(np.sort(softmax(given["scores"]))[::-1])
    return int(np.argmax(rest <= given["eps"])) + 1


VALUES = (tail_mass, kl, squared_hellinger, chi_squared, output_error, smallest_k)
UPPER_BOUNDS = (gap_bound, block_bound_upper, block_mean_bound_upper, tail_mass_from_log_sum_exp_upper, diameter_bound)


def main(vectors, results):
    with open(vectors) as file:
        cases = json.load(file)["cases"]
    answers = []
    for case in cases:
        for function in VALUES + UPPER_BOUNDS:
            if function.__name__ == case["quantity"]:
                said = float(function(inputs_of(case)))
                answers.append({"case": case["case"], "upper" if function in UPPER_BOUNDS else "value": said.hex()})
    with open(results, "w") as file:
        json.dump({"schema": "topk-results/1", "implementation": "naive NumPy", "answers": answers}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
