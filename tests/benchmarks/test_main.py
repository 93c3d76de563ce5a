"""The command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import machine
from benchmarks.benchmark import Benchmark, Row
from benchmarks.lab import Lab
from benchmarks.suite import all_benchmarks


def test_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the known ones in the answer."""
    with pytest.raises(SystemExit):
        command.main(["nonsense"])
    assert "unknown: nonsense" in capsys.readouterr().err


def test_every_benchmark_explains_itself() -> None:
    """Its name is its module's, its columns have headings, and its explanation is one."""
    for name, benchmark in all_benchmarks().items():
        assert benchmark.name == name
        assert len(benchmark.explanation) > 100
        assert all(column.heading for column in benchmark.columns)


def test_machine_is_described() -> None:
    """With the versions of what is measured."""
    described = machine.description("7.0.15")
    assert described["redis_server"] == "7.0.15"
    assert described["cores"] >= 1
    assert described["cpu"]
    assert machine.load() >= 0


def test_large_benchmark_runs_only_where_it_is_asked_for() -> None:
    """By the flag, beside the others or those that are named; or by its name."""
    known = {name: Benchmark(name, name, "", [], lambda lab: iter(()), large=name == "big") for name in ("one", "big", "other")}

    def names(*named: str, million: bool = False) -> list[str]:
        return [benchmark.name for benchmark in command.asked_for(known, named, million=million)]

    assert names() == ["one", "other"]
    assert names(million=True) == ["one", "big", "other"]
    assert names("other", million=True) == ["big", "other"]
    assert names("big") == ["big"]


@pytest.mark.redis
def test_quick_run_measures_and_writes_beside_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quick run's numbers mean nothing, so they never replace those of a real one."""
    monkeypatch.setattr(command, "QUICK", tmp_path / "quick")
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert command.main(["--quick", "scale_keys", "limit_exactness"]) == 0
    assert {path.name for path in (tmp_path / "quick" / "results").iterdir()} == {"scale_keys.json", "limit_exactness.json"}
    assert "Scale: sessions in Redis" in (tmp_path / "quick" / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "docs").exists()
    assert "a second" in capsys.readouterr().out


@pytest.mark.redis
def test_a_benchmark_that_fails_does_not_lose_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page is written with the rest, and the command says so and fails."""

    def measure(lab: Lab) -> Iterator[Row]:
        raise LookupError("as asked")

    def works(lab: Lab) -> Iterator[Row]:
        return iter(())

    known = {name: Benchmark(name, name, "", [], how) for name, how in {"broken": measure, "working": works}.items()}
    monkeypatch.setattr(command, "all_benchmarks", lambda: known)
    monkeypatch.setattr(command, "QUICK", tmp_path / "quick")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert command.main(["--quick"]) == 1
    assert {path.name for path in (tmp_path / "quick" / "results").iterdir()} == {"working.json"}
    assert "## working" in (tmp_path / "quick" / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "broken" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.redis
@pytest.mark.parametrize(("arguments", "attempts"), [(["--quick"], 2), ([], 1)])
def test_only_a_quick_run_tries_again(
    arguments: list[str], attempts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once: a machine that stood still is no rot. A result that is published is that of the first attempt."""
    tried = []

    def measure(lab: Lab) -> Iterator[Row]:
        tried.append(lab)
        if len(tried) < 2:
            raise TimeoutError
        return iter(())

    monkeypatch.setattr(command, "all_benchmarks", lambda: {"stalls": Benchmark("stalls", "stalls", "", [], measure)})
    for name in ("QUICK", "RESULTS", "DOCS"):
        monkeypatch.setattr(command, name, tmp_path / name)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert command.main(arguments) == (0 if attempts == 2 else 1)
    assert len(tried) == attempts
