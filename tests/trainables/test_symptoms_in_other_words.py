"""Lines that a second look found: reports in other words, and innocent ones that resemble them."""

import pytest

from foundation.memory_words import proves_out_of_memory
from trainables.telemetry.symptoms import says_work_was_skipped

MEMORY_RAN_OUT = [
    "MemoryError on batch 4, continuing",
    "batch 3: OOM",
    "skip batch 3: OOM",
    "OOM count: 3",
    "Skip batch 3 because of OOM",
    "batch 3 OOM'd, moving on",
    "OutOfMemory: skipping batch",
    "chunk 4: OOM -> skip",
    "OOM with micro_batch 12",
    "OOM for micro_batch 12",
    "OOM @ chunk 4",
    "GPU memory exhausted, skipping batch 3",
    "Not enough GPU memory for batch 3, skipping",
    "chunk 4 skipped: insufficient VRAM",
    "Could not fit batch 12 on the GPU, skipping it",
    "batch does not fit in memory, skipping",
    '{"epoch":1,"nrmse":.09,"oom":4}',
    "Total OOMs: 4",
    "num_oom: 3",
    "Warning: OOM in consistency distill chunk, skipping chunk",
]
WORK_WAS_SKIPPED = [
    "Error processing sample 12, skipping",
    "failed to process batch 5; continuing",
    "Loss is not finite, skipping batch",
    "The grad norm is nan. Skipping updating the model.",
    "Gradient norm is not finite. Skipping this batch.",
    "Loss is inf - batch ignored",
    "Step 10: loss nan -> skip",
    "loss is nan, skipping step",
    "RuntimeError in batch 3, skipping batch",
]
INNOCENT = [
    "On OOM: skip chunk",
    "CUDA out of memory. Tried to allocate 2.00 GiB. Ignoring this choice.",
    "hint: on CUDA out of memory, lower --mb",
    "oom: 0",
    '"oom": 0,',
    "max_oom: 3",
    "the model fits in memory",
    "skip_oom=False",
    "If the batch does not fit in memory, lower micro_batch",
    "fitted 3 models; best fit 0.5",
    "not enough improvement, continuing",
    "Skipping update check due to network error",
    "skipping update check: failed to reach pypi.org",
    "mean absolute error 0.1, validation skipped at step 1",
    "nrmse error 0.1 step 100 (warmup skipped)",
    "Early stopping: skipped remaining steps since error did not improve",
    "Resuming: skipping 100 batches after failure at step 100",
    "Skipping batches 0-99 (already processed before the failure)",
    "wandb: ERROR skipped uploading batch",
    "checkpoint step 5 skipped due to error: disk full",
    "Skipping torch.compile for step function: error in backend, falling back to eager",
    "Batch skipping on error: enabled",
    "Skipping nan check for batch",
    "OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768",
    "skipped 0 batches due to errors",
    "epoch 1 nrmse 0.09, continuing with step 2",
]


@pytest.mark.parametrize("line", MEMORY_RAN_OUT)
def test_memory_that_ran_out_is_read_in_a_scripts_own_words(line):
    assert proves_out_of_memory(line)


@pytest.mark.parametrize("line", WORK_WAS_SKIPPED)
def test_work_that_was_skipped_is_read_in_a_scripts_own_words(line):
    assert says_work_was_skipped(line)


@pytest.mark.parametrize("line", INNOCENT)
def test_other_work_policies_metrics_and_advice_are_innocent(line):
    assert not proves_out_of_memory(line)
    assert not says_work_was_skipped(line)
