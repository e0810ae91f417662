"""Search of hparams within ranges: the trials so far, their scores, and the values to try next.

Optuna chooses the values and prunes trials. Its state is kept in `search.db` in the search's folder, an SQLite file
that Optuna's own tools can read. The values of a trial are a function of (seed, its number, the trials before it). So a
search that was stopped continues as if it had not been: a trial that was under way is run again in its own folder.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_mm.errors import UserError
from t2t_mm.hparam_ranges import Choice, Ints, Range, Ranges, Value

DATABASE, STUDY = "search.db", "search"
NAME, WHY, ABOUT = "name", "why", "about"  # attributes of trials and of the study, stored by Optuna
TRAINED, PRUNED, FAILED = "trained", "pruned", "failed"


@dataclass(frozen=True)
class TrialOutcome:
    """The outcome of a trial that has ended."""

    name: str  # of its folder
    values: Mapping[str, Value]
    ended: str  # trained, pruned or failed
    score: float | None  # the best score that it reached
    step: int | None  # the last step that was evaluated
    why: str = ""  # the reason if it failed


@dataclass(frozen=True)
class SearchTrial:
    """A trial to run."""

    name: str
    values: Mapping[str, Value]
    optuna_trial: Any


class Search:
    """A search in a folder, new or continued. The higher a score, the better."""

    def __init__(self, folder: Path, ranges: Ranges, about: Mapping[str, str], seed: int = 0) -> None:
        """Begin the search in `folder`, or continue it.

        Args:
            folder: the search's folder.
            ranges: the range of each hparam.
            about: what the search is for, by name; must be the same when it is continued.
            seed: of the choice of values.

        Raises UserError if Optuna is not installed, and if `folder` contains another search.
        """
        self._optuna = _optuna()
        self.seed = seed
        self._ranges = {name: _distribution(self._optuna, values) for name, values in ranges.items()}
        folder.mkdir(parents=True, exist_ok=True)
        self._study = self._optuna.create_study(
            storage=f"sqlite:///{folder / DATABASE}",
            study_name=STUDY,
            direction="maximize",
            pruner=self._optuna.pruners.MedianPruner(),
            load_if_exists=True,
        )
        self._compare(folder, {**about, "ranges": str(dict(ranges))})
        self._requeue_interrupted()

    def outcomes(self) -> list[TrialOutcome]:
        """Return the outcomes of the trials that have ended, in the order of their names."""
        # a trial that was run again is listed twice: the last one counts
        newest = {trial.user_attrs[NAME]: trial for trial in self._named()}
        return [_outcome(trial) for _, trial in sorted(newest.items()) if trial.state.is_finished()]

    def next(self) -> SearchTrial:
        """Return a trial to run: one that was under way when the search was stopped, or a new one."""
        number = len({trial.user_attrs[NAME] for trial in self._named()}) + 1
        words = f"{self.seed} trial {number}"
        self._study.sampler = self._optuna.samplers.TPESampler(seed=zlib.crc32(words.encode()))
        trial = self._study.ask(self._ranges)
        if NAME not in trial.user_attrs:
            trial.set_user_attr(NAME, f"trial-{number:03d}")
        return SearchTrial(trial.user_attrs[NAME], trial.params, trial)

    def evaluated(self, trial: SearchTrial, step: int, score: float) -> bool:
        """Record an evaluation during a trial; return True if it is below the median at that step and should end."""
        trial.optuna_trial.report(score, step)
        return trial.optuna_trial.should_prune()

    def trained(self, trial: SearchTrial, score: float) -> None:
        """Record that the trial was trained to its end; `score` is the best that it reached."""
        self._study.tell(trial.optuna_trial, score)

    def pruned(self, trial: SearchTrial) -> None:
        """Record that the trial was ended because others are better."""
        self._study.tell(trial.optuna_trial, state=self._optuna.trial.TrialState.PRUNED)

    def failed(self, trial: SearchTrial, why: str) -> None:
        """Record that the trial ended with an error."""
        trial.optuna_trial.set_user_attr(WHY, why)
        self._study.tell(trial.optuna_trial, state=self._optuna.trial.TrialState.FAIL)

    def _named(self) -> list[Any]:
        """Return Optuna's trials, without those that were stopped before they had a name."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if NAME in trial.user_attrs]

    def _compare(self, folder: Path, about: Mapping[str, str]) -> None:
        earlier = self._study.user_attrs.get(ABOUT)
        if earlier is None:
            self._study.set_user_attr(ABOUT, dict(about))
            return
        differing = [
            f"{name} is {earlier.get(name)!r} there and {about.get(name)!r} here"
            for name in dict.fromkeys([*earlier, *about])
            if earlier.get(name) != about.get(name)
        ]
        if differing:
            raise UserError(f"{folder} contains another search: {'; '.join(differing)}. Choose another --output_dir.")

    def _requeue_interrupted(self) -> None:
        """Queue the trials that were under way as the next ones, with their names and values."""
        states = self._optuna.trial.TrialState
        waiting = {trial.user_attrs.get(NAME) for trial in self._study.get_trials(states=(states.WAITING,))}
        for trial in self._study.get_trials(states=(states.RUNNING,)):
            name = trial.user_attrs.get(NAME)
            if name is not None and name not in waiting:
                self._study.enqueue_trial(trial.params, user_attrs={NAME: name})
            self._study.tell(trial.number, state=states.FAIL)


def _outcome(trial: Any) -> TrialOutcome:
    steps = trial.intermediate_values
    scores = [score for score in (*steps.values(), trial.value) if score is not None]
    ended = {"COMPLETE": TRAINED, "PRUNED": PRUNED}.get(trial.state.name, FAILED)
    return TrialOutcome(
        name=trial.user_attrs[NAME],
        values=trial.params,
        ended=ended,
        score=max(scores, default=None),
        step=max(steps, default=None),
        why=trial.user_attrs.get(WHY, ""),
    )


def _distribution(optuna: Any, values: Range) -> Any:
    if isinstance(values, Choice):
        return optuna.distributions.CategoricalDistribution(values.values)
    kinds = optuna.distributions
    kind = kinds.IntDistribution if isinstance(values, Ints) else kinds.FloatDistribution
    return kind(values.least, values.most, log=values.log)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("A search needs Optuna, which is not installed: pip install 't2t_mm[search]'.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
