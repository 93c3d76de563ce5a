"""The pages of docs/ say what the code and the tests say, and nothing leads nowhere."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import asgi_session
from docs import generate
from docs.generators import failure_tables, members, security_table, signatures
from tests.faults import table

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")


def test_the_pages_are_up_to_date() -> None:
    """Where this fails: `python -m docs.generate` writes what the code and the tests say now."""
    outdated = [page.name for page, text in generate.pages().items() if page.read_text() != text]
    assert outdated == []


def test_every_part_stands_on_a_page() -> None:
    """Nothing is generated for nobody, and no page asks for what does not exist."""
    assert generate.used_parts() == set(generate.PARTS)


@pytest.mark.parametrize("source", PAGES, ids=lambda source: source.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(source: Path) -> None:
    """Files and headings that a page links to exist."""
    for target, anchor in _LINK.findall(source.read_text()):
        place = (source.parent / target).resolve() if target else source
        assert place.exists(), target
        if anchor:
            assert anchor in _anchors(place), f"{target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_check_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails for a page that is out of date; without it, the page is written and the check passes."""
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- generated: redis-faults -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(generate, "FOLDER", page.parent)
    assert generate.main(["--check"]) == 1
    assert "docs/page.md is out of date" in capsys.readouterr().out
    assert "old" in page.read_text()
    assert generate.main([]) == 0
    assert failure_tables.redis_faults() in page.read_text()
    assert page.read_text().startswith("before\n")
    assert generate.main(["--check"]) == 0
    assert generate.main(["--nonsense"]) == 2


def test_runs_from_the_command_line() -> None:
    """As `nox -s docs` runs it."""
    command = [sys.executable, "-m", "docs.generate", "--nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--check" in done.stdout


class TestSignatures:
    def test_an_argument_without_a_meaning_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever adds an argument explains it."""
        monkeypatch.setattr(signatures, "explanations", lambda _: {})
        with pytest.raises(signatures.MissingMeaning, match=r"SessionMiddleware\.app"):
            signatures.reference("middleware.py", "SessionMiddleware")
        with pytest.raises(signatures.MissingMeaning, match=r"Lifetimes\.idle"):
            signatures.reference("lifetimes.py", "Lifetimes")

    @pytest.mark.parametrize(("module", "name"), [("middleware.py", "SessionMiddleware"), ("lifetimes.py", "Lifetimes")])
    def test_a_meaning_without_an_argument_is_refused(self, monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
        """Whoever removes an argument removes its explanation."""
        explained = {**signatures.explanations(name), "gone": "…"}
        monkeypatch.setattr(signatures, "explanations", lambda _: explained)
        with pytest.raises(signatures.MissingMeaning, match="gone"):
            signatures.reference(module, name)

    def test_a_docstring_is_shown_as_markdown(self) -> None:
        """Names, types, defaults and meanings as the code has them; cells can't break the table."""
        shown = signatures.reference("middleware.py", "SessionMiddleware")
        assert "| `max_age` | `int \\| None` | `1209600` (14 days) |" in shown
        assert "| `secret_key` | `str \\| Secret \\| Sequence[str \\| Secret]` | required |" in shown
        assert '| `on_store_error` | `"reject" \\| "anonymous"` | `"reject"` |' in shown
        assert shown.startswith("`from asgi_session import SessionMiddleware`")
        assert "``" not in signatures.reference("tokens/verifier.py", "JWTVerifier")


class TestMembers:
    def test_a_method_shows_its_promise_and_its_errors(self) -> None:
        """The call as it is typed, and each error in a cell of its own."""
        shown = members.members("session.py", "Session")
        assert "| `await save(*, if_unchanged=False)` | Save now rather than when the response starts." in shown
        assert "<br>`SessionValueError`: a value can't be stored.<br>" in shown
        assert "`transaction`" not in shown

    def test_an_attribute_without_a_meaning_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever adds an attribute explains it."""
        monkeypatch.setattr(members, "explanations", lambda _: {})
        with pytest.raises(signatures.MissingMeaning, match=r"RequestContext\.verdict"):
            members.members("context.py", "RequestContext")

    def test_every_error_that_is_exported_is_listed(self) -> None:
        """With its code."""
        exported = [value for name in asgi_session.__all__ if issubclass(value := getattr(asgi_session, name), Exception)]
        shown = members.errors()
        assert [error.__name__ for error in exported if f"| `{error.__name__}` | `{error.code}` |" not in shown] == []


class TestSecurityTable:
    def test_has_all_rows(self) -> None:
        """Each row is there once, whatever its status."""
        assert len(re.findall(r"^\| [A-Z]{2}-\d\d \|", security_table.table(), re.M)) == 176

    def test_a_mark_of_no_row_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A typo in a mark does not prove anything in silence."""
        monkeypatch.setattr(security_table, "tests_by_row", lambda: {"ID-99": ["test_ids.py::test_x"]})
        with pytest.raises(security_table.UnknownRow, match="ID-99"):
            security_table.table()

    def test_marks_are_found_wherever_they_stand(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On modules, classes, methods, functions and single parameters."""
        (tmp_path / "test_marks.py").write_text(
            "import pytest\n"
            "pytestmark = [pytest.mark.redis, pytest.mark.security('ID-01')]\n"
            "@pytest.mark.security('ID-02', 'ID-03')\n"
            "class TestA:\n"
            "    @pytest.mark.security('ID-04')\n"
            "    async def test_b(self): ...\n"
            "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.security('ID-05'))])\n"
            "def test_c(x): ...\n"
        )
        monkeypatch.setattr(security_table, "TESTS", tmp_path)
        monkeypatch.setattr(security_table, "CONTRACTS", tmp_path / "none")
        assert security_table.tests_by_row() == {
            "ID-01": ["tests/test_marks.py"],
            "ID-02": ["tests/test_marks.py::TestA"],
            "ID-03": ["tests/test_marks.py::TestA"],
            "ID-04": ["tests/test_marks.py::TestA::test_b"],
            "ID-05": ["tests/test_marks.py::test_c"],
        }

    def test_the_contract_that_the_package_ships_is_read_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What each store has to pass stands before the tests of single stores."""
        (tmp_path / "contracts").mkdir()
        (tmp_path / "contracts" / "steps.py").write_text("class Steps:\n    @proves('ST-13')\n    async def test_a(self): ...\n")
        (tmp_path / "test_b.py").write_text("@pytest.mark.security('ST-13')\ndef test_b(): ...\n")
        monkeypatch.setattr(security_table, "TESTS", tmp_path)
        monkeypatch.setattr(security_table, "CONTRACTS", tmp_path / "contracts")
        assert security_table.tests_by_row() == {
            "ST-13": ["asgi_session/testing/steps.py::Steps::test_a", "tests/test_b.py::test_b"]
        }

    def test_an_open_row_needs_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever takes a row's last test away says why none proves it."""
        proofs = security_table.tests_by_row()
        del proofs["ST-13"]
        monkeypatch.setattr(security_table, "tests_by_row", lambda: proofs)
        with pytest.raises(security_table.WrongStatus, match="ST-13: mark its test, or say"):
            security_table.table()

    def test_no_proof_is_hidden(self) -> None:
        """Beyond the first, tests are folded, not left out, and each stands beside a link to its file."""
        tests = [f"tests/test_{letter}.py::test_{letter}" for letter in "abcde"]
        shown = security_table._names(tests)
        assert all(f"[test_{letter}.py](../tests/test_{letter}.py): `test_{letter}`" in shown for letter in "abcde")
        assert "<details><summary>and 2 more</summary>[test_d.py]" in shown


class TestFailureTables:
    @pytest.mark.parametrize(
        ("faults", "operations", "cells", "shown"),
        [
            (table.REDIS_FAULTS, table.REDIS_OPERATIONS, table.REDIS, failure_tables.redis_outcomes),
            (table.ISSUER_FAULTS, table.ISSUER_OPERATIONS, table.ISSUER, failure_tables.issuer_outcomes),
        ],
        ids=["redis", "issuer"],
    )
    def test_every_cell_is_shown(
        self,
        faults: Sequence[table.Fault],
        operations: Sequence[table.Operation],
        cells: table.Cells,
        shown: Callable[[], str],
    ) -> None:
        """Whoever looks up an operation and a fault finds the outcome that the tests demand, in one row."""
        found: dict[str, dict[str, str]] = {}
        rows: dict[str, str] = {}
        for line in shown().splitlines()[2:]:
            what, names, outcome = (cell.strip() for cell in line.strip("|").split("|"))
            rows = found.setdefault(what, {}) if what else rows
            rows.update(dict.fromkeys(names.split(", "), outcome))
        assert list(found) == [operation.what for operation in operations]
        for operation in operations:
            for fault in faults:
                row = found[operation.what]
                outcome = row.get(fault.name) or row.get("any") or row["any other"]
                assert outcome == failure_tables._outcome(cells[fault.name][operation.name])


def test_the_examples_in_the_pages_are_python() -> None:
    """What is marked as Python can be parsed."""
    for page in PAGES:
        for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
            ast.parse(code)
