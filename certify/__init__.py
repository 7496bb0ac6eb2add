"""Claims about top-k sparse attention, decided rigorously.

`audit` judges certificates that any producer wrote; `topk` makes certificates that hold, and `search` makes them
without scoring every key; `soundness` hunts rows that break a kernel; `enclosures` gives the true value of every
quantity, at any precision. Everything is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from certify import design_rule as design_rule
    from certify import enclosures as enclosures
    from certify import search as search
    from certify import soundness as soundness
    from certify.auditor import Audit as Audit
    from certify.auditor import audit as audit
    from certify.build import topk as topk
    from certify.certificate import Certificate as Certificate
    from certify.design_rule import plan as plan
    from certify.interval import Interval as Interval
    from certify.reference_values import Reference as Reference
    from certify.reference_values import reference as reference
    from certify.rules import Verdict as Verdict

_HOMES = {
    "Audit": "certify.auditor",
    "Certificate": "certify.certificate",
    "Interval": "certify.interval",
    "Reference": "certify.reference_values",
    "Verdict": "certify.rules",
    "audit": "certify.auditor",
    "design_rule": "certify.design_rule",
    "enclosures": "certify.enclosures",
    "plan": "certify.design_rule",
    "reference": "certify.reference_values",
    "search": "certify.search",
    "soundness": "certify.soundness",
    "topk": "certify.build",
}

__all__ = [
    "Audit",
    "Certificate",
    "Interval",
    "Reference",
    "Verdict",
    "audit",
    "design_rule",
    "enclosures",
    "plan",
    "reference",
    "search",
    "soundness",
    "topk",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'certify' has no attribute {name!r}")
    module = import_module(_HOMES[name])
    return module if module.__name__ == f"certify.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
