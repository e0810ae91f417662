"""The modules and public names that earlier versions had elsewhere: errors name the new ones to an old plugin.

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
        "audio brackets characters image jpeg_head=image label log_mel masked_sentences passage pixels references scan "
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
    (
        "data.sources",
        "data.sources",
        "late=lazy_values among=class_subset made=synthetic transcribed_sounds=transcribed_audio",
    ),
    (
        "decoding",
        "decoding",
        "begun=forced_prefix largest=beam one_path=autoregressive_loop greedy=autoregressive_loop",
    ),
    (
        "layers",
        "layers",
        "part=layer picture=image_conv paths=beam_index gelu=activations softmax=activations timing=positions "
        "grid_positions=positions",
    ),
    ("models.multimodel", "models.multimodel", "parts=blocks"),
    ("models.transformer", "models.transformer", "parts=blocks"),
    ("models.conformer", "models.conformer", "convolution=encoder"),
    ("models.soft_ordering", "models.soft_ordering", "core=body"),
    ("testing", "testing", "promise=checks"),
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
    ("train.optimisers", "train.optim", "adafactor adam momentum muon rmsprop rule=update_rule rules=optimizer"),
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

# Old module, then its public names that have another name now or are in another module than the rest of it: "old=new",
# with | between two new names, and with nothing behind = if there is no new one.
_NAMES = (
    ("rundir", "RunConfig=RunRecord"),
    ("whole_file", "half_written=partial_folder whole_file=atomic_write"),
    ("opened_run", "OpenedRun=TrainedRun"),
    ("data.asked_text", "AskedText=QuestionText AskedTextCodec=QuestionTextCodec"),
    ("data.brackets", "plain=without_traces"),
    ("data.made_file", "lines=split_lines read_made=read_feature_file"),
    (
        "data.masked_sentences",
        "HiddenWords=MaskedWords HiddenWordsCodec=MaskedWordsCodec Pair=SentencePair most_hidden=masked_count",
    ),
    ("data.named_file", "read_named=read_input_file"),
    ("data.part", "Part=RowShard WHOLE=WHOLE_BATCH"),
    ("data.passage", "Asked=PassageQuestion"),
    ("data.plan", "Plan=BatchPlan"),
    ("data.preflight", "Looked=SplitCheck look=check_splits"),
    ("data.ready", "ReadyProblem=GeneratedProblem outline=signature_without_files"),
    ("data.sentences", "parts=as_sentences"),
    ("data.shards", "Written=ShardSummary"),
    ("data.sound", "Sound=AudioClip decoded=decode_audio"),
    ("data.sources.among", "Among=ClassSubset"),
    ("data.sources.late", "Late=LazyValues"),
    ("data.sources.made", "Made=SyntheticSource"),
    ("data.sources.transcribed_sounds", "TranscribedSounds=TranscribedAudio"),
    ("data.sources.joined_clips", "Reader=ReadClip"),
    ("data.sources.running_text", "decoded=decode_ascii"),
    ("data.spec_augment", "Policy=SpecAugmentPolicy band=random_band warped=time_warp"),
    ("data.sphere", "check_whole=check_complete head=read_header shortened=is_shorten_compressed"),
    (
        "data.unfinished",
        "Unfinished=ResumableBuild unfinished=resumable_build Stopped=BuildInterrupted one_at_a_time=exclusive",
    ),
    ("data.vector", "checked=check_fields"),
    ("data.workers", "Row=StoredExample make=make_shards run=run_job jobs_of=plan_jobs"),
    ("decoding.begun", "Begun=ForcedPrefix"),
    ("decoding.one_path", "follow=autoregressive_loop likeliest=max_and_argmax"),
    ("decoding.sampling", "greatest_of_fewest=top_p_argmax"),
    ("layers.batch_norm", "Running=RunningStatistics"),
    (
        "layers.ctc",
        "moment_logits=frame_logits moment_probabilities=frame_probabilities",
    ),
    ("layers.depthwise", "shifted=shift_and_add"),
    ("layers.part", "Part=Layer leaving_out=without_weights"),
    ("layers.paths", "straight_paths=identity_paths switch_paths=reorder_paths"),
    ("layers.picture", "PictureStep=ImageConvStep halve=max_pool"),
    ("layers.sequence", "FAR_BELOW=MASKED_SCORE"),
    ("modalities.base", "Modality=InputNet|TargetNet one_way="),
    ("modalities.class_head", "with_one=append_one"),
    ("models.body", "Reader=EncoderBody"),
    ("search", "Trial=SearchTrial Tried=TrialOutcome"),
    ("train.alike", "check_same=check_workers_agree"),
    ("train.averaging", "chosen=choose_checkpoints target=check_output_path"),
    ("train.baseline", "Standing=BaselineComparison interval=bootstrap_interval judge=compare_with_baselines"),
    ("train.cluster", "join=train.distributed.join.join"),
    ("train.compiler", "Compiler=StepCompiler"),
    ("train.display", "Progress=ProgressState"),
    ("train.estimator", "Estimator=Trainer Habits=run_config.RunConfig"),
    ("train.exhibits.exhibit", "exhibit=problem_summaries"),
    ("train.exhibits.look", "Looker=ActivationReader Work=ExpertShares Written=GreedyOutput"),
    ("train.exhibits.source_views", "Picture=ImageView Sound=AudioView"),
    ("train.first_use", "FirstUses=NewShapes NotedJudge=GuardedEvaluator Use=FirstUse"),
    ("train.judge", "Judge=BatchEvaluator Judging=EvaluatesBatches StoppableJudge=train.signals.StoppableEvaluator"),
    ("train.lock", "only_process=run_lock"),
    ("train.log", "Told=StepMetrics"),
    ("train.members", "Members=ClusterSpec members=parse_cluster_spec"),
    ("train.mixing", "PlanRow=train.mixture.plan.PlanRow plan_rows=train.mixture.plan.plan_rows"),
    ("train.optimiser", "Optimiser=Optimizer"),
    ("train.optimisers.rule", "Rule=UpdateRule"),
    ("train.parting", "Parting=Divergence parting=find_divergence"),
    ("train.profiler", "profiler=train.logs.profile.profiler"),
    ("train.relay", "Relay=TcpProxy"),
    ("train.report", "plan_table=train.mixture.plan.plan_table"),
    ("train.replay", "Replayed=ReplayResult take_again=replay_step"),
    ("train.room", "check_room=check_positions"),
    ("train.schedule", "Run=ScheduleContext"),
    ("train.step", "Stepped=StepResult"),
    ("train.step_apart", "ApartCompiler=ProblemPerWorkerCompiler"),
    ("train.step_side_by_side", "SideBySideCompiler=gradients_in_parallel"),
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
    """Return the new place of each renamed public name, "module.name", by its old place; "" where it has none."""
    modules, places = moved_modules(), {}
    for module, names in _NAMES:
        old = _join(PACKAGE, module)
        for one in names.split():
            name, _, now = one.partition("=")
            here = modules.get(old, old)
            news = [_join(PACKAGE, new) if "." in new else f"{here}.{new}" for new in now.split("|") if new]
            places[f"{old}.{name}"] = " or ".join(news)
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
        f"{file}:{line} imports {old}, which is {f'now {new}' if new else 'gone'}"
        for file in files
        for line, old, new in old_imports(file)
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
    old = [(line, name) for line, name in dict.fromkeys(sorted(imports)) if name in table and not is_there(name)]
    return [(line, name, table[name]) for line, name in old]


def is_there(place: str) -> bool:
    """Return True if a module, or a name of a module, can be imported by this full name. A folder is no module here."""
    module, _, name = place.rpartition(".")
    if _module_file(place):
        return True
    file = _module_file(module)
    if file is None:
        return False
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names.update(
                one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
            )
    return name in names


def _module_file(module: str) -> Path | None:
    """Return the file of a module that is no folder, None where there is none."""
    path = Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return path if module.startswith(f"{PACKAGE}.") and path.is_file() else None


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
