"""The applications under measurement, one module for each library, each set up as the library's documentation says.

A module has functions that make an ASGI application of a `Site`. All of them answer in the same way:

    POST /login   200 and a session for a new visitor, holding `DATA` (as far as the library keeps data)
    GET  /read    200 and the name of who asks: out of the session, out of the token, or a constant where there is neither

Ours is there without a framework and, in `ours_framed`, around the applications of the peers that need one. They run in worker
processes, some in an environment of their own, so a module imports its own library and `site`, no more.
"""
