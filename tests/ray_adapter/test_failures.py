"""The meaning of a trial's exception is decided in one place."""

import pytest
from ray.exceptions import (
    ActorDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from trainables.command.verdict import ScriptLostError
from trainables.telemetry.device import OtherDeviceError
from trainables.telemetry.failures import MissingMetricError, ScriptError
from trainables.telemetry.memory import UnreleasedMemoryError
from tuner.core.trial import TrialState
from tuner.ray_adapter.failures import classify, died_on


def while_starting(error: Exception) -> ActorDiedError:
    """Makes Ray's error for an exception in an actor's constructor: a coloured traceback in a text."""
    name = f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")
    traceback = (
        "\x1b[36mray::Stage.__init__()\x1b[39m (pid=7, ip=127.0.0.1)\n"
        '  File "/x/trainable.py", line 9, in __init__\n    self.setup(config)\n'
        "    ^^^^^^^^^^^^^^^^^^\n"
        f"{name}: {error}"
        if str(error)
        else f'  File "/x.py", line 9, in build\n    assert data\n{name}'
    )
    return ActorDiedError(RayTaskError("Stage.__init__", traceback, error))


def while_training(error: Exception) -> RayTaskError:
    return RayTaskError("train", f"Traceback ...\n{type(error).__name__}: {error}", error)


SEVERAL_LINES = RuntimeError("the first line says it\n\tMissing key(s): a\nNotTheCause: x\nKeyError: 'x'")


@pytest.mark.parametrize("told", [while_starting, while_training])
@pytest.mark.parametrize(
    ("error", "state", "is_lost", "reason"),
    [
        (FileNotFoundError("no file"), TrialState.FAILED, False, "FileNotFoundError: no file"),
        (SEVERAL_LINES, TrialState.FAILED, False, "RuntimeError: the first line says it"),
        (AssertionError(), TrialState.FAILED, False, "AssertionError"),
        (MemoryError("too large"), TrialState.INFEASIBLE, False, "too large"),
        (UnreleasedMemoryError("1 GiB"), TrialState.DISCARDED, True, "the worker was given up: 1 GiB"),
        (OtherDeviceError("on a T4"), TrialState.DISCARDED, True, "on a T4"),
    ],
)
def test_a_failure_is_told_by_its_cause_whether_the_worker_was_starting_or_training(
    told, error, state, is_lost, reason
):
    ending = classify(told(error))
    assert (ending.state, ending.is_lost, ending.reason) == (state, is_lost, reason)


@pytest.mark.parametrize("told", [while_starting, while_training])
@pytest.mark.parametrize("kind", [ScriptError, MissingMetricError])
def test_only_a_missing_metric_is_a_cause_that_every_trial_shares(told, kind):
    ending = classify(told(kind("no line has the key 'nrmse'")))
    assert (ending.state, ending.reason) == (TrialState.FAILED, "no line has the key 'nrmse'")
    assert ending.is_general == (kind is MissingMetricError)


@pytest.mark.parametrize(
    "error", [None, ActorDiedError(), WorkerCrashedError(), while_training(ScriptLostError("signal 9"))]
)
def test_only_the_death_of_a_worker_is_worth_another_try(error):
    ending = classify(error)
    assert ending.is_lost
    assert ending.reason.startswith("the worker was lost: ")
    assert "\n" not in ending.reason


def test_a_reason_is_one_line_of_bounded_length_without_escape_codes():
    reason = classify(while_training(ValueError("\x1b[31m" + "x" * 10**6))).reason
    assert len(reason) < 600
    assert "\x1b" not in reason


def chained(error: Exception, *texts: str) -> RayTaskError:
    """Makes Ray's error for an exception whose causes reach the driver in the text of its traceback only."""
    frame = '  File "/x.py", line 9, in step\n    loss.backward()\n'
    parts = [f"Traceback (most recent call last):\n{frame}{text}" for text in texts]
    parts.append(f"ray::Stage.train()\n{frame}{type(error).__name__}: {error}")
    joined = "\n\nThe above exception was the direct cause of the following exception:\n\n".join(parts)
    return RayTaskError("train", joined, error)


@pytest.mark.parametrize(
    ("error", "causes"),
    [
        (RuntimeError("HIP out of memory. Tried to allocate 1.00 GiB"), []),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), []),
        (OSError(12, "Cannot allocate memory"), []),
        (RuntimeError("step 3 failed"), ["torch.OutOfMemoryError: CUDA out of memory."]),
        (KeyError("state"), ["ValueError: bad", "RuntimeError: CUDA driver error: out of memory"]),
        (OutOfMemoryError("Task was killed due to the node running low on memory."), []),
    ],
)
def test_memory_that_ran_out_is_known_by_the_error_or_by_what_led_to_it(error, causes):
    ending = classify(chained(error, *causes))
    assert (ending.state, ending.constraint, ending.is_lost) == (TrialState.INFEASIBLE, "memory", False)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("hint: on CUDA out of memory, lower --mb"),
        RuntimeError("to avoid running out of memory, lower micro_batch"),
        ScriptError("failed with exit 1: KeyError: 'x'\nhint\nRuntimeError: CUDA out of memory"),
    ],
)
def test_advice_and_quoted_output_say_nothing_of_memory(error):
    assert classify(while_training(error)).state is TrialState.FAILED


def test_a_node_that_was_lost_is_the_machines_end_and_counts_against_nothing():
    died = "The actor died because its node has died. Node Id: 5\n\tthe actor's node was terminated"
    for error in (RayActorError(error_msg=died), NodeDiedError(died)):
        ending = classify(error)
        assert (ending.state, ending.is_lost) == (TrialState.DISCARDED, True)
        assert ending.reason.startswith("the node was lost: The actor died because its node has died.")


DIED = (
    "The actor died unexpectedly before finishing this task.\n\tclass_name: A\n\tpid: 7\n\tip: 10.0.0.7\nThe"
)


def test_only_a_worker_that_died_without_a_word_is_asked_about_where_it_died():
    assert died_on(RayActorError(error_msg=DIED)) == "10.0.0.7"
    assert died_on(RayActorError(error_msg="The actor died")) == ""
    for error in (
        None,
        NodeDiedError(DIED),
        RayActorError(error_msg=f"{DIED} node has died"),
        while_starting(ValueError("\n\tip: 10.0.0.7\n")),
        while_training(ScriptLostError("the script was killed\n\tip: 10.0.0.7\n")),
        while_training(ValueError("\n\tip: 10.0.0.7\n")),
    ):
        assert died_on(error, str(error or "")) == ""


def test_a_worker_whose_driver_is_said_to_have_died_has_lost_the_drivers_node():
    """Word for word what Ray says on another node when the raylet beside the driver was killed."""
    said = (
        "The actor is dead because its owner has died. Owner Id: 02ff Owner Ip address: 127.0.0.1 "
        "Owner worker exit type: SYSTEM_ERROR Worker exit detail: Owner's node has crashed."
    )
    ending = classify(RayActorError(error_msg=f"{DIED.removesuffix('The')}{said}"))
    assert (ending.state, ending.reason.partition(":")[0]) == (TrialState.DISCARDED, "the node was lost")
