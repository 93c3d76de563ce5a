"""Sockets of visitors with tokens, over real connections and with the machine's clock."""

import json
import time

import pytest
from websockets.exceptions import ConnectionClosed

from tests.servers.programs import AsgiServer
from tests.servers.sockets import open_socket
from tests.tokens.parts import SigningKey, valid_claims

pytestmark = pytest.mark.server

KEY = SigningKey("ES256")
OPEN = 1.5
"""Seconds that the token is good for."""


@pytest.mark.security("LC-15")
def test_a_socket_is_closed_when_its_token_expires() -> None:
    """The client is told why, and not before the time."""
    server = AsgiServer("tests.servers.apps.tokens:app", env={"JWKS": json.dumps({"keys": [KEY.public()]})}).start()
    try:
        expires_at = time.time() + OPEN
        token = KEY.sign(valid_claims(exp=expires_at, iat=expires_at - 60))
        with open_socket(server, {"Authorization": f"Bearer {token}"}) as socket:
            socket.send("hello")
            assert socket.recv(timeout=10) == "hello"
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "token expired")
        assert time.time() >= expires_at
        assert "Traceback" not in server.process.log
    finally:
        server.stop()
