"""Where an issuer's keys are published, and how its documents are read (OpenID Connect Discovery 1.0 §4; JW-24, JW-25)."""

import asyncio
import json
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from .fetch import Fetch, FetchFailed
from .keys import KeyRing, import_keys
from .urls import url_fault

WELL_KNOWN = "/.well-known/openid-configuration"


class Provider:
    """Downloads the key set of one issuer: from a given URL, or from the one that its metadata names."""

    def __init__(
        self, issuer: str, jwks_url: str | None, algorithms: Collection[str], fetch: Fetch, *, insecure_http: bool
    ) -> None:
        self._issuer = issuer
        self._given_url = jwks_url
        self._found_url: str | None = None
        self._algorithms = algorithms
        self._fetch = fetch
        self._insecure_http = insecure_http

    async def download(self) -> KeyRing:
        """The keys that are published now.

        Raises:
            FetchFailed: there is no set, or no usable key in it. The metadata will be asked again next time: the address may
            have moved.
        """
        url = self._given_url or self._found_url or await self._discover()
        self._found_url = None
        body = await self._fetch(url)
        ring = await asyncio.to_thread(_read_keys, body, self._algorithms)  # a hundred RSA keys take 30 ms
        self._found_url = url
        return ring

    async def _discover(self) -> str:
        metadata = _json_object(await self._fetch(self._issuer.removesuffix("/") + WELL_KNOWN))
        if metadata.get("issuer") != self._issuer:
            raise FetchFailed("other_issuer")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or url_fault(url, insecure_http=self._insecure_http):
            raise FetchFailed("jwks_uri")
        return url


def _read_keys(body: bytes, algorithms: Collection[str]) -> KeyRing:
    entries = _json_object(body).get("keys")
    if not isinstance(entries, list):
        raise FetchFailed("not_a_key_set")
    ring = import_keys(entries, algorithms).ring
    if not len(ring):
        raise FetchFailed("no_usable_key")
    return ring


def _json_object(body: bytes) -> dict[str, Any]:
    value: object = None
    with suppress(ValueError, RecursionError):
        value = json.loads(body)
    if not isinstance(value, dict):
        raise FetchFailed("not_json")
    return value
