"""The benchmarks, one module each, in the order in which they run."""

from importlib import import_module

from benchmarks.benchmark import Benchmark

_MODULES = [
    "in_process",
    "over_the_wire",
    "revocation",
    "creation",
    "limit_exactness",
    "limit_trips",
    "sustained",
    "require_fresh",
    "memory",
    "scale_data",
    "scale_users",
    "scale_keys",
    "scale_million",
    "hostile_headers",
    "garbage",
]


def all_benchmarks() -> dict[str, Benchmark]:
    """By name."""
    found = [import_module(f"{__name__}.{module}").BENCHMARK for module in _MODULES]
    return {benchmark.name: benchmark for benchmark in found}
