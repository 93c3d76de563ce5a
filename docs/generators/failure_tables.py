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
    """For each operation one row per outcome, with the faults that lead to it: what most of them do comes last."""
    lines = ["| operation | fault | outcome |", "|---|---|---|"]
    for operation in operations:
        groups: dict[str, list[str]] = {}
        for fault in faults:
            groups.setdefault(_outcome(cells[fault.name][operation.name]), []).append(fault.name)
        what = operation.what
        for outcome, names in sorted(groups.items(), key=lambda group: len(group[1])):
            lines.append(f"| {what} | {_named(names, len(groups), len(faults))} | {outcome} |")
            what = ""
    return "\n".join(lines)


def _named(names: Sequence[str], groups: int, faults: int) -> str:
    """The faults of a row, by name where they are the few."""
    if groups == 1:
        return "any"
    return "any other" if len(names) > faults / 2 else ", ".join(names)


def _outcome(outcome: Outcome) -> str:
    within = f", within {_seconds(outcome.within)}" if outcome.within is not None and outcome.policy != "unaffected" else ""
    return f"**{outcome.policy}**: {outcome.status}{within}; {outcome.says}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
