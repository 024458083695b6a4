"""Our search as a sampler of Optuna, for scripts, storages and dashboards that know Optuna, not the tuner.

Importing it imports Optuna.
"""

from tuner.optuna_sampler.lattice_sampler import LatticeSampler

__all__ = ["LatticeSampler"]
