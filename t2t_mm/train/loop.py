"""The training loop: steps, checkpoints, evaluations, faults, and the end of a run."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

from t2t_mm.data.input.row_shard import WHOLE_BATCH
from t2t_mm.errors import UserError
from t2t_mm.evaluation.fixed_example import fixed_example
from t2t_mm.evaluation.results import Result, write_results
from t2t_mm.train import checkpoint
from t2t_mm.train.distributed.check_workers_agree import check_workers_agree
from t2t_mm.train.distributed.cluster import WorkerLost
from t2t_mm.train.faults.nonfinite import first_nonfinite, write_fault
from t2t_mm.train.faults.policy import ROLLBACK, SKIP, Policy
from t2t_mm.train.logs.profile import Profile
from t2t_mm.train.logs.training_log import NoLog, TrainingLog
from t2t_mm.train.memory.first_use import NewShapes, OutOfMemory
from t2t_mm.train.optim.learning_rate import learning_rate
from t2t_mm.train.progress import Progress
from t2t_mm.train.run_lock import run_lock
from t2t_mm.train.signals import Stop, Stopped, stoppable
from t2t_mm.train.step.step_record import NotFinite
from t2t_mm.train.summaries.problem_summary import problem_summaries
from t2t_mm.train.train_state import TrainState


@dataclass(frozen=True)
class Outcome:
    """The end of training."""

    stop: Stop  # set if a signal asked it to stop early; the run is saved in that case too
    results: list[Result]  # of the evaluation at the end, if there was one


def take_step(progress: Progress, rate: Callable[[int], float], shapes: NewShapes, log: TrainingLog) -> None:
    """Take the next step of a run.

    Args:
        progress: the place of the run; it advances by one step.
        rate: the learning rate of a step.
        shapes: records each shape of a batch that is new in this process.
        log: writes the metrics of the step.

    Raises NotFinite, CorruptRecord and OutOfMemory.
    """
    steps, step, started = progress.steps, progress.step + 1, time.perf_counter()
    batches_W = progress.next_batches()
    waited = time.perf_counter() - started
    for batches in batches_W:
        log.corrupt(step, batches[0].problem, [sentence for batch in batches for sentence in batch.corrupt])
    compiled, here = steps.compiling, [batch for worker in steps.own for batch in batches_W[worker]]
    for name in dict.fromkeys(batch.problem for batch in here):
        if not steps.trained(name):
            log.say(f"step {step:,}: compiling the step of {name} and of problems with the same inputs and targets")
    multipliers = [progress.batches[batches[0].problem].ready.problem.loss_multiplier for batches in batches_W]
    with shapes.of("a step on", step, here, steps.parallel) as is_new:
        if steps.workers == 1:
            results_W = [steps.train(batches_W[0], step, rate(step), multipliers[0])]
        else:
            results_W = steps.train_per_worker(batches_W, step, rate(step), multipliers)
        if is_new:
            float(results_W[0].gradient_norm)  # waits until it is done
    records_W = progress.records(batches_W, results_W)
    progress.advance(records_W)
    compiling, seconds = steps.compiling - compiled, time.perf_counter() - started
    log.step(step, [record.metrics for record in records_W], seconds, waited, rate(step), compiling)


class Loop:
    """Trains a run up to step `until`, with evaluations on the way and at the end if `evaluating`."""

    def __init__(self, state: TrainState, until: int, *, evaluating: bool) -> None:
        self.state, self.progress, self.config, self.cluster = state, state.progress, state.config, state.cluster
        self.until, self.evaluating = until, evaluating
        hparams = state.hparams
        self.policy = Policy(hparams.training.not_finite)
        self.rate = learning_rate(hparams.training, hparams.body.hidden_size, state.train_steps)
        self.profile = Profile(state.output_dir, state.net.parts, wanted=self.config.profile)
        self.log: TrainingLog = NoLog()
        self.stop = Stop()
        self.evaluated: int | None = None  # the step of the last evaluation on the way
        self.evaluated_at = time.monotonic()  # when it ended, or training began

    def run(self) -> Outcome:
        """Train to the end, or until a signal. Raises UserError as `Trainer.train`."""
        with self._open():
            try:
                self._catch_up()
                while not self._is_over():
                    try:
                        with self.profile.step(self.progress.step + 1):
                            take_step(self.progress, self.rate, self.state.shapes, self.log)
                        self._profile_if_due()
                        self._save_if_due()
                        self._evaluate_if_due()
                    except UserError as error:
                        self._handle(error)
            except WorkerLost:
                if self.cluster.chief and self.state.saved != self.progress.step:
                    self._try(self.state.save)
                raise
            finally:
                self.profile.close(self.log.say)
                self.progress.close()
            return Outcome(self.stop, self._finish())

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Hold the run's lock and its log, and note signals."""
        state, chief = self.state, self.cluster.chief
        with run_lock(state.output_dir) if chief and not state.locked else nullcontext():
            check_workers_agree(
                self.cluster,
                data=[(name, ready.manifest.splits) for name, ready in state.problems.items()],
                settings=(state.hparams, state.seed, state.train_steps),
                step=self.progress.step,
                tensors=state.net.tensors() | state.optimizer.tensors(),
            )
            state.saved_at = self.evaluated_at = time.monotonic()
            if chief:
                self.log = TrainingLog(state.output_dir, list(state.problems), self.until, start=self.progress.step)
            state.shapes = NewShapes(state.output_dir if chief else None, state.hparams.data)
            with self.log, stoppable() as self.stop:
                if message := state.shapes.left():
                    self.log.say(message)
                yield

    def _catch_up(self) -> None:
        """Do what an earlier process left undone at this step."""
        if self.state.saved is None and self.policy.name == ROLLBACK:
            self._try(self.state.save)
        step, by_steps = self.progress.step, _due(self.progress.step, self.config.local_eval_frequency)
        if not step or not self._evaluates or not (by_steps or self.config.eval_throttle_seconds):
            return
        written = (self.state.output_dir / "eval" / f"results-{step}.json").is_file()
        # Another command that evaluates may have written the file, and it keeps no best checkpoint.
        if written and not (by_steps and self.state.best):
            self.evaluated = step
        elif by_steps:
            self._evaluate()

    def _is_over(self) -> bool:
        """Return True if training is over; all steps are settled then."""
        best = self.state.best
        waited = best.steps_since(self.progress.step) if best is not None else 0
        patience = self.config.eval_early_stopping_steps
        stops_early = self.evaluated == self.progress.step and 0 < patience <= waited
        stop_requested, any_stops_early = self.cluster.any_worker(self.stop.requested, stops_early)
        if stop_requested and not self.stop.requested:
            self.stop.signal = signal.SIGTERM  # another worker got it
        if not (self.progress.step >= self.until or stop_requested or any_stops_early):
            return False
        try:
            self.progress.settle()
        except NotFinite as fault:
            self._follow_policy(fault)
            return self._is_over()
        if stops_early:
            self.log.say(f"{self.config.best_metric} has not improved for {waited:,} steps: training ends.")
        return True

    def _profile_if_due(self) -> None:
        self.profile.after_step(self.state.steps.compiling, self.progress.settle, self.log.say)

    def _save_if_due(self) -> None:
        by_clock = _over(self.config.save_checkpoints_secs, self.state.saved_at)
        if by_clock or _due(self.progress.step, self.config.save_checkpoints_steps):
            self.progress.settle()
            self._try(self.state.save)

    def _evaluate_if_due(self) -> None:
        by_clock = _over(self.config.eval_throttle_seconds, self.evaluated_at)
        if not self._evaluates or not (by_clock or _due(self.progress.step, self.config.local_eval_frequency)):
            return
        self.progress.settle()
        self.profile.end(self.log.say)
        try:
            self._evaluate()
        except UserError:
            raise
        except Exception:  # a fault of a metric, or of a summary: what was learnt stays
            if self.state.saved != self.progress.step:
                self._try(self.state.save)
            raise

    def _finish(self) -> list[Result]:
        """Save, and evaluate in full; return the results, none where the loop does not evaluate or was stopped."""
        if self.state.saved != self.progress.step:
            self.state.save()
        self.cluster.barrier()  # a worker that leaves now leaves a run that is saved
        results: list[Result] = []
        if self.evaluating and not self.stop.requested and self.cluster.chief:
            with suppress(Stopped):
                results = self.state.evaluate(stop=self.stop)
                self._report(results)
        return results

    @property
    def _evaluates(self) -> bool:
        """True if this process evaluates on the way, and is not at the end."""
        return self.cluster.chief and self.evaluating and self.progress.step < self.until

    def _handle(self, error: UserError) -> None:
        """Continue after a fault where the policy allows it. Raises UserError to end training."""
        if isinstance(error, NotFinite):
            return self._follow_policy(error)
        if isinstance(error, OutOfMemory):
            saved = self.state.saved
            where = "from the beginning" if saved is None else f"from step {saved:,}"
            raise UserError(f"{error} That step is not saved: the same command continues {where}.") from error
        try:  # data that can't be read: save, after a fault of a step that was in flight is handled
            self.progress.settle()
        except NotFinite as fault:
            return self._follow_policy(fault)
        step = self.progress.step
        saved_now = self.state.saved == step or self._try(self.state.save)
        where = f" The run is saved after step {step:,}; the same command continues from there." if saved_now else ""
        raise UserError(f"{error}{where}") from error

    def _follow_policy(self, fault: NotFinite) -> None:
        """Do what the hparam not_finite says about a non-finite step. Raises UserError to stop."""
        state, record = self.state, fault.record
        multiplier = state.problems[record.problem].problem.loss_multiplier
        blame = first_nonfinite(state.steps, record, multiplier)
        if self.cluster.part != WHOLE_BATCH and not record.all_batches:
            blame = f"Worker {self.cluster.index} has checked its own rows. {blame}"
        saved = int(self.cluster.broadcast_from_chief(-1 if state.saved is None else state.saved))
        action, why = self.policy.decide(record.step, None if saved < 0 else saved)
        message = f"{fault} {blame}"
        run = {"seed": state.seed, "train_steps": state.train_steps, "hparams": state.hparams.flat()}
        if self.cluster.chief:
            self._try(lambda: write_fault(state.output_dir, fault, blame, action, run))
        if action == SKIP:
            self.progress.skip(record)
            self.log.say(f"{message} It is skipped.")
            self._save_if_due()
            self._evaluate_if_due()
        elif action == ROLLBACK:
            positions = self.progress.positions | record.behind
            state.restore(checkpoint.path_of(state.output_dir, saved))
            self.progress.place(self.progress.step, positions)
            self.log.say(
                f"{message} The run goes back to step {self.progress.step}, and on with the data behind that batch."
            )
        else:
            is_saved = state.saved == self.progress.step or self._try(state.save)
            self.cluster.barrier()
            again = "The run is saved as it was before that step, so that the same command takes it again. "
            raise UserError(
                f"{message} {why}{again if is_saved else ''}A lower learning_rate or clip_grad_norm may help; "
                "--hparams=not_finite=skip skips such steps."
            )

    def _evaluate(self) -> None:
        compiled = self.state.steps.compiling
        try:
            results = self.state.results(list(self.state.problems), permuted=False, stop=self.stop)
        except Stopped:
            return
        self._report(results, self.state.steps.compiling - compiled)
        self.evaluated, self.evaluated_at = self.progress.step, time.monotonic()

    def _report(self, results: Sequence[Result], compiling: float = 0.0) -> None:
        """Log an evaluation, keep the best checkpoint, write the results and the summaries of each problem.

        The file of results is written after the best checkpoint: a process that finds it need not evaluate again.
        """
        state, step = self.state, self.progress.step
        self.log.evaluation(step, {result.problem: result.metrics for result in results}, compiling)
        for result in results:
            self.log.corrupt(step, result.problem, result.corrupt)
        self._keep_if_best(results)
        self._try(lambda: write_results(state.output_dir, step, results))
        if self.config.summaries:
            with state.averaged():
                for name, ready in state.problems.items():
                    if self.stop.requested:
                        break
                    self.log.summaries(step, name, problem_summaries(state.activations, ready, fixed_example(ready)))

    def _keep_if_best(self, results: Sequence[Result]) -> None:
        best, step = self.state.best, self.progress.step
        if best is None or not best.is_better(score := best.aim.score(results)):
            return
        saved = self.state.saved == step or self._try(self.state.save)
        path = checkpoint.path_of(self.state.output_dir, step)
        if saved and self._try(lambda: best.keep(path, step, score)):
            self.log.say(f"The best so far: {self.config.best_metric} is {score:.4g}; kept in {best.folder}.")

    def _try(self, write: Callable[[], object]) -> bool:
        """Write; if that fails (a full disk, a read-only folder), say so and let training continue."""
        try:
            write()
        except NotFinite:
            raise
        except UserError as error:
            self.log.say(f"{error} Training goes on.")
            return False
        return True


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _over(seconds: float, since: float) -> bool:
    return 0 < seconds <= time.monotonic() - since
