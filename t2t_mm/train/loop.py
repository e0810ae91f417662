"""The course of a training run: steps, checkpoints, evaluations, faults, and its end."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from t2t_mm.data.input.row_shard import WHOLE_BATCH
from t2t_mm.errors import UserError
from t2t_mm.evaluation.fixed_example import fixed_example
from t2t_mm.evaluation.results import Result, write_results
from t2t_mm.train import checkpoint
from t2t_mm.train.distributed.check_workers_agree import check_workers_agree
from t2t_mm.train.distributed.cluster import WorkerLost
from t2t_mm.train.faults.nonfinite import blamed, write_fault
from t2t_mm.train.faults.policy import ROLLBACK, SKIP, Policy
from t2t_mm.train.logs.profile import Profile
from t2t_mm.train.logs.training_log import NoLog, TrainingLog
from t2t_mm.train.memory.first_use import NewShapes, OutOfMemory
from t2t_mm.train.optim.learning_rate import learning_rate
from t2t_mm.train.run_lock import run_lock
from t2t_mm.train.signals import Stop, Stopped, stoppable
from t2t_mm.train.step.step_record import NotFinite
from t2t_mm.train.summaries.problem_summary import exhibit

if TYPE_CHECKING:
    from t2t_mm.train.trainer import Trainer


@dataclass(frozen=True)
class Outcome:
    """How training ended."""

    stop: Stop  # whether it was asked to stop early; then the run is saved as well
    results: list[Result]  # of the evaluation at the end, if there was one


class Loop:
    """Trains the run of an trainer up to step `until`, with evaluations on the way and at the end if `evaluating`."""

    def __init__(self, trainer: "Trainer", until: int, *, evaluating: bool) -> None:
        self.trainer, self.stepping, self.habits = trainer, trainer.stepping, trainer.habits
        self.cluster = trainer.cluster
        self.output_dir, self.until, self.evaluating = trainer.output_dir, until, evaluating
        self.policy = Policy(trainer.hparams.training.not_finite)
        hparams = trainer.hparams
        self.rate = learning_rate(hparams.training, hparams.body.hidden_size, trainer.train_steps)
        self.profile = Profile(self.output_dir, trainer.net.parts, wanted=self.habits.profile)
        self.stop = Stop()
        self.evaluated: int | None = None  # the step of the last evaluation on the way
        self.evaluated_at = time.monotonic()  # when it ended, or training began

    def run(self) -> Outcome:
        """To the end, or to a signal. Raises UserError as `Trainer.train`."""
        results: list[Result] = []
        with run_lock(self.output_dir) if self.cluster.chief else nullcontext():
            check_workers_agree(
                self.cluster,
                data=[(name, ready.manifest.splits) for name, ready in self.trainer.problems.items()],
                settings=(self.trainer.hparams, self.trainer.seed, self.trainer.train_steps),
                step=self.step,
                tensors=self.trainer.net.tensors() | self.trainer.optimizer.tensors(),
            )
            self.trainer.saved_at = self.evaluated_at = time.monotonic()
            log = self._log()
            noted = self.output_dir if self.cluster.chief else None
            self.stepping.uses = NewShapes(noted, self.trainer.hparams.data)
            with log, stoppable() as stop:
                self.stop = stop
                if died := self.stepping.uses.left():
                    log.say(died)
                try:
                    self._begin(log)
                    while not self._ends(stop, log):
                        self._go_on(log)
                except WorkerLost:
                    if self.cluster.chief and self.trainer.saved != self.step:
                        self._save_if_possible(log)
                    raise
                finally:
                    self.profile.close(log.say)
                    self.stepping.close()
                if self.trainer.saved != self.step:
                    self.trainer.save()
                self.cluster.meet()  # who leaves now leaves a run that is saved
                if self.evaluating and not stop.asked and self.cluster.chief:
                    with suppress(Stopped):
                        results = self.trainer.evaluate(stop=stop)
                        self._tell(log, results)
        return Outcome(stop, results)

    def _log(self) -> TrainingLog:
        if not self.cluster.chief:
            return NoLog()
        return TrainingLog(self.output_dir, list(self.trainer.problems), self.until, start=self.step)

    @property
    def step(self) -> int:
        return self.stepping.step

    def _begin(self, log: TrainingLog) -> None:
        """What an earlier process left undone at this step."""
        if self.trainer.saved is None and self.policy.name == ROLLBACK:
            self._save_if_possible(log)
        by_steps = _due(self.step, self.habits.eval_every)
        if not self.step or not self._evaluates or not (by_steps or self.habits.eval_seconds):
            return
        told = (self.output_dir / "eval" / f"results-{self.step}.json").is_file()
        # Another command that evaluates may have written the file, and it keeps no best checkpoint.
        if told and not (by_steps and self.trainer.best):
            self.evaluated = self.step
        elif by_steps:
            self._evaluate_on_the_way(log)

    def _ends(self, stop: Stop, log: TrainingLog) -> bool:
        """Whether training is over, all steps settled."""
        waited = self.trainer.best.steps_since(self.step) if self.trainer.best is not None else 0
        at_rest = self.evaluated == self.step and 0 < self.habits.patience <= waited
        asked, at_rest_together = self.cluster.any(stop.asked, at_rest)
        if asked and not stop.asked:
            stop.signal = signal.SIGTERM  # another worker got it
        if not (self.step >= self.until or asked or at_rest_together):
            return False
        try:
            self.stepping.settle()
        except NotFinite as fault:
            self._see_to(fault, log)
            return self._ends(stop, log)
        if at_rest:
            log.say(f"{self.habits.best_metric} has not got better for {waited:,} steps: training ends.")
        return True

    def _go_on(self, log: TrainingLog) -> None:
        """Take a step, and save and evaluate if that is due."""
        try:
            with self.profile.step(self.step + 1):
                self.stepping.take(self.rate, log)
            self.profile.after_step(self.trainer.steps.compiling, self.stepping.settle, log.say)
            self._do_what_is_due(log)
        except NotFinite as fault:
            self._see_to(fault, log)
        except OutOfMemory as error:
            saved = self.trainer.saved
            where = "from the beginning" if saved is None else f"from step {saved:,}"
            raise UserError(f"{error} What that step left is not saved: the same command goes on {where}.") from error
        except UserError as error:  # of data that can't be read
            self._save_and_raise(error, log)

    def _save_and_raise(self, error: UserError, log: TrainingLog) -> None:
        """Save where the run stands, and end it; a fault of a step that was under way is seen to first."""
        try:
            self.stepping.settle()
        except NotFinite as fault:
            return self._see_to(fault, log)
        saved = self.trainer.saved == self.step or self._save_if_possible(log)
        where = f" The run is saved after step {self.step:,}; the same command goes on from there." if saved else ""
        raise UserError(f"{error}{where}") from error

    def _do_what_is_due(self, log: TrainingLog) -> None:
        if _due(self.step, self.habits.save_every) or _over(self.habits.save_seconds, self.trainer.saved_at):
            self.stepping.settle()
            self._save_if_possible(log)
        by_clock = _over(self.habits.eval_seconds, self.evaluated_at)
        if self._evaluates and (by_clock or _due(self.step, self.habits.eval_every)):
            self.stepping.settle()
            self.profile.end(log.say)
            try:
                self._evaluate_on_the_way(log)
            except UserError:
                raise
            except Exception:  # a fault of a metric, or of what is shown: what was learnt stays
                if self.trainer.saved != self.step:
                    self._save_if_possible(log)
                raise

    @property
    def _evaluates(self) -> bool:
        """Whether this process evaluates on the way, and is not at the end."""
        return self.cluster.chief and self.evaluating and self.step < self.until

    def _see_to(self, fault: NotFinite, log: TrainingLog) -> None:
        """Follow the policy on a step whose loss or gradient is not finite. Raises UserError to stop."""
        multiplier = self.trainer.problems[fault.taken.problem].problem.loss_multiplier
        blame = blamed(self.trainer.steps, fault.taken, multiplier)
        if self.cluster.part != WHOLE_BATCH and not fault.taken.all_batches:
            blame = f"Worker {self.cluster.index} has looked at its own rows. {blame}"
        saved = int(self.cluster.from_chief(-1 if self.trainer.saved is None else self.trainer.saved))
        action, why = self.policy.decide(fault.taken.step, None if saved < 0 else saved)
        said = f"{fault} {blame}"
        trainer = self.trainer
        run = {"seed": trainer.seed, "train_steps": trainer.train_steps, "hparams": trainer.hparams.flat()}
        if self.cluster.chief:
            _if_possible(lambda: write_fault(self.output_dir, fault, blame, action, run), log)
        if action == SKIP:
            self.stepping.pass_over(fault.taken)
            log.say(f"{said} It is skipped.")
            self._do_what_is_due(log)
        elif action == ROLLBACK:
            positions = self.stepping.positions | fault.taken.behind
            self.trainer.restore(checkpoint.path_of(self.output_dir, saved))
            self.stepping.place(self.step, positions)
            log.say(f"{said} The run goes back to step {self.step}, and on with the data behind that batch.")
        else:
            is_saved = self.trainer.saved == self.step or self._save_if_possible(log)
            self.cluster.meet()
            again = "The run is saved as it stood before, so that the same command takes that step again. "
            raise UserError(
                f"{said} {why}{again if is_saved else ''}A lower learning_rate or clip_grad_norm may help; "
                "--hparams=not_finite=skip passes over such steps."
            )

    def _evaluate_on_the_way(self, log: TrainingLog) -> None:
        compiled = self.trainer.steps.compiling
        try:
            results = self.trainer.results(list(self.trainer.problems), permuted=False, stop=self.stop)
        except Stopped:
            return
        self._tell(log, results, self.trainer.steps.compiling - compiled)
        self.evaluated, self.evaluated_at = self.step, time.monotonic()

    def _tell(self, log: TrainingLog, results: Sequence[Result], compiling: float = 0.0) -> None:
        """Log an evaluation: its metrics, whether it is the best so far, and what there is to see of each problem.

        Its file comes behind the best checkpoint: a process that finds the file has no evaluation to repeat.
        """
        log.evaluation(self.step, {result.problem: result.metrics for result in results}, compiling)
        for result in results:
            log.corrupt(self.step, result.problem, result.corrupt)
        self._keep_if_best(log, results)
        _if_possible(lambda: write_results(self.output_dir, self.step, results), log)
        if self.habits.exhibit:
            with self.trainer.averaged():
                for name, ready in self.trainer.problems.items():
                    if self.stop.asked:
                        break
                    log.exhibit(self.step, name, exhibit(self.trainer.looker, ready, fixed_example(ready)))

    def _keep_if_best(self, log: TrainingLog, results: Sequence[Result]) -> None:
        best = self.trainer.best
        if best is None or not best.is_better(score := best.aim.score(results)):
            return
        saved = self.trainer.saved == self.step or self._save_if_possible(log)
        path = checkpoint.path_of(self.output_dir, self.step)
        if saved and _if_possible(lambda: best.keep(path, self.step, score), log):
            log.say(f"The best so far: {self.habits.best_metric} is {score:.4g}; kept in {best.folder}.")

    def _save_if_possible(self, log: TrainingLog) -> bool:
        return _if_possible(self.trainer.save, log)


def _if_possible(write: Callable[[], object], log: TrainingLog) -> bool:
    """Write; if that fails (a full disk, a folder that is read-only), say so and let training go on."""
    try:
        write()
    except NotFinite:
        raise
    except UserError as error:
        log.say(f"{error} Training goes on.")
        return False
    return True


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _over(seconds: float, since: float) -> bool:
    return 0 < seconds <= time.monotonic() - since
