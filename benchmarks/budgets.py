"""Budgets that are a number: whether one is met, and by how much it is missed."""

from dataclasses import replace

from benchmarks.benchmark import Miss, Verdict


def at_most(
    what: str, bound: float, measured: float, unit: str = "", *, note: str = "", slack: float = 0, miss: Miss | None = None
) -> Verdict:
    """No more than this. `slack` is what the way of measuring may add, and no part of the budget."""
    verdict = Verdict(
        what,
        (f"≤ {bound:,g}" if bound else "0") + (f" {unit}" if unit else ""),
        _said(measured, unit, note),
        measured <= bound + slack,
        miss=miss,
    )
    return _judged(verdict, measured - bound, bound, unit)


def at_least(what: str, bound: float, measured: float, unit: str = "", *, note: str = "", miss: Miss | None = None) -> Verdict:
    """No less than this."""
    verdict = Verdict(what, f"≥ {bound:,g} {unit}".strip(), _said(measured, unit, note), measured >= bound, miss=miss)
    return _judged(verdict, bound - measured, bound, unit)


def _judged(verdict: Verdict, missing: float, bound: float, unit: str) -> Verdict:
    if verdict.met:
        return verdict
    share = f" ({100 * missing / bound:,.0f} %)" if bound and unit != "%" else ""
    return replace(verdict, by=f"{number(missing)} {'points' if unit == '%' else unit}".strip() + share)


def _said(measured: float, unit: str, note: str) -> str:
    return f"{number(measured)} {unit}".strip() + (f" ({note})" if note else "")


def number(value: float) -> str:
    """With three digits, as far as they are behind the point."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
