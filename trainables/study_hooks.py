"""The class methods that a study calls on a stage, before and beside its trials; all have defaults.

Knows no trial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from foundation.own_source import own_source
from trainables.telemetry import device


class StudyHooks:
    """Class methods of a stage that an author may redefine.

    Attributes:
        starts_own_ranks: Whether a trial can use several cards, as ``resources.gpus`` gives them, because it
            starts one process or more for each. Default: a trial uses one.
        probes_in_proportion: Whether the epoch times of a probe are only in proportion to those of trainings,
            by a factor that is to be learnt from configurations that were both probed and trained. Default:
            they are seconds.
    """

    starts_own_ranks: ClassVar[bool] = False
    probes_in_proportion: ClassVar[bool] = False

    @classmethod
    def check_parameters(
        cls, options: Mapping[str, Any], varying: Collection[str], fixed: Collection[str]
    ) -> None:
        """Refuses parameters that the stage cannot use, before Ray starts. Default: accepts all.

        Args:
            options: The stage's options, as ``prepare`` gets them.
            varying: Names of the parameters that have more than one value in the study.
            fixed: Names of all others that ``build`` gets, ``accum_steps`` among them if the study does not
                name it.

        Raises:
            ValueError: The stage cannot use a parameter; the message says the fix.
        """

    @classmethod
    def prepare(cls, options: Mapping[str, Any]) -> None:
        """Makes and caches what all trials share. Default: nothing is shared."""

    @classmethod
    def device_kind(cls, options: Mapping[str, Any]) -> str:
        """Returns where trials with these options train: ``cuda`` or ``cpu``. Default: ``cpu``."""
        return "cpu"

    @classmethod
    def may_use_card(cls, options: Mapping[str, Any]) -> bool:
        """Whether trials with these options need a card if there is one; asked where there may be none.

        Default: unless an option ``device`` says ``cpu``.
        """
        return options.get("device") != "cpu"

    @classmethod
    def evaluates_start(cls, options: Mapping[str, Any]) -> bool:
        """Whether ``evaluate`` may be called before the first epoch, and then measures the untrained start.

        The study's first trials are then asked to: if doing nothing meets the target, it says so before all
        else, and a trial whose NRMSE stays the start's did not train. Default: no.
        """
        return False

    @classmethod
    def quality_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options on which NRMSE depends, settled for this machine.

        Two runs with the same values may learn from each other (``--warm-start``). Default: all, as given.
        """
        return dict(options)

    @classmethod
    def source_files(cls, options: Mapping[str, Any]) -> Sequence[Path]:
        """Returns the files that define the stage: once one has changed, a run is not resumed.

        Default: the module of the class, in a package all ``*.py`` beside it, and all modules of the project
        that they import; see ``foundation.own_source``.
        """
        return sorted(own_source(cls).values())

    @classmethod
    def describe_device(cls, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Describes the device that figures are measured on; see ``telemetry.device.describe``."""
        return device.describe(cls.device_kind(options or {}))
