"""Flags of Tensor2Tensor's commands that do not exist here, and what a user who types one should do instead."""

from fnmatch import fnmatchcase

WORKERS = (
    "--num_workers starts several workers on this host, and TF_CONFIG names workers on several hosts; training is data "
    "parallel, without parameter servers"
)
DEVICES = "the backend uses the devices that it finds; CUDA_VISIBLE_DEVICES chooses among them"
CORPORA = "problems look for their corpora in --tmp_dir"
CHECKPOINTS = "--keep_checkpoint_max sets how many checkpoints are kept"
LOWER_IS_BETTER = "give a metric that should fall a negative weight: --best_metric=problem/metric:-1"
LOGGING = "progress is printed and written to log.jsonl in --output_dir"

REPLACED = {
    # training and evaluating
    "autotune_maximize": LOWER_IS_BETTER,
    "autotune_parallel_trials": "the trials of a search run one after the other",
    "hp_*": "write --hparams=name=value,name=value",
    "eval_early_stopping_metric_minimize": LOWER_IS_BETTER,
    "eval_print": "every evaluation is printed",
    "eval_run_autoregressive": "t2t-mm-eval decodes with a trained model and evaluates the outputs",
    "eval_timeout_mins": "--local_eval_frequency and --eval_throttle_seconds set when to evaluate",
    "eval_use_test_set": "the trainer evaluates on dev sets; t2t-mm-eval takes --split=test",
    "keep_checkpoint_every_n_hours": CHECKPOINTS,
    "keep_timestamp": CHECKPOINTS,
    "export_saved_model": "a run directory is all that t2t-mm-decoder needs",
    "iterations_per_loop": LOGGING,
    "log_step_count_steps": LOGGING,
    # devices and processes
    **dict.fromkeys(
        ("master", "worker_job", "worker_replicas", "worker_id", "ps_replicas", "ps_gpu", "ps_job", "sync"), WORKERS
    ),
    **dict.fromkeys(("daisy_chain_variables", "locally_shard_to_cpu", "optionally_use_dist_strat"), WORKERS),
    **dict.fromkeys(("experimental_optimize_placement", "std_server_protocol", "cloud_*"), WORKERS),
    **dict.fromkeys(("worker_gpu_memory_fraction", "gpu_order", "use_tpu*", "tpu_*"), DEVICES),
    "log_device_placement": DEVICES,
    "inter_op_parallelism_threads": "set the environment variable TF_NUM_INTEROP_THREADS",
    "intra_op_parallelism_threads": "set the environment variable TF_NUM_INTRAOP_THREADS",
    "gpu_automatic_mixed_precision": "training computes in float32, and in bfloat16 with --hparams=precision=bfloat16",
    "xla_*": "the code decides what is compiled, by measurement",
    "disable_grappler_optimizations": "the code decides what is compiled, by measurement",
    "tfdbg": "use the debugger of TensorFlow or JAX; --profile shows which operations take the time",
    # decoding
    "decode_hparams": "its values are flags of t2t-mm-decoder, such as --beam_size, --alpha, --return_beams",
    "decode_problem_id": "t2t-mm-decoder takes --problem=<name>",
    "decode_reference": "t2t-mm-eval decodes dev and test sets and compares the outputs with the references",
    "decode_in_memory": "t2t-mm-decoder reads a file part by part and keeps what it has decoded",
    "decode_use_last_position_only": "decoding keeps a key/value cache and always computes the last position only",
    "decode_save_images": "t2t-mm-decoder writes one line of text for each line that it reads",
    "score_file": "t2t-mm-decoder prints scores with --return_beams",
    # making data
    "exclude_problems": "list the problems that you want in --problems",
    "only_list": "t2t-mm-datagen --registry_help=problems lists them",
    "task_id*": "t2t-mm-datagen divides its work among --num_concurrent_processes",
    **dict.fromkeys(("timit_paths", "parsing_path", "ende_bpe_path"), CORPORA),
}


def remedy(flag: str) -> str:
    """Return what replaces the T2T flag `flag` (without dashes), or "" for a name that T2T did not have."""
    return next((text for pattern, text in REPLACED.items() if fnmatchcase(flag, pattern)), "")
