"""Tells an out-of-memory error from every other.

Knows torch's and Python's ways to say it. Does not import torch: an error of torch's can only exist
where torch is loaded.
"""

from __future__ import annotations

import sys

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
