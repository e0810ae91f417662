"""A search through ranges of hparams: which trials there were, what they reached, and what to try next.

Optuna chooses and prunes; what it knows stands in `search.db` of the search's folder, an SQLite file that its own
tools read too. What a trial tries is a function of (seed, its number, the trials before it), so a search that was
stopped goes on as one that was not: a trial that was under way is taken up again, in its own folder.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_mm.errors import UserError
from t2t_mm.hparam_ranges import Choice, Ints, Range, Ranges, Value

DATABASE, STUDY = "search.db", "search"
NAME, WHY, ABOUT = "name", "why", "about"  # attributes that Optuna keeps for us
TRAINED, PRUNED, FAILED = "trained", "pruned", "failed"


@dataclass(frozen=True)
class Tried:
    """A trial that has ended."""

    name: str  # of its folder
    values: Mapping[str, Value]
    ended: str  # trained, pruned or failed
    score: float | None  # the best one that it reached
    step: int | None  # the last one that was evaluated
    why: str = ""  # it failed


@dataclass(frozen=True)
class Trial:
    """A trial to be run."""

    name: str
    values: Mapping[str, Value]
    asked: Any  # Optuna's


class Search:
    """The search in `folder`, begun or gone on with. The higher a score, the better."""

    def __init__(self, folder: Path, ranges: Ranges, about: Mapping[str, str], seed: int = 0) -> None:
        """`about` says what a search is of, by name; one that goes on must say the same.

        Raises UserError when Optuna is not installed, and for another search in `folder`.
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
        self._take_up()

    def tried(self) -> list[Tried]:
        """The trials that have ended, in the order of their names."""
        newest = {
            trial.user_attrs[NAME]: trial for trial in self._named()
        }  # one that was taken up again stands there twice
        return [_tried(trial) for _, trial in sorted(newest.items()) if trial.state.is_finished()]

    def next(self) -> Trial:
        """A trial to run: one that was under way when the search was stopped, or a new one."""
        number = len({trial.user_attrs[NAME] for trial in self._named()}) + 1
        words = f"{self.seed} trial {number}"
        self._study.sampler = self._optuna.samplers.TPESampler(seed=zlib.crc32(words.encode()))
        asked = self._study.ask(self._ranges)
        if NAME not in asked.user_attrs:
            asked.set_user_attr(NAME, f"trial-{number:03d}")
        return Trial(asked.user_attrs[NAME], asked.params, asked)

    def evaluated(self, trial: Trial, step: int, score: float) -> bool:
        """Take note of an evaluation on the way; whether the trial is below the median there and should end."""
        trial.asked.report(score, step)
        return trial.asked.should_prune()

    def trained(self, trial: Trial, score: float) -> None:
        """The trial came to its end; `score` is the best that it reached."""
        self._study.tell(trial.asked, score)

    def pruned(self, trial: Trial) -> None:
        """The trial was ended because others are better."""
        self._study.tell(trial.asked, state=self._optuna.trial.TrialState.PRUNED)

    def failed(self, trial: Trial, why: str) -> None:
        """The trial ended with an error."""
        trial.asked.set_user_attr(WHY, why)
        self._study.tell(trial.asked, state=self._optuna.trial.TrialState.FAIL)

    def _named(self) -> list[Any]:
        """Optuna's trials, those left out that were stopped before they had a name."""
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
            raise UserError(f"{folder} holds another search: {'; '.join(differing)}. Choose another --output_dir.")

    def _take_up(self) -> None:
        """Have the trials that were under way come next, with their names and values."""
        states = self._optuna.trial.TrialState
        waiting = {trial.user_attrs.get(NAME) for trial in self._study.get_trials(states=(states.WAITING,))}
        for trial in self._study.get_trials(states=(states.RUNNING,)):
            name = trial.user_attrs.get(NAME)
            if name is not None and name not in waiting:
                self._study.enqueue_trial(trial.params, user_attrs={NAME: name})
            self._study.tell(trial.number, state=states.FAIL)


def _tried(trial: Any) -> Tried:
    steps = trial.intermediate_values
    scores = [score for score in (*steps.values(), trial.value) if score is not None]
    ended = {"COMPLETE": TRAINED, "PRUNED": PRUNED}.get(trial.state.name, FAILED)
    return Tried(
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
