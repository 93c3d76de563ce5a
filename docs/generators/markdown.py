"""What docstrings say, as Markdown that fits into a table cell."""

import re
from pathlib import Path

DECISIONS = Path(__file__).parents[1] / "decisions"

_ROW_IDS = re.compile(r" \((?:security rows? )?[A-Z]{2}-\d\d(?:, [A-Z]{2}-\d\d)*\)")
"""For whoever reads the code; a user has no use for them."""


def prose(text: str) -> str:
    """From reStructuredText to Markdown, on one line, without ids of security rows; a decision becomes a link to it."""
    text = _ROW_IDS.sub("", " ".join(text.split()))
    text = re.sub(r":\w+:`[~.]*([\w.]+)`", lambda match: f"`{match[1].rpartition('.')[2]}`", text)
    text = re.sub(r"decision (\d{4})", _decision, text)
    return cell(text.replace("``", "`"))


def cell(text: str) -> str:
    """What can't end the cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _decision(match: re.Match[str]) -> str:
    (page,) = DECISIONS.glob(f"{match[1]}-*.md")
    return f"[{match[0]}](decisions/{page.name})"
