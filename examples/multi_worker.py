"""Several worker processes, one Redis: every worker knows every session, and all of them share one limit.

Run it with two workers (all processes need the same secret):

    export SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(32))") REDIS_URL=redis://127.0.0.1:6379/0
    uvicorn --workers 2 examples.multi_worker:app

Try it: the process ids change, the count goes on, and the 21st request of a minute is refused by whichever worker it meets:

    curl -b jar -c jar http://127.0.0.1:8000/visits
    curl -b jar -c jar http://127.0.0.1:8000/visits
    curl -i http://127.0.0.1:8000/limited                                                     # 200 twenty times, then 429

REDIS_URL may as well be redis+sentinel://..., redis+cluster://... or rediss://... (TLS).
"""

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_session import RateLimit, SessionMiddleware


async def visit(request: Request) -> JSONResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse({"visits": request.session["visits"], "worker": os.getpid()})


async def limited(request: Request) -> JSONResponse:
    return JSONResponse({"worker": os.getpid()})


app = Starlette(
    routes=[Route("/visits", visit), Route("/limited", limited)],
    middleware=[
        Middleware(
            SessionMiddleware,
            os.environ["SECRET_KEY"],
            store=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
            rate_limits=[RateLimit("20/minute", paths=["/limited"], name="shared")],
        )
    ],
)
