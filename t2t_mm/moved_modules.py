"""The modules and public names that earlier versions had elsewhere, so that an old plugin is told the new ones.

CHANGELOG.md has the same list for people.
"""

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path

# Old package, new package, then the modules: "old=new", or one word where only the package changed.
_MODULES = (
    ("", "", "whole_file=atomic_file rundir=run_directory"),
    ("", "run_tools", "opened_run=trained_run search=hparam_search"),
    ("data", "data", "chance=keyed_rng beam=beam_runner"),
    (
        "data",
        "data.features",
        "audio brackets characters image jpeg_head label log_mel masked_sentences passage pixels references scan "
        "sentences span spec_augment sphere text tree vector windows asked_text=question_text made_file=feature_file "
        "named_file=input_file sound=audio_file",
    ),
    ("data", "data.datagen", "generate workers reading on_beam=beam_pipeline unfinished=resumable_build"),
    (
        "data",
        "data.input",
        "batch batches records shards corrupt=corrupt_records part=row_shard plan=batch_plan preflight=check_records "
        "ready=generated_problem",
    ),
    ("data.sources", "data.sources", "late=lazy_values among=class_subset made=synthetic"),
    ("decoding", "decoding", "begun=forced_prefix largest=blockwise_top_k one_path=autoregressive_loop"),
    (
        "layers",
        "layers",
        "part=layer picture=image_conv paths=beam_index gelu=activations softmax=activations timing=positions",
    ),
    (
        "train",
        "evaluation",
        "samples score score_report table baseline=baselines compare=compare_runs evaluate=teacher_forced "
        "judge=batch_evaluator report=results",
    ),
    ("train", "run_tools", "replay averaging=average_checkpoints parting=diff_runs"),
    ("train.surgery", "run_tools.surgery", "experts fit operate operations report use"),
    (
        "train",
        "train",
        "best=best_checkpoint estimator=trainer stepping=progress stopping=signals lock=run_lock trial=trial_step",
    ),
    (
        "train",
        "train.distributed",
        "cluster cluster_jax cluster_tensorflow devices alike=check_workers_agree members=cluster_spec relay=tcp_proxy",
    ),
    (
        "train",
        "train.step",
        "compiler step=steps step_apart=problem_per_worker step_jax=jax_steps step_tensorflow=tensorflow_steps "
        "step_side_by_side=parallel_microbatches traced_once=shared_graphs",
    ),
    ("train", "train.optim", "optimiser=optimizer schedule=learning_rate"),
    ("train.optimisers", "train.optim", "adafactor adam momentum muon rmsprop rule=update_rule rules=update_rules"),
    ("train", "train.mixture", "problem_rates problem_schedule mixing=mixer"),
    ("train", "train.faults", "policy faults=nonfinite"),
    ("train", "train.memory", "first_use heap=malloc_trim room=max_positions watched=memory_limit"),
    ("train", "train.logs", "display profile profiler profiler_jax profiler_tensorflow log=training_log"),
    ("train", "train.summaries", "events"),
    ("train.exhibits", "evaluation", "fixed_example"),
    (
        "train.exhibits",
        "train.summaries",
        "canvas lettering source_views attention_pictures=attention_images exhibit=problem_summary look=activations "
        "expert_pictures=expert_images ordering_pictures=ordering_images",
    ),
)

# Old module, then its public names that are called otherwise now or are in another module than the rest of it.
_NAMES = (
    ("rundir", "RunConfig=RunRecord"),
    ("opened_run", "OpenedRun=TrainedRun"),
    ("data.asked_text", "AskedText=QuestionText"),
    ("data.masked_sentences", "HiddenWords=MaskedWords"),
    ("data.part", "Part=RowShard WHOLE=WHOLE_BATCH"),
    ("data.passage", "Asked=PassageQuestion"),
    ("data.plan", "Plan=BatchPlan"),
    ("data.ready", "ReadyProblem=GeneratedProblem"),
    ("data.sound", "Sound=AudioClip"),
    ("data.sources.among", "Among=ClassSubset"),
    ("data.sources.late", "Late=LazyValues"),
    ("data.sources.made", "Made=SyntheticSource"),
    ("data.sources.transcribed_sounds", "TranscribedSounds=TranscribedAudio"),
    ("data.unfinished", "Unfinished=ResumableBuild"),
    ("decoding.begun", "Begun=ForcedPrefix"),
    ("layers.part", "Part=Layer"),
    ("layers.picture", "PictureStep=ImageConvStep"),
    ("train.alike", "check_same=check_workers_agree"),
    ("train.baseline", "Standing=BaselineComparison"),
    ("train.cluster", "join=train.distributed.join.join"),
    ("train.compiler", "Compiler=StepCompiler"),
    ("train.display", "Progress=ProgressState"),
    ("train.estimator", "Estimator=Trainer"),
    ("train.exhibits.look", "Looker=ActivationReader"),
    ("train.exhibits.source_views", "Picture=ImageView Sound=AudioView"),
    ("train.first_use", "FirstUses=NewShapes NotedJudge=GuardedEvaluator"),
    ("train.judge", "Judge=BatchEvaluator Judging=EvaluatesBatches StoppableJudge=train.signals.StoppableEvaluator"),
    ("train.lock", "only_process=run_lock"),
    ("train.log", "Told=StepMetrics"),
    ("train.members", "Members=ClusterSpec"),
    ("train.mixing", "PlanRow=train.mixture.plan.PlanRow plan_rows=train.mixture.plan.plan_rows"),
    ("train.optimiser", "Optimiser=Optimizer"),
    ("train.optimisers.rule", "Rule=UpdateRule"),
    ("train.parting", "Parting=Divergence"),
    ("train.profiler", "profiler=train.logs.profile.profiler"),
    ("train.relay", "Relay=TcpProxy"),
    ("train.report", "plan_table=train.mixture.plan.plan_table"),
    ("train.room", "check_room=check_positions"),
    ("train.step", "Stepped=StepResult"),
    ("train.step_apart", "ApartCompiler=ProblemPerWorkerCompiler"),
    ("train.step_side_by_side", "SideBySideCompiler=ParallelMicrobatchCompiler"),
    (
        "train.stepping",
        "Stepping=Progress Taken=train.step.step_record.StepRecord NotFinite=train.step.step_record.NotFinite",
    ),
    ("train.traced_once", "TracedOnce=SharedGraphs"),
    ("train.trial", "Trial=TrialStep Tried=TrialResult"),
)

PACKAGE = "t2t_mm"


def moved_modules() -> dict[str, str]:
    """Return the new name of each module that was moved, by its old name."""
    return {
        _join(PACKAGE, old, one.partition("=")[0]): _join(PACKAGE, new, one.rpartition("=")[2])
        for old, new, modules in _MODULES
        for one in modules.split()
    }


def moved_names() -> dict[str, str]:
    """Return the new place of each renamed public name, "module.name", by its old place."""
    modules, places = moved_modules(), {}
    for module, names in _NAMES:
        old = _join(PACKAGE, module)
        for one in names.split():
            name, _, now = one.partition("=")
            places[f"{old}.{name}"] = _join(PACKAGE, now) if "." in now else f"{modules.get(old, old)}.{now}"
    return places


def explain(error: BaseException, files: Iterable[Path]) -> str | None:
    """Return why a plugin failed to import, if it uses modules or names of an earlier version; else None.

    Args:
        error: what the import raised.
        files: the plugin's Python files. They are parsed, not run.

    The text names each old import with its file, its line and the new name.
    """
    if not isinstance(error, ImportError) or (error.name or "").partition(".")[0] != PACKAGE:
        return None
    clauses = [
        f"{file}:{line} imports {old}, which is now {new}" for file in files for line, old, new in old_imports(file)
    ]
    if not clauses:
        return None
    return f"it was written for an earlier version: {'; '.join(clauses)}. CHANGELOG.md lists all names that changed"


def old_imports(file: Path) -> list[tuple[int, str, str]]:
    """Return the line, the old name and the new name of each import of `file` whose module or name was moved.

    A file that cannot be parsed has none.
    """
    table = moved_modules() | moved_names()
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return []
    imports: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            imports += [(node.lineno, name if name in table else node.module) for name in names if not _is_new(name)]
    return list(dict.fromkeys((line, name, table[name]) for line, name in sorted(imports) if name in table))


def python_files(package: str) -> list[Path]:
    """Return the files of an importable package, or of a module; empty where it cannot be found."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    return [file for folder in spec.submodule_search_locations for file in sorted(Path(folder).rglob("*.py"))]


def _is_new(name: str) -> bool:
    """Return True for a module of today whose package has the name of a module of before, as t2t_mm.train.step."""
    return name in moved_modules().values()


def _join(*parts: str) -> str:
    return ".".join(part for part in parts if part)
