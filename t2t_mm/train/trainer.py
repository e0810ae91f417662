"""Train, evaluate and predict: the public face of a training run."""

from t2t_mm.train.loop import Loop, Outcome
from t2t_mm.train.train_state import TrainState


class Trainer(TrainState):
    """A training run: its state, and the loop that trains it.

    `evaluate` and `predict` use the weights as they are, trained in this process or restored from a checkpoint.
    """

    def train(self, until: int | None = None) -> Outcome:
        """Train up to step `until` (`train_steps` by default); save on the way and at the end.

        Raises UserError when another process trains in the run directory, and for a non-finite loss or gradient as the
        hparam not_finite says.
        """
        return Loop(self, self.train_steps if until is None else until, evaluating=False).run()

    def train_and_evaluate(self) -> Outcome:
        """Train to the end; evaluate every problem as the RunConfig says, and in full at the end. Raises as `train`."""
        return Loop(self, self.train_steps, evaluating=True).run()
