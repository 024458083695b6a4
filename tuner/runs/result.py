"""The result of a run: its records, how it ended, and what they say together. Knows no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuner.certificate import Conditions
from tuner.certificate.conclusion import Conclusion, StudyOutcome, conclude
from tuner.core.recommend import Admitted
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord

if TYPE_CHECKING:
    from tuner.advisor import Advisor


@dataclass(frozen=True, kw_only=True)  # no slots: its conclusion is worked out once
class RunResult:
    """The result of a run, from which the outputs are made.

    Attributes:
        study: The resolved study.
        records: Every trial, in the order of asking.
        provenance: Versions, device, seed, study hash, times: plain JSON values.
        interrupted_by: The signal that ended the run, empty when none did.
        failure: The error that ended the run, empty when none did.
        finish_reason: Reason why nothing more was asked.
        admitted: Configurations that may be recommended, with their probability to meet the target.
        warm_start_contradiction: Why the results of an earlier run were dropped; empty if they were not.
        pooling_contradiction: Why runs were not pooled as the stage says they may be; empty if they were.
        probing_given_up: Why no more probes were asked for, though the stage offers them; empty if they were.
        has_ended: Whether the run ended; False if it goes on or was killed.
        is_conclusive: False if the run failed and no conclusion can be drawn from its records.
    """

    study: StudySpec
    records: tuple[TrialRecord, ...]
    provenance: Mapping[str, Any]
    interrupted_by: str = ""
    failure: str = ""
    finish_reason: str = ""
    admitted: Admitted
    warm_start_contradiction: str = ""
    pooling_contradiction: str = ""
    probing_given_up: str = ""
    has_ended: bool = True
    is_conclusive: bool = True

    @classmethod
    def of(
        cls,
        advisor: Advisor,
        provenance: Mapping[str, Any],
        *,
        interrupted_by: str = "",
        failure: str = "",
        admitted: Admitted | None = None,
        is_conclusive: bool = True,
    ) -> RunResult:
        """Returns the result of an advisor that is asked no more.

        Args:
            advisor: Knows the trials.
            provenance: Versions, device, seed, study hash, times: plain JSON values.
            interrupted_by: The signal that ended the run, empty when none did.
            failure: The error that ended the run, empty when none did.
            admitted: Configurations that may be recommended; None asks the advisor, whose models may raise.
            is_conclusive: False if the run failed and no conclusion can be drawn from its records.
        """
        return cls(
            study=advisor.study,
            records=advisor.records,
            provenance=provenance,
            interrupted_by=interrupted_by,
            failure=failure,
            finish_reason=advisor.finish_reason,
            admitted=advisor.admitted if admitted is None else admitted,
            warm_start_contradiction=advisor.warm_start_contradiction,
            pooling_contradiction=advisor.pooling_contradiction,
            probing_given_up=advisor.probing_given_up,
            is_conclusive=is_conclusive,
        )

    @cached_property
    def conclusion(self) -> Conclusion:
        """The conclusion from the records."""
        if not self.is_conclusive:
            return Conclusion(
                outcome=StudyOutcome.NO_BASELINE,
                recommendation=None,
                rows={},
                goal=self.study.goal,
                num_trials=len(self.records),
            )
        described = self.provenance["device"]
        row = None if self.provenance["hardware_mismatch"] else self.study.hardware.guide
        conditions = Conditions(
            memory_gib=described.get("memory_gib"),
            guide_speedup=row.speedup if row else None,
            is_simulated=described["kind"] == "simulated",
        )
        terms = self.study.certificate
        return conclude(
            self.records,
            self.study.goal,
            self.admitted,
            terms=terms,
            conditions=conditions,
            is_over=bool(self.finish_reason),
        )

    @property
    def status(self) -> str:
        """The status: `failed`, `not ended`, `interrupted`, or the study's outcome."""
        if self.failure:
            return "failed"
        if not self.has_ended:
            return "not ended"
        return "interrupted" if self.interrupted_by else self.conclusion.outcome.value


def exit_code(result: RunResult) -> int:
    """0 exactly when a configuration is recommended, else 1; signals have codes of their own."""
    return 0 if result.conclusion.outcome is StudyOutcome.RECOMMENDED else 1
