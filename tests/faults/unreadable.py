"""Stages that raise exceptions which cannot be copied, pickled or unpickled."""

import os
import threading

from tests.ray_adapter.broken import Reports


class TwoArgumentsError(Exception):
    """Unpickling calls it with one."""

    def __init__(self, what, where):
        super().__init__(f"{what} in {where}")


class HoldsALockError(Exception):
    """Cannot be pickled."""

    def __init__(self, message):
        super().__init__(message)
        self.lock = threading.Lock()


class OnlyHereError(Exception):
    """Can be copied and pickled, but made again only in the process that raised it."""

    def __reduce__(self):
        return (_make, (os.getpid(), *self.args))


def _make(pid, message):
    if pid != os.getpid():
        raise KeyError("another process")
    return OnlyHereError(message)


class RaisesTwoArguments(Reports):
    def step(self):
        raise TwoArgumentsError("a bad row", "data.npz")


class RaisesTwoArgumentsInSetup(Reports):
    def setup(self, config):
        raise TwoArgumentsError("a bad row", "data.npz")


class RaisesALock(Reports):
    def step(self):
        raise HoldsALockError("a bad row")


class RaisesOnlyHere(Reports):
    def step(self):
        raise OnlyHereError("a bad row")


class PrepareRaisesTwoArguments(Reports):
    @classmethod
    def prepare(cls, options):
        raise TwoArgumentsError("a bad row\n\x1b[31m" + "x" * 10**5, "data.npz")
