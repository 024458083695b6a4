"""Lines that libraries and scripts print: which say that memory ran out, or that work was skipped."""

import pytest

from foundation.memory_words import proves_out_of_memory, says_out_of_memory
from trainables.telemetry.symptoms import says_work_was_skipped

ADVICE_OF_TORCH = (
    "If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF to avoid it."
)


@pytest.mark.parametrize(
    "line",
    [
        "Warning: OOM in consistency distill chunk, skipping chunk",
        f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. {ADVICE_OF_TORCH}",
        "[rank0]: torch.cuda.OutOfMemoryError: CUDA out of memory.",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA driver error: out of memory",
        "RuntimeError: Triton Error [CUDA]: out of memory",
        "RuntimeError: MPS backend out of memory (MPS allocated: 17.95 GB, max allowed: 18.13 GB).",
        "RuntimeError: HIP out of memory. Tried to allocate 1.00 GiB",
        "torch.OutOfMemoryError: XPU out of memory.",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cupy_backends.cuda.api.runtime.CUDARuntimeError: cudaErrorMemoryAllocation: out of memory",
        "numba.cuda.cudadrv.driver.CudaAPIError: [2] cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY",
        "RuntimeError: err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
        "RuntimeError: [enforce fail] data. DefaultCPUAllocator: not enough memory: you asked for 9 bytes.",
        "OSError: [Errno 12] Cannot allocate memory",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate",
        "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 12.0GiB on device 0",
        "tensorflow.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[3000,4000]",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9.00 TiB for an array",
        "MemoryError",
        "RuntimeError: Invalid buffer size: 19.07 GB",
        "RuntimeError: HIP error: out of memory",
        "torch.AcceleratorError: CUDA error: out of memory",
        "cudaErrorMemoryAllocation: out of memory",
        "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
        "RuntimeError: Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
        "java.lang.OutOfMemoryError: Java heap space",
        "node7:30:34 [3] include/alloc.h:178 NCCL WARN Cuda failure 'out of memory'",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=123.batch. Some tasks have been OOM Killed.",
        "Out of memory: Killed process 1234 (python)",
        "| WARNING: ran out of memory, retrying batch",
        "| WARNING: ran out of memory, skipping batch. if this happens frequently, decrease batchsize",
        "2021-03-08 12:33:12 | WARNING | trainer | attempting to recover from OOM in forward/backward pass",
        "| WARNING: OOM in all workers, skipping update",
        "Batch size 16 failed, trying batch size 8",
        "RuntimeError: No executable batch size found, reached zero.",
        "[OOM Warning] Skipping batch 3 due to CUDA OOM.",
        "OOM with batch size 64. Halving batch size.",
        "OOM at batch_size=64, retrying smaller...",
        "Attempting to copy inputs of <function> to CPU due to CUDA OOM",
        "CUDA out of memory with batch=16, reducing to batch=8 and retrying",
        "Caught CUDA OOM, falling back to gradient checkpointing",
        "step 12: caught torch.OutOfMemoryError: CUDA out of memory.",
        "skipped 3 batches that ran out of memory",
        "/app/train.py:12: UserWarning: CUDA OOM in batch 3, skipped",
        "2024-05-01 12:00:00,123 ERROR train.py:55 CUDA out of memory",
        "Epoch 3, batch 147/500: OOM, continue",
        "OOM: skipping",
        "OOM",
        '{"level": "error", "message": "CUDA out of memory. Tried to allocate 2.00 GiB"}',
    ],
)
def test_a_report_of_memory_that_ran_out_is_proof(line: str) -> None:
    assert proves_out_of_memory(line)
    assert says_out_of_memory(line)


@pytest.mark.parametrize(
    "line",
    [
        "hint: on CUDA out of memory, lower --mb",
        "If you run out of memory, try a smaller batch",
        "To avoid out of memory, set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
        "Tip: CUDA out of memory? Use a smaller --micro-batch",
        "CUDA out of memory -> lower --mb",
        "CUDA out of memory errors are common with long sequences, so lower --mb",
        "This may lead to CUDA out of memory errors.",
        "Will retry on CUDA out of memory up to 3 times",
        "Using use_cache=True can cause OOM; skipping",
        "In case of OOM, reducing the batch size helps",
        "Truncating to 100 characters to avoid OOM.",
        "WARNING: 900 MB exceeds 60 % of the available 1200 MB - OOM risk; honouring explicit request",
        "Offloading optimizer states to reduce OOM chance",
        "  --skip-oom            skip batches that run out of memory (default: False)",
        "usage: train.py [-h] [--skip-oom] [--oom-retries N]",
        "Namespace(skip_oom=False, oom_retries=3)",
        "skip_oom=False",
        "on_oom: skip",
        "OOM policy: skip",
        "OOM retries: 3, skipping warm-up",
        '{"epoch": 1, "nrmse": 0.09, "oom": false, "skipped": 0}',
        "epoch 001:  12%| | loss=3.2, oom=0, skipped=0",
        "No OOM in 500 steps",
        "finished 500 steps without running out of memory",
        "0 OOM errors, 0 skipped batches",
        "Close to OOM: 78 of 80 GiB used",
        "Allocator (GPU_0_bfc) ran out of memory trying to allocate 1.1GiB. The caller indicates that this "
        "is not a failure, but may mean that there could be performance gains",
        "grpc error: RESOURCE_EXHAUSTED: Received message larger than max (5 vs. 4)",
        "UnreleasedMemoryError: 1.00 GiB of the last trial are still allocated.",
        "UnreleasedMemoryError: the last trial still holds 1.00 GiB of CUDA memory.",
        "peak memory 12.3 GiB, skipping profiling",
        "Skipping OOM check",
        "the room is out of memorabilia",
    ],
)
def test_advice_settings_and_denials_say_nothing_of_memory(line: str) -> None:
    assert not says_out_of_memory(line)
    assert not proves_out_of_memory(line)


@pytest.mark.parametrize(
    "line",
    [
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "srun: error: node1: task 0: Out Of Memory",
        "see the section CUDA out of memory",
    ],
)
def test_an_errors_words_within_a_line_are_no_proof_but_count_where_it_is_the_last_error(line: str) -> None:
    assert says_out_of_memory(line)
    assert not proves_out_of_memory(line)


@pytest.mark.parametrize(
    "line",
    [
        "loss is nan, skipping step",
        "Loss is NaN, skipping training step: 3",
        "Loss is nan, skip this step",
        "Warning: loss became NaN, skipping batch",
        "Non-finite train loss at epoch 3, iter 4. Skipping batch.",
        "WARNING NaN or Inf found in loss, skipping",
        "loss is inf. Skipping backpropagation",
        "NaN detected in logits! Skipping batch...",
        "[SKIP] Skipping batch due to NaN/Inf",
        "Steps 3: invalid loss detected, skipping batch.",
        "Step 12: skipping batch due to error: shapes do not match",
        "Skipping batch due to OverflowError",
        "Error in batch 3: no such key, skipping",
        "RuntimeError in chunk 4, skipped chunk",
        "skipped 12 of 40 steps because of errors",
        "dropping batch 7: exception in collate",
        "Batch 3 retry also failed: timeout. Skipping batch.",
    ],
)
def test_work_that_is_left_out_for_an_error_is_skipped_work(line: str) -> None:
    assert says_work_was_skipped(line)
    assert not proves_out_of_memory(line)


@pytest.mark.parametrize(
    "line",
    [
        "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768",
        "[deepspeed] fp16 dynamic loss scale overflow! Rank 0 Skipping step. Attempted loss scale: 2",
        "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0",
        "NOTE: gradient overflow detected, ignoring gradient, setting loss scale to: 64.0",
        "Found inf/nan in gradients, skipping step; loss scale 32768",
        "iteration 50/ 1000 | number of skipped iterations:   1 | number of nan iterations:   0 |",
        "skip_batches: 0",
        "skip_nan_batches=True",
        "  --skip-nan   skip the batch when the loss is NaN",
        "If the loss is nan, skipping step",
        "hint: loss is nan? skipping the step may help",
        "Skipping the first 30 batches",
        "Will skip the first 0 epochs then the first 30 batches in the first epoch.",
        "Skipping last incomplete batch",
        "6 batches skipped; resumed at batch 6",
        "Skipping batch 12 (already processed, no errors)",
        "skipped 0 batches because of errors",
        "ETA 3 steps, errors: 0, skipped: 0",
        "Skipping metric: error rate not available",
        "Skipping step 1: found checkpoint",
    ],
)
def test_loss_scaling_resuming_and_settings_are_no_skipped_work(line: str) -> None:
    assert not says_work_was_skipped(line)


def test_a_line_of_64_kib_is_read_to_its_end() -> None:
    assert proves_out_of_memory("x " * 32_000 + "ran out of memory, skipping batch")
    assert not says_out_of_memory("to avoid out of memory, " * 2_700)
