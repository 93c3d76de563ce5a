"""The HTTP client, against a real server on the loopback that misbehaves as told."""

import asyncio
import datetime
import gzip
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from asgi_session.exceptions import KeysUnavailable
from asgi_session.tokens import JWTVerifier, KeyPolicy
from asgi_session.tokens.fetch import MAX_BODY_BYTES, FetchFailed, HttpFetch
from tests.tokens.parts import AUDIENCE, SigningKey, valid_claims

KEY = SigningKey("EdDSA")


class Server:
    """Answers every request with the same bytes, then does as `after` says."""

    def __init__(self, answer: bytes, *, after: str = "close") -> None:
        self.answer = answer
        self.after = after
        self.requests: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Server"]:
        """Listen while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{port}/certs"
        self.released = asyncio.Event()
        try:
            yield self
        finally:
            self.released.set()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer)
            await writer.drain()
            if self.after == "hang":
                await self.released.wait()
            elif self.after == "drip":
                while not self.released.is_set():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def answer(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP/1.1 response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def code_of(fetched: Server) -> str:
    """Why nothing can be fetched from a server."""
    with pytest.raises(FetchFailed) as caught:
        await HttpFetch()(fetched.url)
    return caught.value.code


async def test_the_body_of_a_good_answer_is_returned() -> None:
    """Any content type will do: what counts is the JSON."""
    async with Server(answer(b'{"keys": []}', Content_Type="text/plain")).running() as server:
        fetch = HttpFetch()
        assert await fetch(server.url) == b'{"keys": []}'
        assert await fetch(server.url) == b'{"keys": []}'
    assert len(server.requests) == 2


@pytest.mark.security("JW-25")
async def test_nothing_of_ours_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cookie that was set, no credentials of a .netrc, no proxy of the environment, no compression."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Server(answer(b"{}", Set_Cookie="sid=1; Path=/")).running() as server:
        fetch = HttpFetch()
        await fetch(server.url)
        await fetch(server.url)
    sent = server.requests[1].lower()
    assert sent.startswith("get /certs http/1.1")
    assert "cookie" not in sent
    assert "authorization" not in sent
    assert "accept-encoding: identity" in sent


@pytest.mark.security("JW-25")
@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"]
)
async def test_redirects_are_not_followed(status: str) -> None:
    """Whoever can redirect could otherwise choose the keys."""
    async with Server(answer(b'{"keys": []}')).running() as other:
        async with Server(answer(b"", status=status, Location=other.url)).running() as server:
            assert await code_of(server) == "status"
        assert other.requests == []


@pytest.mark.security("JW-24")
@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable", "404 Not Found", "204 No Content"])
async def test_other_answers_than_200_are_failures(status: str) -> None:
    """An error page is not read."""
    async with Server(answer(b'{"keys": []}', status=status)).running() as server:
        assert await code_of(server) == "status"


@pytest.mark.security("JW-20", "JW-24")
async def test_size_is_bounded_with_and_without_a_length() -> None:
    """512 KiB pass, a byte more does not, and a body without end is left at that point."""
    async with Server(answer(b"x" * MAX_BODY_BYTES)).running() as server:
        assert len(await HttpFetch()(server.url)) == MAX_BODY_BYTES
    async with Server(answer(b"x" * (MAX_BODY_BYTES + 1))).running() as server:
        assert await code_of(server) == "too_large"
    async with Server(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * MAX_BODY_BYTES), after="hang").running() as server:
        assert await code_of(server) == "too_large"


@pytest.mark.security("JW-20")
async def test_compressed_bodies_are_refused() -> None:
    """A kilobyte can't become a gigabyte."""
    async with Server(answer(gzip.compress(bytes(10**6)), Content_Encoding="gzip")).running() as server:
        assert await code_of(server) == "encoding"


@pytest.mark.security("JW-24")
@pytest.mark.parametrize("broken", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"])
async def test_broken_answers_are_failures(broken: bytes) -> None:
    """Connections that end early and answers that are no HTTP."""
    async with Server(broken).running() as server:
        assert await code_of(server) == "connect"


async def test_refused_connections_and_odd_addresses_are_failures() -> None:
    """Nothing but our own error leaves the client."""
    async with Server(b"").running() as server:
        pass
    assert await code_of(server) == "connect"
    server.url = "https://\x00"
    assert await code_of(server) == "connect"


@pytest.mark.security("JW-25")
async def test_unknown_certificates_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS is verified; an own certificate authority is trusted where SSL_CERT_FILE names it."""
    certificate, context = self_signed(tmp_path)
    async with Server(answer(b"{}")).running(context) as server:
        assert await code_of(server) == "connect"
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await HttpFetch()(server.url) == b"{}"


@pytest.mark.lengthy
@pytest.mark.security("JW-24")
@pytest.mark.parametrize("after", ["hang", "drip"])
async def test_one_deadline_covers_the_whole_refresh(after: str) -> None:
    """A provider that says nothing, or a byte at a time, costs the deadline and no more."""
    async with Server(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", after=after).running() as server:
        policy = KeyPolicy(insecure_http=True, fetch_timeout=0.3)
        verifier = JWTVerifier("http://127.0.0.1", audience=AUDIENCE, jwks=server.url, keys=policy)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(KeysUnavailable, match="timeout"):
            await verifier.verify(KEY.sign(valid_claims(iss="http://127.0.0.1")))
        assert loop.time() - began < 2
        assert verifier.health().last_error == "timeout"
        await verifier.stop()


@pytest.mark.security("AV-11")
async def test_certificates_are_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dear preparations of the first fetch happen in another thread."""
    import httpx

    threads: list[threading.Thread] = []
    create = httpx.create_ssl_context

    def noted() -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return create()

    monkeypatch.setattr(httpx, "create_ssl_context", noted)
    async with Server(answer(b"{}")).running() as server:
        await HttpFetch()(server.url)
    assert threads
    assert threading.main_thread() not in threads


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for the loopback that nobody knows, and a server's context with it."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return file, context
