"""The result of a run: its records, how it ended, and what they say together. Knows no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tuner.advisor import Advisor
from tuner.core.certificate import Device
from tuner.core.conclusion import Conclusion, StudyOutcome, conclude
from tuner.core.recommend import Certified
from tuner.core.trial import TrialRecord
from tuner.spec import StudySpec


@dataclass(frozen=True, kw_only=True)  # no slots: its conclusion is worked out once
class RunResult:
    """Everything the outputs are made from.

    Attributes:
        study: As resolved.
        records: Every trial, in the order of asking.
        provenance: Versions, device, seed, study hash, times: plain JSON values.
        interrupted_by: The signal that ended the run, empty when none did.
        failure: The error that ended the run, empty when none did.
        finish_reason: Why nothing more was asked.
        certified: What may be recommended, with its probability to meet the target.
        prior_contradiction: Why what an earlier run taught was dropped; empty when it was not.
        pooling_contradiction: Why runs were not pooled as the stage says they may be; empty when they were.
        has_ended: False: it goes on, or was killed.
    """

    study: StudySpec
    records: tuple[TrialRecord, ...]
    provenance: Mapping[str, Any]
    interrupted_by: str = ""
    failure: str = ""
    finish_reason: str = ""
    certified: Certified
    prior_contradiction: str = ""
    pooling_contradiction: str = ""
    has_ended: bool = True

    @classmethod
    def of(
        cls, advisor: Advisor, provenance: Mapping[str, Any], *, interrupted_by: str = "", failure: str = ""
    ) -> RunResult:
        """What an advisor that is asked no more has to say."""
        return cls(
            study=advisor.study,
            records=advisor.records,
            provenance=provenance,
            interrupted_by=interrupted_by,
            failure=failure,
            finish_reason=advisor.finish_reason,
            certified=advisor.certified,
            prior_contradiction=advisor.prior_contradiction,
            pooling_contradiction=advisor.pooling_contradiction,
        )

    @cached_property
    def conclusion(self) -> Conclusion:
        """What the records say."""
        memory_gib = self.provenance["device"].get("memory_gib")
        row = None if self.provenance["hardware_mismatch"] else self.study.hardware.guide
        device = Device(memory_gib=memory_gib, guide_speedup=row.speedup if row else None)
        terms = self.study.certificate
        return conclude(
            self.records,
            self.study.goal,
            self.certified,
            terms=terms,
            device=device,
            is_over=bool(self.finish_reason),
        )

    @property
    def status(self) -> str:
        """`failed`, `not ended`, `interrupted`, or the study's outcome."""
        if self.failure:
            return "failed"
        if not self.has_ended:
            return "not ended"
        return "interrupted" if self.interrupted_by else self.conclusion.outcome.value

    @property
    def finding(self) -> str:
        """What was found in one honest sentence, told apart when the run did not come to its end."""
        if self.failure:
            return f"The run failed ({self.failure}); so far: {self.conclusion.sentence}"
        if not self.has_ended:
            return f"This run has not ended; so far: {self.conclusion.sentence}"
        early = f"Interrupted by {self.interrupted_by}; so far: " if self.interrupted_by else ""
        return early + self.conclusion.sentence

    @property
    def sentence(self) -> str:
        """What was found, and what the certificate says of it."""
        certificate = self.conclusion.certificate
        return self.finding + (f" {certificate.sentence}" if certificate else "")


def exit_code(result: RunResult) -> int:
    """0 exactly when a configuration is recommended, else 1; signals have codes of their own."""
    return 0 if result.conclusion.outcome is StudyOutcome.RECOMMENDED else 1
