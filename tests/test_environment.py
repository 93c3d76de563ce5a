"""What a deployment says by its environment, and what each preset makes of it."""

import logging
import subprocess
import sys

import pytest

from asgi_session import ConfigurationError, CSRFPolicy, JWTVerifier, SessionManager, SessionMiddleware
from asgi_session.environment import PREFIX, VARIABLES, settings_from_environment
from tests.faults.client import ask
from tests.faults.site import Site

STRONG = "k7Wq-strong-enough-for-anybody-0123456789"
OLDER = "another-strong-one-of-last-year-9876543210"
PRODUCTION = {"ASGI_SESSION_SECRET_KEY": STRONG, "ASGI_SESSION_STORE": "redis://redis.internal:6379/0"}


def _problems(environ: dict[str, str]) -> dict[str, str]:
    """The variables that are objected to, with what is said of them."""
    with pytest.raises(ConfigurationError) as caught:
        settings_from_environment(environ)
    return {problem.field.removeprefix(PREFIX): f"{problem.message} {problem.fix}" for problem in caught.value.problems}


class TestProduction:
    def test_is_the_preset_where_none_is_named(self) -> None:
        """Forgetting the variable weakens nothing."""
        assert settings_from_environment(PRODUCTION) == {
            "secret_key": (STRONG,),
            "store": "redis://redis.internal:6379/0",
            "https_only": True,
        }

    def test_refuses_to_start_without_store_and_secret(self) -> None:
        """Both are told at once, with what to do."""
        found = _problems({"ASGI_SESSION_ENV": "production"})
        assert set(found) == {"SECRET_KEY", "STORE"}
        assert "redis://" in found["STORE"]
        assert "token_urlsafe" in found["SECRET_KEY"]

    def test_refuses_the_memory_store(self) -> None:
        """Sessions that end with the process are for development."""
        assert "memory" in _problems({**PRODUCTION, "ASGI_SESSION_STORE": "Memory://"})["STORE"]

    def test_refuses_a_cookie_that_travels_in_the_clear(self) -> None:
        """The cookie is Secure without a word, and nothing can change that."""
        assert set(_problems({**PRODUCTION, "ASGI_SESSION_HTTPS_ONLY": "no"})) == {"HTTPS_ONLY"}

    @pytest.mark.security("ST-05")
    @pytest.mark.parametrize(
        "weak",
        [
            "too-little",
            "x" * 31,
            "changeme-changeme-changeme-changeme",
            "Change-Me!0123456789abcdefghijkl",
            "a" * 64,
            "your_secret_key" * 3,
        ],
    )
    def test_refuses_weak_secrets(self, weak: str) -> None:
        """Too short, a placeholder, or a few characters again and again; the value is not repeated in the error."""
        with pytest.raises(ConfigurationError) as caught:
            settings_from_environment({**PRODUCTION, "ASGI_SESSION_SECRET_KEY": weak})
        assert [problem.field for problem in caught.value.problems] == ["ASGI_SESSION_SECRET_KEY"]
        assert weak not in str(caught.value)

    def test_secrets_rotate_newest_first(self) -> None:
        """The first signs, the others still verify; each has to be strong."""
        rotated = settings_from_environment({**PRODUCTION, "ASGI_SESSION_SECRET_KEY": f"{STRONG}, {OLDER}"})
        assert rotated["secret_key"] == (STRONG, OLDER)
        assert "number 2 of 2" in _problems({**PRODUCTION, "ASGI_SESSION_SECRET_KEY": f"{STRONG},short"})["SECRET_KEY"]


class TestDevelopment:
    def test_uses_what_is_there(self) -> None:
        """A store and a secret that are given are taken, the secret however weak."""
        given = {"ASGI_SESSION_ENV": "development", "ASGI_SESSION_STORE": "redis://localhost/0", "ASGI_SESSION_SECRET_KEY": "dev"}
        assert settings_from_environment(given) == {"store": "redis://localhost/0", "secret_key": ("dev",)}

    def test_falls_back_on_memory_and_a_secret_of_the_process(self, caplog: pytest.LogCaptureFixture) -> None:
        """Without anything it works, with one secret for all who ask in this process, and says so."""
        with caplog.at_level(logging.WARNING, "asgi_session"):
            settings = settings_from_environment({"ASGI_SESSION_ENV": "development"})
        assert set(settings) == {"secret_key"}
        assert len(settings["secret_key"][0]) >= 32
        assert settings == settings_from_environment({"ASGI_SESSION_ENV": "development"})
        assert settings["secret_key"][0] not in caplog.text


class TestTest:
    async def test_is_always_in_memory(self) -> None:
        """Whatever store is named, tests don't touch it, and the middleware works."""
        settings = settings_from_environment({**PRODUCTION, "ASGI_SESSION_ENV": "test"})
        assert settings["store"] == "memory://"
        middleware = SessionMiddleware(Site(), **settings)
        await middleware.initialize()
        answer = await ask(middleware, "/login")
        assert answer.json["user"] == "bob"
        await middleware.shutdown()


class TestVariables:
    def test_every_one_reaches_its_argument(self) -> None:
        """The complete set, as the middleware takes it."""
        settings = settings_from_environment(
            {
                **PRODUCTION,
                "ASGI_SESSION_ENV": "production",
                "ASGI_SESSION_COOKIE": "__Host-sid",
                "ASGI_SESSION_MAX_AGE": "3600",
                "ASGI_SESSION_PATH": "/",
                "ASGI_SESSION_SAME_SITE": "none",
                "ASGI_SESSION_HTTPS_ONLY": "on",
                "ASGI_SESSION_DOMAIN": "",
                "ASGI_SESSION_PARTITIONED": "true",
                "ASGI_SESSION_IDLE_TIMEOUT": "900",
                "ASGI_SESSION_ABSOLUTE_TIMEOUT": "7200",
                "ASGI_SESSION_TRUSTED_PROXIES": "10.0.0.0/8, unix",
                "ASGI_SESSION_ON_STORE_ERROR": "anonymous",
                "ASGI_SESSION_EXTERNAL_ORIGIN": "https://www.example.com",
                "ASGI_SESSION_TRUSTED_ORIGINS": "https://app.example.com,https://admin.example.com",
                "ASGI_SESSION_ISSUER": "https://id.example.com/realms/shop",
                "ASGI_SESSION_AUDIENCE": "shop-api",
                "PATH": "/usr/bin",
            }
        )
        bearer = settings.pop("bearer")
        assert isinstance(bearer, JWTVerifier)
        assert bearer.issuer == "https://id.example.com/realms/shop"
        assert settings == {
            "secret_key": (STRONG,),
            "store": "redis://redis.internal:6379/0",
            "session_cookie": "__Host-sid",
            "max_age": 3600,
            "path": "/",
            "same_site": "none",
            "https_only": True,
            "partitioned": True,
            "idle_timeout": 900,
            "absolute_timeout": 7200,
            "trusted_proxies": ("10.0.0.0/8", "unix"),
            "on_store_error": "anonymous",
            "csrf": CSRFPolicy(
                trusted_origins=("https://app.example.com", "https://admin.example.com"), external_origin="https://www.example.com"
            ),
        }
        SessionMiddleware(Site(), **settings, bearer=bearer)
        SessionManager(settings["secret_key"], store=settings["store"])

    def test_a_browser_session_cookie_has_no_max_age(self) -> None:
        """`session` is how None is spelled."""
        assert settings_from_environment({**PRODUCTION, "ASGI_SESSION_MAX_AGE": "session"})["max_age"] is None

    def test_all_mistakes_are_told_at_once(self) -> None:
        """What can't be read, what is unknown, what the preset demands and what the parts object to, in one error."""
        found = _problems(
            {
                "ASGI_SESSION_STORE": "mongodb://db",
                "ASGI_SESSION_MAX_AGE": "two weeks",
                "ASGI_SESSION_PARTITIONED": "perhaps",
                "ASGI_SESSION_SAMESITE": "lax",
                "ASGI_SESSION_FROBNICATE": "1",
                "ASGI_SESSION_PATH": "shop",
                "ASGI_SESSION_ON_STORE_ERROR": "ignore",
                "ASGI_SESSION_TRUSTED_PROXIES": "*",
                "ASGI_SESSION_TRUSTED_ORIGINS": "https://app.example.com/",
                "ASGI_SESSION_ISSUER": "http://id.example.com",
            }
        )
        assert set(found) == {
            *("SECRET_KEY", "STORE", "MAX_AGE", "PARTITIONED", "SAMESITE", "FROBNICATE", "PATH", "ON_STORE_ERROR"),
            *("TRUSTED_PROXIES", "TRUSTED_ORIGINS", "ISSUER", "AUDIENCE"),
        }
        assert "ASGI_SESSION_SAME_SITE" in found["SAMESITE"]

    def test_an_unknown_preset_is_no_preset(self) -> None:
        """A typo never chooses the weaker one."""
        assert "production" in _problems({**PRODUCTION, "ASGI_SESSION_ENV": "prod"})["ENV"]

    @pytest.mark.security("LG-01")
    def test_no_secret_is_in_an_error(self) -> None:
        """Neither a secret nor the password of a URL, whatever is wrong around them."""
        environ = {"ASGI_SESSION_SECRET_KEY": "hunter2-hunter2", "ASGI_SESSION_STORE": "redis://:hunter3@:x/9z?y=hunter4"}
        with pytest.raises(ConfigurationError) as caught:
            settings_from_environment(environ)
        assert "hunter" not in str(caught.value)

    def test_reads_the_process_environment_only_when_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without an argument it reads `os.environ` as it is then."""
        monkeypatch.setenv("ASGI_SESSION_ENV", "test")
        assert settings_from_environment()["store"] == "memory://"
        monkeypatch.setenv("ASGI_SESSION_ENV", "nonsense")
        with pytest.raises(ConfigurationError):
            settings_from_environment()

    def test_importing_it_reads_nothing(self) -> None:
        """An environment full of mistakes does no harm until somebody asks for it."""
        code = "import asgi_session.environment"
        subprocess.run([sys.executable, "-c", code], env={"ASGI_SESSION_ENV": "nonsense"}, check=True)

    def test_names_are_unique(self) -> None:
        """No two variables set one argument."""
        assert (
            len({variable.name for variable in VARIABLES}) == len({variable.argument for variable in VARIABLES}) == len(VARIABLES)
        )
