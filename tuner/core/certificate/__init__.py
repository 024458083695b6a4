"""The certificate of a recommendation: the guide's four checks as tests on fresh paired runs.

Pure: `next_run` says what to run, `certify` what the runs prove; neither runs anything.
"""

from tuner.core.certificate.certificate import Certificate, Device, Verdict, certify
from tuner.core.certificate.checks import Check, Outcome
from tuner.core.certificate.plan import next_run
from tuner.core.certificate.rounds import AUDITED_ROUNDS, Rounds
from tuner.core.certificate.terms import Terms

__all__ = [
    "AUDITED_ROUNDS",
    "Certificate",
    "Check",
    "Device",
    "Outcome",
    "Rounds",
    "Terms",
    "Verdict",
    "certify",
    "next_run",
]
