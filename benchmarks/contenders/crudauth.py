"""crudauth with its cookie sessions in Redis and its users in SQLite: the nearest database it can have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from crudauth import CRUDAuth, Principal, SessionTransport
from crudauth.models import AuthUserMixin
from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from benchmarks.contenders.site import NAME, SECRET, ASGIApp, Site


class Base(DeclarativeBase):
    """The models."""


class User(Base, AuthUserMixin):
    """As its documentation says."""

    __tablename__ = "users"


def redis(site: Site) -> ASGIApp:
    """Each login is another user's. It skips the password's bcrypt, which would take longer than all the rest."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{site.folder}/crudauth.db")
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def database() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    transport = SessionTransport()
    auth = CRUDAuth(session=database, user_model=User, SECRET_KEY=SECRET, redis_url=site.redis_url, transports=[transport])

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await auth.initialize()
        yield
        await auth.shutdown()
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.include_router(auth.router)
    signed_in = Depends(auth.current_user())
    opened = Depends(database)

    @app.get("/read")
    async def read(me: Principal = signed_in) -> PlainTextResponse:
        return PlainTextResponse(me.user.username.partition("-")[0])

    # Its own "/login" checks a password; what follows the check is the same.
    @app.post("/sign-in")
    async def login(request: Request, db: AsyncSession = opened) -> PlainTextResponse:
        username = f"{NAME}-{uuid4()}"
        user = User(username=username, email=f"{username}@example.org", hashed_password="!")
        db.add(user)
        await db.commit()
        response = PlainTextResponse(NAME)
        await transport.complete_login(request, response, user, {})
        return response

    return app
