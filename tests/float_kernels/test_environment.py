"""Flush-to-zero, denormals-are-zero and foreign rounding, really switched on here and in worker threads: refused."""

from __future__ import annotations

import ctypes
import mmap
import platform
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

import float_kernels
from float_kernels import FloatEnvironmentError, streaming
from float_kernels.environment import environment_fault, require_ieee

X86 = platform.machine() in ("x86_64", "AMD64")
FTZ, DAZ = 1 << 15, 1 << 6
DOWNWARD, UPWARD, TOWARDS_ZERO = 1 << 13, 2 << 13, 3 << 13
MODES = {
    "FTZ": (FTZ, "flushes subnormal results"),
    "DAZ": (DAZ, "subnormal operands"),
    "FTZ and DAZ": (FTZ | DAZ, "flushes subnormal results|subnormal operands"),
    "downward": (DOWNWARD, "round to nearest"),
    "upward": (UPWARD, "round to nearest"),
    "towards zero": (TOWARDS_ZERO, "round to nearest"),
}


class ControlRegister:
    """The x86 register MXCSR of the calling thread, through two instructions: stmxcsr [rdi] and ldmxcsr [rdi]."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(bytes.fromhex("0fae1fc3") + bytes(12) + bytes.fromhex("0fae17c3"))
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        signature = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint32))
        self._store, self._load = signature(address), signature(address + 16)

    def switch(self, bits: int) -> ctypes.c_uint32:
        """Set the bits in this thread; returns what was there before."""
        before = ctypes.c_uint32()
        self._store(ctypes.byref(before))
        self._load(ctypes.byref(ctypes.c_uint32(before.value | bits)))
        return before

    @contextmanager
    def switched(self, bits: int) -> Iterator[None]:
        before = self.switch(bits)
        try:
            yield
        finally:
            self._load(ctypes.byref(before))


@pytest.fixture(scope="module")
def register() -> ControlRegister:
    if not X86:
        pytest.skip("the control register is switched by x86 instructions; other machines have no such stub here")
    return ControlRegister()


def captured(call: Callable[[], object]) -> str:
    """The message of the FloatEnvironmentError that the call raises; pytest itself stays out of a foreign mode."""
    try:
        call()
    except FloatEnvironmentError as error:
        return str(error)
    return "nothing was raised"


def test_a_fresh_thread_is_accepted() -> None:
    assert environment_fault() is None
    require_ieee()


@pytest.mark.parametrize("mode", MODES)
def test_probe_sees_each_mode(mode: str, register: ControlRegister) -> None:
    bits, words = MODES[mode]
    with register.switched(bits):
        fault = environment_fault()
        changed = _arithmetic()
    assert fault is not None
    assert any(word in fault for word in words.split("|")), fault
    assert changed != _arithmetic()  # the mode was really on


def _arithmetic() -> tuple[float, ...]:
    one, tiny, third = np.float64(1.0), np.array([5e-324]), np.array([1.0])
    return float(one + 2.0**-54), float(one - 2.0**-60), float((tiny * 2.0**60)[0]), float((third * 2.0**-1030)[0])


@pytest.mark.parametrize("mode", MODES)
def test_caller_in_a_foreign_mode_is_refused(mode: str, register: ControlRegister) -> None:
    scores, kept = np.zeros((2, 3)), np.ones((2, 3), dtype=np.bool_)
    values, q, k = np.zeros((3, 2)), np.zeros(4, np.float32), np.zeros((3, 4), np.float32)
    calls: dict[str, Callable[[], object]] = {
        "tail_mass": lambda: float_kernels.tail_mass(scores, kept),
        "tail_mass in NumPy": lambda: float_kernels.tail_mass(scores, kept, implementation="numpy"),
        "top_k": lambda: float_kernels.top_k(scores, 1),
        "smallest_k": lambda: float_kernels.smallest_k(scores, 0.1),
        "kl": lambda: float_kernels.kl(scores, kept),
        "output_error": lambda: float_kernels.output_error(scores, kept, values),
        "output_bounds": lambda: float_kernels.output_bounds(scores, kept, values),
        "dot": lambda: float_kernels.dot(q, k),
        "score_radius": lambda: float_kernels.score_radius(q, k),
        "perturbed_tail_mass": lambda: float_kernels.perturbed_tail_mass(scores, kept, 0.1),
        "gap_bound": lambda: float_kernels.gap_bound(1.0, 0.0, 3, 1),
        "multi_gap_bound": lambda: float_kernels.multi_gap_bound([1.0, 0.0], 1, 3),
        "block_bound": lambda: float_kernels.block_bound([1, 0], [0, 2], [0.0, 0.0], [1.0, 1.0]),
        "block_moment_bound": lambda: float_kernels.block_moment_bound([1, 0], [0, 2], [0.0, 0.0], [1.0, 1.0], 0.5),
    }
    for name, call in calls.items():
        with register.switched(MODES[mode][0]):
            message = captured(call)
        assert any(word in message for word in MODES[mode][1].split("|")), (name, message)


@pytest.mark.parametrize("mode", MODES)
def test_worker_in_a_foreign_mode_is_refused(
    mode: str, register: ControlRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool whose threads were switched by somebody else, as libraries do; the caller itself is fine."""
    bits, words = MODES[mode]

    class Switched(ThreadPoolExecutor):
        def __init__(self, workers: int, thread_name_prefix: str) -> None:
            super().__init__(workers, thread_name_prefix, initializer=lambda: register.switch(bits))

    monkeypatch.setattr(streaming, "ThreadPoolExecutor", Switched)
    scores = np.zeros((64, streaming.MIN_PARALLEL // 16), dtype=np.float32)
    kept = np.ones(scores.shape, dtype=np.bool_)
    with pytest.raises(FloatEnvironmentError, match=words) as raised:
        float_kernels.tail_mass(scores, kept, threads=2)
    assert "float-kernels" in str(raised.value)
    assert environment_fault() is None


def test_a_mode_stays_in_its_thread(register: ControlRegister) -> None:
    faults: dict[str, str | None] = {}

    def work() -> None:
        with register.switched(FTZ):
            faults["worker"] = environment_fault()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert faults["worker"] is not None
    assert environment_fault() is None
