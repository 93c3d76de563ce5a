"""The fixed sentences of refusals."""

import re

import pytest

from asgi_session.exceptions import TokenExpired
from asgi_session.tokens.refusals import REFUSALS, refused


@pytest.mark.security("LG-05", "JW-17")
def test_sentences_fit_into_a_challenge() -> None:
    """RFC 6750 allows few characters in error_description, and nobody wants more than a line."""
    for sentence in REFUSALS.values():
        assert re.fullmatch(r"[\x20\x21\x23-\x5B\x5D-\x7E]{1,160}", sentence)


def test_only_expiry_is_told_apart_by_its_class() -> None:
    """Clients refresh an expired token and give up on any other."""
    assert {reason for reason in REFUSALS if isinstance(refused(reason), TokenExpired)} == {"expired"}
    assert refused("audience").reason == "audience"
