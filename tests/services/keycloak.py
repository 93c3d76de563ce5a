"""A real Keycloak with an empty in-memory database; `realm.py` fills it."""

import secrets
import time
from typing import Any, Self

import httpx

from tests.services import keycloak_install
from tests.services.ports import free_port
from tests.services.process import ServiceProcess, program
from tests.services.realm import Realm, checked

_JAVA_OPTIONS = (
    # -XX:TieredStopAtLevel=1 would start in 11 s instead of 16, but makes the RSA keys of each new realm take 3 s.
    *("-XX:+UseSerialGC", "-Xms64m", "-Xmx384m"),
    # What it keeps for the time it runs lies in its own folder.
    *("-Djava.io.tmpdir=.", "-XX:-UsePerfData"),
    *("-Dfile.encoding=UTF-8", "-Djava.util.logging.manager=org.jboss.logmanager.LogManager"),
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("util", "util.concurrent", "security", "lang")),
    "-Dpicocli.disable.closures=true",
)


class Keycloak:
    """One Keycloak process, which a test may freeze and kill. A restart forgets all realms."""

    def __init__(self) -> None:
        home = keycloak_install.ensure_installed()
        self.port = free_port()
        self._management_port = free_port()
        self._password = secrets.token_urlsafe(16)
        # Java itself, as bin/kc.sh would run it as its child: what freezes and kills the process must reach Java.
        command = [
            *(program("java"), *_JAVA_OPTIONS),
            *(f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"),
            *("-cp", str(home / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint"),
            *("start", "--optimized", "--cache=local", "--http-enabled=true", "--hostname-strict=false"),
            *("--http-host=127.0.0.1", f"--http-port={self.port}", f"--http-management-port={self._management_port}"),
        ]
        admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": self._password}
        self.process = ServiceProcess("keycloak", command, env=admin)
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._admin_token = ("", 0.0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def issuer(self, realm: str) -> str:
        """The `iss` of a realm's tokens."""
        return f"{self.url}/realms/{realm}"

    def start(self) -> Self:
        """Start and return when ready: 15 to 20 s."""
        self.start_in_background()
        return self.wait_ready()

    def start_in_background(self) -> None:
        """Start and return at once; `wait_ready` follows."""
        self.process.start()

    def wait_ready(self) -> Self:
        """Return when the started Keycloak serves its first realm."""
        self.process.wait_ready(self._ready, seconds=180, every=0.1)
        return self

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections are accepted and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """Let a frozen Keycloak go on (SIGCONT)."""
        self.process.resume()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL): connections are refused."""
        self.process.kill()

    def stop(self) -> None:
        """End it and remove its folder."""
        self.process.stop()
        self.http.close()

    def create_realm(self, name: str | None = None, **settings: Any) -> Realm:
        """Make a realm; `settings` are fields of Keycloak's RealmRepresentation."""
        name = name or f"realm-{secrets.token_hex(4)}"
        self.admin("POST", "", json={"realm": name, "enabled": True, "sslRequired": "none", **settings})
        return Realm(name, self)

    def admin(self, method: str, path: str, *, json: Any = None) -> httpx.Response:
        """Call the admin API below `/admin/realms`; a refusal raises with what Keycloak says about it."""
        headers = {"Authorization": f"Bearer {self._fresh_admin_token()}"}
        return checked(self.http.request(method, f"/admin/realms{path}", json=json, headers=headers))

    def _fresh_admin_token(self) -> str:
        token, until = self._admin_token
        if time.monotonic() > until:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self._password}
            answer = checked(self.http.post("/realms/master/protocol/openid-connect/token", data=form)).json()
            token, until = answer["access_token"], time.monotonic() + answer["expires_in"] / 2
            self._admin_token = (token, until)
        return token

    def _ready(self) -> bool:
        try:
            if self.http.get(f"http://127.0.0.1:{self._management_port}/health/ready").is_error:
                return False
            return self.http.get("/realms/master/.well-known/openid-configuration").is_success
        except httpx.TransportError:
            return False
