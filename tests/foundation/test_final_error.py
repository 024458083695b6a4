"""The error that ended a script is found among its last lines."""

import pytest

from foundation.final_error import final_error
from trainables.command.verdict import failure, no_metrics
from trainables.telemetry.failures import ScriptError

HINT = "see the section on CUDA errors: out of memory is the usual one"
TRACE = "Traceback (most recent call last):\n  File 'train.py', line 1, in step\n    step()\n"
KEY = f"{TRACE}KeyError: 'teacher_ckpt'"
OUT = f"{TRACE}RuntimeError: step 3 with std::bad_alloc"
DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"
ELASTIC = (
    f"{TRACE}torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n====\ntrain.py FAILED\n===="
)
LAUNCH = (
    f"{TRACE}subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1."
)


def of_rank(rank, text):
    return "\n".join(f"[rank{rank}]: {line}" for line in text.splitlines())


def interleaved(*texts):
    return "\n".join(line for lines in zip(*(t.splitlines() for t in texts), strict=False) for line in lines)


@pytest.mark.parametrize(
    ("text", "told", "is_memory"),
    [
        (f"{HINT}\n{KEY}", "KeyError: 'teacher_ckpt'", False),
        (f"{KEY}\n{OUT}", "RuntimeError: step 3 with std::bad_alloc", True),
        (f"{OUT}\n{KEY}", "KeyError: 'teacher_ckpt'", False),
        (f"{OUT}\n{DURING}{KEY}", "KeyError: 'teacher_ckpt'", True),
        (f"{TRACE}train.NoData: no such split\nwandb: synced 5 files", "train.NoData: no such split", False),
        (f"{KEY}\n{ELASTIC}", "KeyError: 'teacher_ckpt'", False),
        (f"{OUT}\n{LAUNCH}\n{ELASTIC}", "RuntimeError: step 3 with std::bad_alloc", True),
        (
            f"{of_rank(1, OUT)}\n{of_rank(0, TRACE + 'RuntimeError: Connection closed by peer')}",
            "RuntimeError: step 3 with std::bad_alloc",
            True,
        ),
        (interleaved(of_rank(0, KEY), of_rank(1, KEY)), "KeyError: 'teacher_ckpt'", False),
        (ELASTIC, "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:", False),
        ("terminate called after\n  what():  std::bad_alloc\nAborted", "what():  std::bad_alloc", True),
        (
            f"{KEY}\nsrun: error: node1: task 0: Out Of Memory",
            "srun: error: node1: task 0: Out Of Memory",
            True,
        ),
        ("usage: train.py [-h]\ntrain.py: error: unrecognized arguments: --x\n", "train.py: error: ", False),
        ("starting\nno such data\n\n", "no such data", False),
        ("", "", False),
    ],
)
def test_the_last_error_decides_past_launchers_and_lost_peers(text, told, is_memory):
    found = final_error(text.splitlines())
    assert found.text.startswith(told)
    assert found.is_out_of_memory is is_memory


def test_the_first_line_of_a_failure_names_the_cause_and_the_output():
    error = failure(1, f"{HINT}\n{KEY}".splitlines(), 0, "its output: logs/output.log")
    first, *rest = str(error).splitlines()
    assert isinstance(error, ScriptError)
    assert first == "the script failed with exit 1: KeyError: 'teacher_ckpt'; its output: logs/output.log"
    assert HINT in rest


def test_a_script_that_ends_well_without_metrics_but_ran_out_of_memory_is_out_of_memory():
    error = no_metrics("none", ["train: failed, see node log: out of memory", "bye"], "where")
    assert isinstance(error, MemoryError)
    assert "out of memory" in str(error)
