"""Switches the arithmetic of training to fp32, TF32 or bf16 on the device at hand, and back afterwards.

Knows torch's process-wide switches. Does not know what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Runs the body in ``fp32``, ``tf32`` (an NVIDIA card only) or ``bf16`` autocast.

    TF32 is switched explicitly for matrix products and for convolutions, which torch leaves on: outside
    ``tf32`` both are off. The switches are the process's, so they are put back, for the next trial.

    Args:
        precision: ``fp32``, ``tf32`` or ``bf16``.
        device: The device type of autocast, ``cuda`` or ``cpu``.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    _switch_tf32(matmul=precision == "tf32", convolutions=precision == "tf32")
    try:
        # Without its cache: a captured graph must cast the weights anew at every replay.
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            yield
    finally:
        _switch_tf32(matmul=before[0], convolutions=before[1])


def _switch_tf32(*, matmul: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = matmul
    torch.backends.cudnn.allow_tf32 = convolutions
