"""Tells an out-of-memory error from every other.

Knows torch's and Python's ways to say it. Does not import torch: an error of torch's can only exist
where torch is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

# What torch says in plain RuntimeErrors: its CPU allocator, the CUDA driver, cuBLAS and cuDNN.
_PHRASES = (
    "can't allocate memory",
    "cuda error: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that memory, of the device or of the host, ran out."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in message for phrase in _PHRASES)


def out_of_memory(work: Callable[[], object]) -> str | None:
    """Does the work; if memory runs out, says so in one line, else None. Other errors propagate.

    Nothing of the work is alive afterwards: the error's traceback holds its frames, and they hold the
    tensors.
    """
    try:
        work()
        return None
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return (str(error).splitlines() or [type(error).__name__])[0]
