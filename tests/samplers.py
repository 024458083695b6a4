"""Samplers of Optuna that cannot work here, for tests of what names them."""

from optuna.samplers import RandomSampler


class NeedsPackage(RandomSampler):
    """Imports what is not installed when it first proposes, as some of Optuna's own do."""

    def sample_relative(self, study, trial, search_space):
        import no_such.inner  # noqa: F401
