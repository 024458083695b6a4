"""Made-up outcomes of the search benchmark, for tests."""

from benchmarks.search.results import (
    ArmRun,
)


def outcome(*, success: bool = True, lie: bool = False, cost: float = 10.0, **more) -> ArmRun:
    fields = {"arm": "a", "instance": "i", "set_name": "dev", "seed": 0, "is_solvable": True} | more
    return ArmRun(is_success=success, is_lie=lie, has_answer=success or lie, cost=cost, **fields)
