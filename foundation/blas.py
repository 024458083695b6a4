"""How many threads linear algebra takes."""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def one_blas_thread() -> AbstractContextManager[object]:
    """Lets linear algebra compute on one core, for the duration of a `with` block.

    The matrices of a search are small: further threads only wait, on cores that are the trials'. It holds for
    the libraries that are loaded when the block begins.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits
