"""Tokens with a right signature over a text that is not quite a JWT."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.tokens.parts import SigningKey, outcome, segment, valid_claims


def with_unused_bits(text: str) -> str:
    """JSON of a length that base64 has no whole characters for, so that the last one has bits to play with."""
    return text if len(text) % 3 else text + " "


def loosely_spelt(part: int, spell: Callable[[str], str]) -> str:
    """A token that was signed as it is spelt: of its header (0) or payload (1), ``spell`` changes the base64url."""
    key = SigningKey("ES256")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "key-1"}
    parts = [segment(with_unused_bits(json.dumps(value))) for value in (header, valid_claims())]
    parts[part] = spell(parts[part])
    signing_input = ".".join(parts)
    return f"{signing_input}.{segment(key.signature(signing_input.encode()))}"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "padding": lambda text: text + "=" * (-len(text) % 4),
    "too much padding": lambda text: text + "====",
    "unused bits": lambda text: text[:-1] + chr(ord(text[-1]) + 1),
    "a space": lambda text: text[:8] + " " + text[8:],
    "spaces after": lambda text: text + "    ",
    "a line end": lambda text: text[:8] + "\r\n" + text[8:],
    "a stray character": lambda text: text[:8] + "?" + text[8:],
    "a NUL": lambda text: text + "\x00",
    "percent encoding": lambda text: f"%{ord(text[0]):X}{text[1:]}",
}


@pytest.mark.security("JW-04")
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
async def test_a_loose_spelling_is_refused_although_it_was_signed(part: int, spell: Callable[[str], str]) -> None:
    """Decoders that forgive would find the claims in it, and the signature fits."""
    key = SigningKey("ES256")
    assert await outcome(key, loosely_spelt(part, str)) == "accepted"
    assert await outcome(key, loosely_spelt(part, spell)) == ("header" if part == 0 else "format")


@pytest.mark.security("JW-04")
@pytest.mark.parametrize(
    "members", [{"protected", "payload", "signature"}, {"payload", "signatures"}], ids=["flattened", "general"]
)
async def test_the_json_serializations_are_refused(members: set[str]) -> None:
    """A right signature in the two other forms that RFC 7515 §7.2 knows."""
    key = SigningKey("ES256")
    header, payload, signature = key.sign().split(".")
    known: dict[str, Any] = {"protected": header, "payload": payload, "signature": signature}
    known["signatures"] = [{"protected": header, "signature": signature}]
    assert await outcome(key, json.dumps({name: known[name] for name in sorted(members)})) == "format"
