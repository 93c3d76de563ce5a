"""The tables of docs/failures.md, from the cells that the tests prove (``tests/faults/table.py``)."""

from collections.abc import Sequence

from tests.faults.table import (
    ISSUER,
    ISSUER_FAULTS,
    ISSUER_OPERATIONS,
    REDIS,
    REDIS_FAULTS,
    REDIS_OPERATIONS,
    Cells,
    Fault,
    Operation,
    Outcome,
)


def redis_faults() -> str:
    """How Redis can fail, and how long a request waits for it."""
    return _faults(REDIS_FAULTS)


def redis_outcomes() -> str:
    """What becomes of each operation then."""
    return _outcomes(REDIS_FAULTS, REDIS_OPERATIONS, REDIS)


def issuer_faults() -> str:
    """How the issuer can fail."""
    return _faults(ISSUER_FAULTS)


def issuer_outcomes() -> str:
    """What becomes of each operation then."""
    return _outcomes(ISSUER_FAULTS, ISSUER_OPERATIONS, ISSUER)


def _faults(faults: Sequence[Fault]) -> str:
    lines = ["| fault | what it is | who waits for it is answered within |", "|---|---|---|"]
    for fault in faults:
        connecting = (
            f" ({_seconds(fault.connecting)} where a connection has to be made first)" if fault.connecting is not None else ""
        )
        lines.append(f"| {fault.name} | {fault.what} | {_seconds(fault.within)}{connecting} |")
    return "\n".join(lines)


def _outcomes(faults: Sequence[Fault], operations: Sequence[Operation], cells: Cells) -> str:
    """One row per operation; faults that do the same to everything share a column."""
    groups: list[list[str]] = []
    for fault in faults:
        group = next((group for group in groups if cells[group[0]] == cells[fault.name]), None)
        if group is None:
            groups.append([fault.name])
        else:
            group.append(fault.name)
    lines = ["| operation | " + " | ".join(", ".join(group) for group in groups) + " |", "|---|" + "---|" * len(groups)]
    for operation in operations:
        row = [_outcome(cells[group[0]][operation.name]) for group in groups]
        lines.append(f"| {operation.what} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _outcome(outcome: Outcome) -> str:
    within = f", within {_seconds(outcome.within)}" if outcome.within is not None and outcome.policy != "unaffected" else ""
    return f"**{outcome.policy}**: {outcome.status}{within}; {outcome.says}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
