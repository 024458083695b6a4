"""The certificate of a recommendation: the guide's four checks as tests on fresh paired runs.

Pure: `next_run` says what to run, `certify` what the runs prove; neither runs anything.
"""

from tuner.certificate.audit import Finding
from tuner.certificate.certificate import Certificate, Prospect, certify
from tuner.certificate.checks import Check
from tuner.certificate.plan import firm_terms, next_run, num_ahead
from tuner.certificate.rounds import AUDITED_ROUNDS, Rounds, subject
from tuner.certificate.seen import Outcome
from tuner.certificate.verdict import Conditions, Verdict

__all__ = [
    "AUDITED_ROUNDS",
    "Certificate",
    "Check",
    "Conditions",
    "Finding",
    "Outcome",
    "Prospect",
    "Rounds",
    "Verdict",
    "certify",
    "firm_terms",
    "next_run",
    "num_ahead",
    "subject",
]
