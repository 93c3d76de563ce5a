"""What an example's docstring tells its reader to type."""

import argparse
import ast
import re
import shlex
from dataclasses import dataclass

import httpx

from tests.servers.programs import ROOT

_LINE = re.compile(r"^ {4}(?P<command>(?:uvicorn|curl) .*?)(?: +# (?P<comment>.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """A command, and the comment after it."""

    command: str
    comment: str | None

    @property
    def expected_status(self) -> int:
        """The status that the comment begins with; 200 without one."""
        return int(self.comment.split()[0]) if self.comment else 200


def lines_of(example: str, program: str) -> list[Line]:
    """The documented lines that start ``program``, in order."""
    docstring = ast.get_docstring(ast.parse((ROOT / "examples" / f"{example}.py").read_text()), clean=False) or ""
    found = [Line(match["command"], match["comment"]) for match in _LINE.finditer(docstring)]
    return [line for line in found if line.command.startswith(f"{program} ")]


def uvicorn_arguments(example: str) -> list[str]:
    """The arguments of the documented ``uvicorn`` command."""
    (line,) = lines_of(example, "uvicorn")
    return shlex.split(line.command)[1:]


class Curl:
    """As much of curl as the documented lines use, so that the tests need no curl. Keeps one jar of cookies."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=10)
        self._without_jar = httpx.Client(base_url=url, trust_env=False, timeout=10)
        self._parser = argparse.ArgumentParser("curl", exit_on_error=False)
        self._parser.add_argument("url")
        self._parser.add_argument("-i", action="store_true")
        self._parser.add_argument("-s", action="store_true")
        self._parser.add_argument("-b", metavar="JAR")
        self._parser.add_argument("-c", metavar="JAR")
        self._parser.add_argument("-X", metavar="METHOD")
        self._parser.add_argument("-d", metavar="FIELD", action="append", default=[])
        self._parser.add_argument("-H", metavar="HEADER", action="append", default=[])

    def __call__(self, command: str) -> httpx.Response:
        """Run the line against our server in the place of the documented one."""
        words = self._parser.parse_args(shlex.split(command)[1:])
        client = self._http if words.b and words.c else self._without_jar
        method = words.X or ("POST" if words.d else "GET")
        headers = dict(header.split(": ", 1) for header in words.H)
        if words.d:
            headers["content-type"] = "application/x-www-form-urlencoded"
        path = httpx.URL(words.url).raw_path.decode()
        return client.request(method, path, content="&".join(words.d) or None, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._without_jar.close()
