"""Flags of Tensor2Tensor's commands that have no place here, and what a person who types one should do instead."""

from fnmatch import fnmatchcase

WORKERS = "--num_workers starts workers on this host, and TF_CONFIG names those of several hosts; all keep the weights"
DEVICES = "the backend uses the devices it finds; CUDA_VISIBLE_DEVICES chooses among them"
PLACE_OF_CORPORA = "problems look for their corpora below --tmp_dir"
CHECKPOINTS = "--keep_checkpoint_max says how many checkpoints stay"
FALLS = "give what should fall a weight below 0: --best_metric=problem/metric:-1"
LOGGING = "progress is printed and written to log.jsonl of --output_dir as it comes"

REPLACED = {
    # training and evaluating
    "autotune_maximize": FALLS,
    "autotune_parallel_trials": "the trials of a search run one after the other",
    "hp_*": "write --hparams=name=value,name=value",
    "eval_early_stopping_metric_minimize": FALLS,
    "eval_print": "every evaluation is printed",
    "eval_run_autoregressive": "t2t-mm-eval judges what a trained model decodes",
    "eval_timeout_mins": "--local_eval_frequency and --eval_throttle_seconds say when to evaluate",
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
    "xla_*": "what is compiled is decided in the code, by measurement",
    "disable_grappler_optimizations": "what is compiled is decided in the code, by measurement",
    "tfdbg": "use the debugger of TensorFlow or JAX; --profile shows where the time goes",
    # decoding
    "decode_hparams": "its values are flags of t2t-mm-decoder, such as --beam_size, --alpha, --return_beams",
    "decode_problem_id": "t2t-mm-decoder takes --problem=<name>",
    "decode_reference": "t2t-mm-eval judges what a model decodes of its dev and test sets",
    "decode_in_memory": "t2t-mm-decoder reads a file part by part and keeps what it has answered",
    "decode_use_last_position_only": "decoding keeps what it has computed and always works on the last position only",
    "decode_save_images": "t2t-mm-decoder writes one line of text for each line it reads",
    "score_file": "t2t-mm-decoder prints scores with --return_beams",
    # making data
    "exclude_problems": "list the problems that you want in --problems",
    "only_list": "t2t-mm-datagen --registry_help=problems lists them",
    "task_id*": "t2t-mm-datagen shares its work among --num_concurrent_processes",
    **dict.fromkeys(("timit_paths", "parsing_path", "ende_bpe_path"), PLACE_OF_CORPORA),
}


def remedy(flag: str) -> str:
    """What replaced the T2T flag `flag` (without dashes), or nothing when T2T had no such flag."""
    return next((text for pattern, text in REPLACED.items() if fnmatchcase(flag, pattern)), "")
