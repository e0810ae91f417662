"""Who trains together, as the environment variable TF_CONFIG says it: what TensorFlow's users know, on every backend.

TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2t_mm.errors import UserError

VARIABLE = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class ClusterSpec:
    """The workers of a run, chief first, and which of them this process is."""

    addresses: tuple[str, ...]  # "host:port"
    index: int

    def named(self, workers: Sequence[int]) -> str:
        """Workers in words."""
        return " and ".join(f"worker {worker} ({self.addresses[worker]})" for worker in workers)

    def lost(self, suspects: Sequence[int]) -> str:
        """What to say when some worker, perhaps one of `suspects`, is gone."""
        others = [worker for worker in range(len(self.addresses)) if worker != self.index]
        gone = [worker for worker in suspects if worker in others] or others
        which = self.named(gone) if len(gone) == 1 else f"one of {self.named(gone)}"
        return (
            f"Worker {self.index} of {len(self.addresses)} stops: {which} has ended or cannot be reached; what it "
            "printed may say why. Start all workers again by the same commands, and the run goes on from its last "
            "checkpoint."
        )


def members(text: str | None) -> ClusterSpec | None:
    """What `text`, the value of TF_CONFIG, says; None where it names one process or is missing.

    A task of type "chief" is the first worker. Raises UserError for what says something else.
    """
    if not text:
        return None
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        addresses = [str(address) for job in ("chief", "worker") for address in cluster.get(job, [])]
    except (ValueError, AttributeError, TypeError):
        raise _wrong("is not such a JSON object") from None
    if others := sorted(set(cluster) - {"chief", "worker"}):
        raise _wrong(f"names tasks of type {', '.join(others)}; there are workers alone, and they keep the weights")
    if len(addresses) < 2:
        return None
    kind, index = task.get("type", "worker"), task.get("index", 0)
    if kind not in ("chief", "worker") or not _is_one_of(index, cluster.get(kind, [])):
        raise _wrong(f"says that this process is {kind} {index}, which its cluster does not list")
    return ClusterSpec(tuple(addresses), index + (len(cluster.get("chief", [])) if kind == "worker" else 0))


def _is_one_of(index: Any, addresses: Sequence[str]) -> bool:
    return isinstance(index, int) and 0 <= index < len(addresses)


def _wrong(why: str) -> UserError:
    return UserError(f"The environment variable {VARIABLE} {why}. It is like {EXAMPLE}.")
