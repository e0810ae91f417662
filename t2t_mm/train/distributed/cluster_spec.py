"""Parse the environment variable TF_CONFIG, which lists the workers of a run; it is used on every backend.

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
    """The addresses of the workers of a run, the chief's first, and the index of this process."""

    addresses: tuple[str, ...]  # "host:port"
    index: int

    def describe(self, workers: Sequence[int]) -> str:
        """Return the workers with their addresses, for a sentence."""
        return " and ".join(f"worker {worker} ({self.addresses[worker]})" for worker in workers)

    def worker_lost(self, suspects: Sequence[int]) -> str:
        """Return the error message for a worker that has ended, probably one of `suspects`."""
        others = [worker for worker in range(len(self.addresses)) if worker != self.index]
        lost = [worker for worker in suspects if worker in others] or others
        which = self.describe(lost) if len(lost) == 1 else f"one of {self.describe(lost)}"
        return (
            f"Worker {self.index} of {len(self.addresses)} stops: {which} has ended or cannot be reached; its "
            "output may say why. Start all workers again with the same commands: the run continues from its last "
            "checkpoint."
        )


def parse_cluster_spec(text: str | None) -> ClusterSpec | None:
    """Return the cluster that `text`, the value of TF_CONFIG, describes; None if it is missing or names one process.

    A task of type "chief" is the first worker. Raises UserError for a text of another form.
    """
    if not text:
        return None
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        addresses = [str(address) for job in ("chief", "worker") for address in cluster.get(job, [])]
    except (ValueError, AttributeError, TypeError):
        raise _wrong("is not a JSON object of the expected form") from None
    if others := sorted(set(cluster) - {"chief", "worker"}):
        raise _wrong(f"names tasks of type {', '.join(others)}; only workers are supported, which all keep the weights")
    if len(addresses) < 2:
        return None
    kind, index = task.get("type", "worker"), task.get("index", 0)
    if kind not in ("chief", "worker") or not _is_one_of(index, cluster.get(kind, [])):
        raise _wrong(f"says that this process is {kind} {index}, but its cluster does not list that one")
    return ClusterSpec(tuple(addresses), index + (len(cluster.get("chief", [])) if kind == "worker" else 0))


def _is_one_of(index: Any, addresses: Sequence[str]) -> bool:
    return isinstance(index, int) and 0 <= index < len(addresses)


def _wrong(why: str) -> UserError:
    return UserError(f"The environment variable {VARIABLE} {why}. Write it like this: {EXAMPLE}.")
