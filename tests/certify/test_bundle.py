"""Bundles: what is written is what is read, in every format; and every bad file is refused with its own clear line."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import certify
from certify.bundle import Bundle, open_bundle
from certify.certificate import Certificate
from certify.errors import BadBundle, BadClaim, BadInput, BadKept, BadScores, BadValues, UnknownSchema

HEADER = {"schema": "topk-certificate/1", "level": "scores"}
SCHEMA = json.loads((Path(certify.__file__).parent / "schemas" / "topk-certificate-1.json").read_text())


def certificate(dtype: Any = np.float32, rows: tuple[int, ...] = (2, 3), n: int = 7, **changes: Any) -> Certificate:
    r = np.random.default_rng(7)
    scores = r.normal(0, 2, (*rows, n)).astype(dtype)
    kept = scores >= np.sort(scores, axis=-1)[..., -3, None]
    parts: dict[str, Any] = {
        "scores": scores,
        "kept": kept,
        "tv_upper": np.full(rows, 0.9),
        "kl_upper": np.full(rows, 5.0),
        "producer": "test",
        "top_k": True,
    }
    if len(rows) > 1:
        parts["value"] = r.normal(size=(*rows[:-1], n, 4)).astype(dtype)
        parts["output_error_upper"] = np.full(rows, 100.0)
    return Certificate(**(parts | changes))


def same(left: Certificate, right: Certificate) -> None:
    assert left.header == right.header
    assert left.tensors().keys() == right.tensors().keys()
    for name, array in left.tensors().items():
        other = right.tensors()[name]
        assert array.dtype.newbyteorder("=") == other.dtype.newbyteorder("="), name
        assert array.shape == other.shape, name
        assert array.astype(other.dtype).tobytes() == other.tobytes(), name


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.dtype(">f4")])
def test_round_trip(tmp_path: Path, suffix: str, dtype: Any) -> None:
    written = certificate(dtype)
    written.save(tmp_path / f"c{suffix}")
    same(written, Certificate.load(tmp_path / f"c{suffix}"))
    assert certify.audit(tmp_path / f"c{suffix}").verdicts == certify.audit(written).verdicts


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_round_trip_of_one_row_as_json(tmp_path: Path, dtype: Any) -> None:
    scores = np.array([[1.5, -np.inf, 0.25, 3.0]], dtype=dtype)
    kept = np.array([[True, False, False, True]])
    written = Certificate(
        scores=scores,
        kept=kept,
        tv_upper=np.array([0.1]),
        value=np.ones((4, 2), dtype),
        output_error_upper=np.array([0.0]),
    )
    written.save(tmp_path / "c.json")
    same(written, Certificate.load(tmp_path / "c.json"))
    jsonschema.validate(json.loads((tmp_path / "c.json").read_text()), SCHEMA)
    assert certify.audit(tmp_path / "c.json").all_valid


def test_query_key_json_follows_the_schema(tmp_path: Path) -> None:
    r = np.random.default_rng(1)
    written = Certificate(
        query=r.normal(size=(1, 3)),
        key=r.normal(size=(5, 3)),
        mask=np.array([[True, True, False, True, True]]),
        kept=np.array([[True, True, False, False, True]]),
        tv_upper=np.array([0.9]),
        level="query-key",
        softcap=30.0,
    )
    written.save(tmp_path / "c.json")
    document = json.loads((tmp_path / "c.json").read_text())
    jsonschema.validate(document, SCHEMA)
    same(written, Certificate.load(tmp_path / "c.json"))
    del document["scale"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".json"])
def test_the_same_certificate_is_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    """The safetensors library alone writes its header strings in a new order at every call."""
    written = certificate(rows=(1,))
    files = [tmp_path / f"{number}{suffix}" for number in range(8)]
    for file in files:
        written.save(file)
    assert len({file.read_bytes() for file in files}) == 1
    same(written, Certificate.load(files[0]))


def test_several_rows_do_not_fit_json(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="JSON holds one certificate, and there are 6"):
        certificate().save(tmp_path / "c.json")
    assert not list(tmp_path.iterdir())


def test_unknown_suffix_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown suffix"):
        certificate().save(tmp_path / "c.h5")
    assert not list(tmp_path.iterdir())


def test_compressed_and_column_major_npz(tmp_path: Path) -> None:
    written = certificate()
    tensors = written.tensors()
    tensors["scores"] = np.asfortranarray(tensors["scores"])
    text = np.array(json.dumps(written.header.strings()))
    np.savez_compressed(tmp_path / "c.npz", __metadata__=text, **tensors)  # type: ignore[arg-type]
    same(written, Certificate.load(tmp_path / "c.npz"))


def test_rows_are_read_in_any_order(tmp_path: Path) -> None:
    written = certificate()
    written.save(tmp_path / "c.npz")
    written.save(tmp_path / "c.safetensors")
    flat = written.scores.reshape(-1, 7)  # type: ignore[union-attr]
    for name in ("c.npz", "c.safetensors"):
        bundle = open_bundle(tmp_path / name)
        for start, stop in ((4, 6), (0, 2), (1, 2), (5, 6)):
            assert np.array_equal(bundle.tensors["scores"].read(start, stop, 1), flat[start:stop])
        bundle.close()


def test_digest_is_checked(tmp_path: Path) -> None:
    written = certificate()
    found = Bundle.of(written).inputs_digest()
    path = tmp_path / "c.npz"
    certificate(inputs_sha256=found).save(path)
    assert certify.audit(path).all_valid
    certificate(inputs_sha256="0" * 64).save(path)
    with pytest.raises(BadBundle, match="they are not the ones that were certified"):
        certify.audit(path)


def tensors_of(**changes: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "scores": np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype=np.float32),
        "kept": np.array([[False, True, True], [True, True, False]]),
        "tv_upper": np.array([0.5, 0.5]),
    }
    return {name: array for name, array in (parts | changes).items() if array is not None}


def float32(*rows: list[float]) -> np.ndarray[Any, Any]:
    return np.array(rows, dtype=np.float32)


BAD_TENSORS = {
    "NaN score": (
        tensors_of(scores=float32([1, np.nan, 3], [0, 0, 0])),
        {},
        BadScores,
        "row 0: the score of key 1 is NaN",
    ),
    "+inf score": (tensors_of(scores=float32([1, 2, 3], [0, np.inf, 0])), {}, BadScores, r"row 1: .* key 1 is \+inf"),
    "all masked": (tensors_of(scores=float32([1, 2, 3], [-np.inf] * 3)), {}, BadScores, "row 1: every score is -inf"),
    "empty kept": (tensors_of(kept=np.zeros((2, 3), bool)), {}, BadKept, "row 0: the kept set is empty"),
    "kept only masked": (
        tensors_of(scores=float32([1, 2, 3], [-np.inf, -np.inf, 0])),
        {},
        BadKept,
        "row 1: the kept set holds masked keys alone",
    ),
    "kept out of range": (
        tensors_of(kept=None, kept_indices=np.array([[0, 3], [0, 1]])),
        {},
        BadKept,
        r"row 0: kept index 3 is out of range; the row has keys 0\.\.2",
    ),
    "kept below range": (
        tensors_of(kept=None, kept_indices=np.array([[0, 1], [0, -2]])),
        {},
        BadKept,
        "row 1: kept index -2",
    ),
    "kept repeated": (
        tensors_of(kept=None, kept_indices=np.array([[0, 1], [2, 2]])),
        {},
        BadKept,
        "row 1: kept index 2 is repeated",
    ),
    "no kept": (tensors_of(kept=None), {}, BadKept, "there is no kept set"),
    "both kept": (tensors_of(kept_indices=np.array([[0], [1]])), {}, BadKept, "both"),
    "kept shape": (tensors_of(kept=np.ones((2, 4), bool)), {}, BadBundle, r"kept has shape \(2, 4\)"),
    "kept dtype": (tensors_of(kept=np.ones((2, 3), np.int32)), {}, BadBundle, "kept has dtype int32"),
    "row count": (tensors_of(tv_upper=np.array([0.5])), {}, BadBundle, r"tv_upper has shape \(1,\)"),
    "integer scores": (tensors_of(scores=np.ones((2, 3), np.int64)), {}, BadScores, "dtype int64"),
    "NaN claim": (tensors_of(tv_upper=np.array([0.5, np.nan])), {}, BadClaim, "row 1: tv_upper is nan"),
    "infinite claim": (tensors_of(tv_upper=np.array([np.inf, 0.5])), {}, BadClaim, "row 0: tv_upper is inf"),
    "float32 claim": (tensors_of(tv_upper=np.array([0.5, 0.5], np.float32)), {}, BadClaim, "claims are float64"),
    "eps outside": (tensors_of(smallest_k_for=np.array([0.5, 1.0])), {}, BadClaim, r"row 1: smallest_k_for is 1\.0"),
    "no claim": (tensors_of(tv_upper=None), {}, BadClaim, "nothing is claimed"),
    "no scores": (tensors_of(scores=None), {}, BadBundle, "needs a tensor 'scores'"),
    "zero rows": (
        tensors_of(scores=np.ones((0, 3), np.float32), kept=np.ones((0, 3), bool), tv_upper=np.ones(0)),
        {},
        BadBundle,
        "zero rows",
    ),
    "zero keys": (
        tensors_of(scores=np.ones((2, 0), np.float32), kept=np.ones((2, 0), bool)),
        {},
        BadBundle,
        "zero keys",
    ),
    "one-dimensional": (tensors_of(scores=np.ones(3, np.float32)), {}, BadBundle, r"shape \(3,\)"),
    "no value": (tensors_of(output_error_upper=np.ones(2)), {}, BadBundle, "no tensor 'value'"),
    "value shape": (
        tensors_of(output_error_upper=np.ones(2), value=np.ones((4, 2))),
        {},
        BadBundle,
        r"value has shape \(4, 2\)",
    ),
    "NaN value": (
        tensors_of(output_error_upper=np.ones(2), value=np.full((3, 2), np.nan)),
        {},
        BadValues,
        r"value \[0, 0\] is nan",
    ),
    "no schema": (tensors_of(), {"schema": None}, UnknownSchema, "no schema"),
    "other major": (tensors_of(), {"schema": "topk-certificate/2"}, UnknownSchema, "topk-certificate/2"),
    "no level": (tensors_of(), {"level": None}, BadBundle, "level = None"),
    "bad top_k": (tensors_of(), {"top_k": "yes"}, BadBundle, "top_k = 'yes'"),
    "no scale": (
        {"query": np.ones((2, 3)), "key": np.ones((4, 3)), "kept": np.ones((2, 4), bool), "tv_upper": np.ones(2)},
        {"level": "query-key"},
        BadBundle,
        "no scale",
    ),
    "widths differ": (
        {"query": np.ones((2, 3)), "key": np.ones((4, 2)), "kept": np.ones((2, 4), bool), "tv_upper": np.ones(2)},
        {"level": "query-key", "scale": "rsqrt_d"},
        BadBundle,
        "differ in their last dimension",
    ),
    "NaN key": (
        {
            "query": np.ones((2, 3)),
            "key": np.full((4, 3), np.nan),
            "kept": np.ones((2, 4), bool),
            "tv_upper": np.ones(2),
        },
        {"level": "query-key", "scale": "rsqrt_d"},
        BadScores,
        r"key \[0, 0\] is nan",
    ),
    "groups do not divide": (
        {
            "query": np.ones((3, 2, 3)),
            "key": np.ones((1, 4, 3)),
            "kept": np.ones((3, 2, 4), bool),
            "tv_upper": np.ones((3, 2)),
        },
        {"level": "query-key", "scale": "rsqrt_d", "kv_groups": "2"},
        BadBundle,
        "does not divide the 3 heads",
    ),
    "bad scale": (tensors_of(), {"scale": "fast", "level": "query-key"}, BadBundle, "scale = 'fast' is not a number"),
    "negative softcap": (tensors_of(), {"softcap": "-0x1p+0"}, BadBundle, "must be positive"),
    "unknown accumulator": (tensors_of(), {"accumulator": "tf32"}, BadBundle, "accumulator = 'tf32'"),
}


@pytest.mark.parametrize("name", BAD_TENSORS)
@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_bad_parts_are_refused(tmp_path: Path, name: str, suffix: str) -> None:
    tensors, changes, error, message = BAD_TENSORS[name]
    strings = {key: text for key, text in (HEADER | changes).items() if text is not None}
    path = tmp_path / f"c{suffix}"
    if suffix == ".npz":
        np.savez(path, __metadata__=np.array(json.dumps(strings)), **tensors)
    else:
        safetensors.numpy.save_file(tensors, path, metadata=strings)
    with pytest.raises(error, match=message) as caught:
        certify.audit(path)
    assert "\n" not in str(caught.value)


def good_file(path: Path) -> bytes:
    certificate().save(path)
    return path.read_bytes()


def huge_header(path: Path) -> bytes:
    del path
    return struct.pack("<Q", 2**62) + b'{"scores":{}}'


def a_pickle(path: Path) -> bytes:
    del path
    return pickle.dumps({"scores": [1.0]})


def npz_with_objects(path: Path) -> bytes:
    np.savez(path, __metadata__=np.array(json.dumps(HEADER)), scores=np.array([[None]], dtype=object))
    return path.read_bytes()


def torch_like(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02")
    return path.read_bytes()


BAD_FILES = {
    "empty": (lambda path: b"", "is empty"),
    "garbage": (lambda path: b"hello, this is not a bundle", "neither safetensors nor npz nor JSON"),
    "truncated safetensors": (
        lambda path: good_file(path.with_suffix(".safetensors"))[:-9],
        "not a sound safetensors file",
    ),
    "truncated header": (lambda path: good_file(path.with_suffix(".safetensors"))[:40], "not a sound safetensors file"),
    "huge header": (huge_header, "not a sound safetensors file"),
    "truncated npz": (lambda path: good_file(path.with_suffix(".npz"))[:300], "not a sound npz file"),
    "pickle": (a_pickle, "is a pickle"),
    "pickled npz": (npz_with_objects, "Python objects"),
    "torch file": (torch_like, "holds a pickle"),
    "bare npy": (lambda path: b"\x93NUMPY\x01\x00" + b" " * 70, "bare .npy"),
    "broken json": (lambda path: b'{"schema": ', "is not JSON"),
    "json with decimals": (
        lambda path: json.dumps(HEADER | {"scores": {"dtype": "float32", "data": [0.5]}}).encode(),
        "hexadecimal strings",
    ),
    "json with too many digits": (
        lambda path: json.dumps(HEADER | {"scores": {"dtype": "float16", "data": ["0x1.000001p+0"]}}).encode(),
        "which is not a float16",
    ),
    "json with unknown field": (lambda path: json.dumps(HEADER | {"scroes": []}).encode(), "'scroes' is not a field"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(tmp_path: Path, name: str) -> None:
    make, message = BAD_FILES[name]
    path = tmp_path / "bundle.bin"
    path.write_bytes(make(tmp_path / "good.npz"))
    with pytest.raises(BadBundle, match=message) as caught:
        certify.audit(path)
    assert str(path) in str(caught.value) or "hexadecimal" in message or "float16" in message
    assert "\n" not in str(caught.value)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="there is no such file"):
        certify.audit(tmp_path / "nothing.safetensors")
    with pytest.raises(BadBundle, match="is not a file"):
        certify.audit(tmp_path)


def test_a_lying_npz_size_is_refused(tmp_path: Path) -> None:
    """A header that claims more data than the member holds must not allocate it."""
    path = tmp_path / "c.npz"
    certificate().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    lie = members["scores.npy"].replace(b"(2, 3, 7)", b"(9, 9, 9)")
    assert lie != members["scores.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in (members | {"scores.npy": lie}).items():
            archive.writestr(member, data)
    with pytest.raises(BadBundle, match="its size does not agree"):
        certify.audit(path)


def test_unknown_tensors_are_reported(tmp_path: Path) -> None:
    safetensors.numpy.save_file(tensors_of(tv_uper=np.ones(2)), tmp_path / "c.safetensors", metadata=HEADER)
    assert certify.audit(tmp_path / "c.safetensors").ignored == ("tv_uper (did you mean tv_upper?)",)


def test_kept_indices_mean_the_same_as_the_mask(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    parts = tensors_of(kept=None, kept_indices=np.array([[1, 2, -1], [0, -1, 1]], dtype=np.int32))
    safetensors.numpy.save_file(parts, path, metadata=HEADER)
    assert np.array_equal(Certificate.load(path).kept, tensors_of()["kept"])


@pytest.mark.parametrize(
    "field",
    [
        {"softcap": -5.0},
        {"softcap": 0.0},
        {"softcap": np.nan},
        {"softcap": "5"},
        {"scale": np.inf},
        {"scale": "rsqrt_d"},
        {"kv_groups": 0},
        {"kv_groups": 1.0},
        {"top_k": "false"},
        {"level": "row"},
        {"accumulator": "tf32"},
    ],
)
def test_a_certificate_made_in_python_is_checked_like_a_file(field: dict[str, Any]) -> None:
    """A negative soft-cap was once judged as if tanh were not odd in it."""
    with pytest.raises(BadBundle, match=next(iter(field))):
        certificate(**field)


def test_flipped_bytes_of_a_compressed_npz_are_refused_not_raised(tmp_path: Path) -> None:
    written = certificate(n=200)
    text = np.array(json.dumps(written.header.strings()))
    path = tmp_path / "c.npz"
    np.savez_compressed(path, __metadata__=text, **written.tensors())  # type: ignore[arg-type]
    whole = path.read_bytes()
    r = np.random.default_rng(0)
    refused = 0
    for place in r.integers(0, len(whole), 150):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            certify.audit(path)
        except BadInput:
            refused += 1
    assert refused > 50


def test_parts_that_a_level_does_not_use_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    parts = tensors_of(mask=np.zeros((2, 3), bool))
    safetensors.numpy.save_file(parts, path, metadata=HEADER | {"topk": "true", "softcap": "0x1p+4", "model": "x"})
    expected = ("header topk (did you mean top_k?)", "mask (level scores)", "softcap (level scores)")
    assert certify.audit(path).ignored == expected


def test_a_written_bundle_can_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    certificate().save(tmp_path / "c.safetensors")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "c.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
