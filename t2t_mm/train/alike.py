"""Workers of a cluster must begin alike: the same run at the same step with the same weights, on the same data."""

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2t_mm.train.estimator import Estimator


def check_same(estimator: "Estimator") -> None:
    """Raise UserError, on every worker, if one stands elsewhere than the chief."""
    cluster = estimator.cluster
    if cluster.count == 1:
        return
    data = [(name, ready.manifest.splits) for name, ready in estimator.problems.items()]
    settings = estimator.hparams, estimator.seed, estimator.train_steps
    weights = 0
    for path, value in sorted((estimator.net.tensors() | estimator.optimiser.tensors()).items()):
        weights = zlib.crc32(value.tobytes(), zlib.crc32(path.encode(), weights))
    for what, number in (
        ("list of problems or the data", zlib.crc32(repr(data).encode())),
        ("hparam set, seed or number of steps", zlib.crc32(repr(settings).encode())),
        ("step", estimator.step),
        ("weights", weights),
    ):
        cluster.check_same(what, float(number))
