"""The files of tests that take longest, the slowest first.

They begin before all others, so that at the end no core waits for another's long file; and `make check`
leaves them out. The order is that of the seconds that they take, about 200 to 5; it need not be exact. A
file that takes 5 or more belongs here: `make test` prints the slowest tests at its end.
"""

from pathlib import PurePosixPath

SLOW = (
    "benchmarks/test_scripts.py",
    "ray_adapter/test_interrupts.py",
    "ray_adapter/test_trials.py",
    "sinks/test_follow.py",
    "faults/test_ray_dies.py",
    "faults/test_full_disks.py",
    "faults/test_odd_environments.py",
    "ray_adapter/test_cluster.py",
    "test_first_light.py",
    "test_docs.py",
    "test_run.py",
    "simulate/test_session.py",
    "benchmarks/test_transfer.py",
    "advisor/test_certificate.py",
    "benchmarks/test_on_a_card.py",
    "simulate/test_warm_start.py",
    "commands/test_export.py",
    "report/html/test_chromium.py",
    "advisor/test_advisor.py",
    "ray_adapter/test_unexpected.py",
    "sinks/test_whole_run.py",
    "ray_adapter/test_checkpoints.py",
    "trainables/test_command.py",
    "testing/test_own_stage.py",
    "runs/test_format_1.py",
    "optuna_sampler/test_lattice_sampler.py",
    "commands/test_run_output.py",
    "commands/test_docs.py",
    "ray_adapter/test_own_metric.py",
    "commands/test_doctor_try.py",
    "ray_adapter/test_script_probe.py",
    "advisor/test_no_effect.py",
    "ray_adapter/test_script_on_card.py",
    "trainables/command/test_evaluation.py",
    "trainables/command/test_evaluation_by_epoch.py",
    "search/test_draw.py",
    "simulate/test_rules.py",
    "trainables/command/test_script_probe.py",
    "trainables/command/test_live_files.py",
    "report/test_own_metric.py",
    "trainables/command/test_card.py",
    "testing/test_stages_pass.py",
    "ray_adapter/test_warm_start.py",
    "advisor/test_replicates.py",
    "advisor/test_properties.py",
    "ray_adapter/test_certify.py",
    "sinks/test_dashboard.py",
    "advisor/test_objectives.py",
    "runs/test_warm_start.py",
    "advisor/test_marks.py",
    "search/by_optuna/test_samplers.py",
    "search/policy/test_strategy.py",
    "trainables/test_command_ending.py",
    "testing/test_stage_mutants.py",
    "trainables/test_turbulence.py",
    "ray_adapter/test_resume.py",
    "runs/test_replay.py",
    "sinks/test_wandb_runs.py",
    "report/html/test_report.py",
    "trainables/test_killed.py",
    "advisor/test_checkpoints.py",
    "ray_adapter/test_stages.py",
    "runs/test_past_run.py",
    "sinks/test_optuna_storage.py",
    "trainables/test_cache.py",
    "report/html/test_escaping.py",
    "search_spaces/test_shipped.py",
    "trainables/test_telemetry.py",
    "benchmarks/test_memory.py",
    "report/html/test_models.py",
    "trainables/test_base.py",
    "trainables/test_engine_knobs.py",
    "trainables/test_stage.py",
    "trainables/test_probe.py",
    "advisor/test_contended.py",
    "testing/test_samplers.py",
    "certificate/test_plan.py",
    "simulate/test_loop.py",
    "ray_adapter/test_address.py",
    "fuzz/test_fuzz.py",
    "faults/test_spoilt_inputs.py",
)
"""Slow tests by their path below tests/."""

ROOT = PurePosixPath(__file__).parent


def place(path: str) -> int:
    """Returns the place of a file's tests: as in `SLOW`, and after all of those for any other file."""
    file = PurePosixPath(path)
    name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
    return SLOW.index(name) if name in SLOW else len(SLOW)
