"""Calls to a kernel that nobody trusts: in a process of its own, with a time limit a call.

The process is forked (spawned where there is no fork), finds the kernel, and answers batches over a pipe. Before each
call it writes the row's place into shared memory; so when it hangs, or dies, the row is known. What the kernel prints
goes to stderr; warnings are not raised: they are no bad calls.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any, Protocol

import numpy as np

from certify.errors import BadInput
from certify.soundness.kernels import Claims, Fault, Kernel, Target, call_batch, call_rows, find_kernel
from certify.soundness.question import Question, RowBatch

__all__ = ["Calls", "DirectCalls", "IsolatedCalls", "opened_calls"]

_STARTING = 6  # finding the kernel and its first call may take this many times the limit of a call: they may compile
_LOOK_EVERY = 0.05  # seconds between looks at a silent worker


class Calls(Protocol):
    """Puts batches to a kernel. `seconds` ends a batch early, after at least one row; raises Fault."""

    def __call__(self, batch: RowBatch, seconds: float = np.inf) -> Claims: ...


@contextmanager
def opened_calls(target: Target, question: Question, call_seconds: float, *, isolate: bool) -> Iterator[Calls]:
    """Calls to the kernel, and the end of its process. Raises BadInput, and Fault where the kernel is not found."""
    if not call_seconds > 0:
        raise BadInput(f"call_seconds = {call_seconds}; give the seconds that a call may take, more than 0")
    if not isolate:
        yield DirectCalls(find_kernel(target), question)
        return
    calls = IsolatedCalls(target, question, call_seconds)
    try:
        yield calls
    finally:
        calls.close()


class DirectCalls:
    """Calls in this process: fast, but a kernel that hangs or dies takes this process along."""

    def __init__(self, kernel: Kernel, question: Question) -> None:
        self._kernel, self._question = kernel, question

    def __call__(self, batch: RowBatch, seconds: float = np.inf) -> Claims:
        values = None if batch.values is None else batch.values.copy()
        own = RowBatch(batch.scores.copy(), batch.kept.copy(), values)  # a kernel may write into what it is given
        return _answer(self._kernel, self._question, own, seconds, lambda _: None)


def _answer(
    kernel: Kernel, question: Question, batch: RowBatch, seconds: float, starts: Callable[[int], None]
) -> Claims:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if question.batched:
            starts(0)
            return call_batch(kernel, batch, question.array, question.bound)
        end = monotonic() + seconds
        return call_rows(kernel, batch, question.array, question.bound, starts, lambda: monotonic() > end)


class IsolatedCalls:
    """Calls in a process that is started when first needed, and again after it died or was ended for hanging."""

    def __init__(self, target: Target, question: Question, call_seconds: float) -> None:
        self._target, self._question, self._limit = target, question, call_seconds
        self._process: Any = None

    def __call__(self, batch: RowBatch, seconds: float = np.inf) -> Claims:
        if self._process is None:
            self._start()
        try:
            return self._ask(batch, seconds)
        except Fault as fault:
            if self._question.batched and len(batch) > 1:
                raise self._located(batch, fault) from fault
            raise

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _start(self) -> None:
        methods = multiprocessing.get_all_start_methods()
        forked = "fork" in methods
        context: Any = multiprocessing.get_context("fork" if forked else "spawn")
        self._pipe, far_end = context.Pipe()
        self._place = context.RawValue("q", -1)
        with warnings.catch_warnings():
            # Python warns of forks beside threads; the child runs nothing but the kernel.
            warnings.simplefilter("ignore", DeprecationWarning)
            inherited = self._pipe if forked else None
            self._process = context.Process(
                target=_serve, args=(far_end, inherited, self._place, self._target, self._question), daemon=True
            )
            self._process.start()
        far_end.close()
        self._fresh = True
        self._wait("finding the kernel", self._limit * _STARTING)

    def _ask(self, batch: RowBatch, seconds: float) -> Claims:
        self._place.value = 0
        with suppress(BrokenPipeError):  # it died since; the wait below says how
            self._pipe.send((batch, seconds))
        answer: Claims = self._wait("the call", self._limit * (_STARTING if self._fresh else 1))
        self._fresh = False
        return answer

    def _wait(self, what: str, limit: float) -> Any:
        """The worker's next answer. Raises Fault: its own, or that it hangs or died, with the row it was at."""
        seen, since = self._place.value, monotonic()
        while not self._pipe.poll(min(_LOOK_EVERY, limit)):
            here = self._place.value
            if here != seen:
                seen, since, limit = here, monotonic(), min(limit, self._limit)
            elif monotonic() - since > limit:
                self.close()
                raise Fault("hangs", f"{what} took more than {limit:g} s and was ended", seen)
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            place = self._place.value
            self._process.join()
            code = self._process.exitcode
            self.close()
            raise Fault("kills its process", f"{what} ended the process {_told_exit(code)}", place) from None
        if isinstance(answer, Fault):
            raise answer
        return answer

    def _located(self, batch: RowBatch, fault: Fault) -> Fault:
        """The fault of a batched call, at a row that causes it alone; the whole batch's where no single row does."""
        first, last = 0, len(batch)
        while last - first > 1:
            middle = (first + last) // 2
            for low, high in ((first, middle), (middle, last)):
                found = self._fault_of(batch.rows(slice(low, high)))
                if found is not None:
                    first, last, fault = low, high, found
                    break
            else:
                return Fault(fault.kind, f"{fault.message} (in a batch of {last - first} rows, not alone)", first)
        return Fault(fault.kind, fault.message, first)

    def _fault_of(self, batch: RowBatch) -> Fault | None:
        if self._process is None:
            self._start()
        try:
            self._ask(batch, np.inf)
        except Fault as fault:
            return fault
        return None


def _told_exit(code: int) -> str:
    if code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"with exit code {code}"


def _serve(pipe: Connection, inherited: Connection | None, place: Any, target: Target, question: Question) -> None:
    """The worker's life: find the kernel, then answer batches until the pipe closes.

    `inherited` is a forked copy of the hunt's own end: closed here, so that the pipe closes when the hunt is gone.
    """
    if inherited is not None:
        inherited.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt ends the hunt, which ends this process
    faulthandler.disable()  # a crash is reported by the hunt
    sys.stdout = sys.stderr
    os.dup2(2, 1)  # what the kernel prints, from whatever language, is not the hunt's result

    def starts(row: int) -> None:
        place.value = row

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kernel = find_kernel(target)
        pipe.send("ready")
    except Fault as fault:
        pipe.send(fault)
        return
    while True:
        try:
            batch, seconds = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_answer(kernel, question, batch, seconds, starts))
        except Fault as fault:
            pipe.send(fault)
