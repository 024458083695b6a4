"""Exceptions that mean that memory ran out, by themselves or by what led to them."""

import errno

import pytest

from trainables.telemetry.failures import ScriptError, is_out_of_memory, out_of_memory

RAN_OUT = "CUDA out of memory. Tried to allocate 2.00 GiB"


class OutOfMemoryError(RuntimeError):
    """A stand-in for torch's error, which is known by its name alone."""


def raised(cause: BaseException | None = None, context: BaseException | None = None) -> RuntimeError:
    """An error that another led to, by ``from`` or by being raised while that was handled."""
    error = RuntimeError("the training failed")
    error.__context__ = context
    if cause is not None:
        error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("no words"),
        OSError(errno.ENOMEM, "cannot fork"),
        RuntimeError(RAN_OUT),
        RuntimeError("CUDA driver error: out of memory"),
        RuntimeError("NCCL error in: NCCLUtils.hpp:317\nLast error:\nCuda failure 2 'out of memory'"),
        RuntimeError("backend='inductor' raised:\nOutOfMemoryError: CUDA out of memory."),
        raised(cause=MemoryError()),
        raised(context=RuntimeError(RAN_OUT)),
        raised(cause=raised(context=OutOfMemoryError("far below"))),
        ExceptionGroup("two ranks", [KeyError("x"), RuntimeError(RAN_OUT)]),
    ],
)
def test_memory_ran_out_in_the_error_or_in_what_led_to_it(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a bug"),
        KeyError("oom"),
        ValueError("micro_batch=64 makes no sense. Fix: on CUDA out of memory, lower it."),
        ScriptError(f"the script failed with exit 1: KeyError: 'x'\n{RAN_OUT}"),
        raised(cause=ScriptError(RAN_OUT)),
        raised(cause=KeyError("x")),
    ],
)
def test_other_errors_are_not_out_of_memory(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_what_from_none_hides_does_not_count() -> None:
    error = raised(context=MemoryError())
    error.__suppress_context__ = True
    assert not is_out_of_memory(error)


def test_a_circle_of_causes_ends() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert not is_out_of_memory(one)
    other.__context__ = MemoryError()
    other.__suppress_context__ = False
    assert is_out_of_memory(one)


def test_the_one_line_told_is_of_the_error_that_ran_out() -> None:
    def work() -> None:
        raise raised(cause=RuntimeError(f"{RAN_OUT}\nand more"))

    assert out_of_memory(work) == RAN_OUT
    assert out_of_memory(lambda: None) is None
    with pytest.raises(KeyError):
        out_of_memory(lambda: {}["x"])
