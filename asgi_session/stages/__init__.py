"""The stages of a request, in the order in which ``SessionMiddleware`` runs them.

=========== ===================================================== =============================================
module      question                                              answers
=========== ===================================================== =============================================
resolve     what does this request present?                       a credential or nothing · 400
edge_limit  is this client over its quota, or its bad tries?      go on · 429
quick       plainly bad, or known to be good? (no I/O)            accept · anonymous · 401 · ask the full tier
csrf        does it ride on the cookie from another site?         go on · 403
full        do the store and the issuer's keys agree?             session and principal · anonymous · 401 · 503
limit       is there quota for this user, session or token?       go on · 429
(the app)
commit      did the session change?                               nothing · save · regenerate · destroy, one Set-Cookie
=========== ===================================================== =============================================

``conclude`` is what quick and full have in common: session, user and credentials of a request, from what they found. A WebSocket
has ``guard`` between itself and the application, which ends it with its session. ``refusals`` is what the log says of a request
that got no further.

Each stage is ``(request) -> Rejection | None``, or an awaitable of that where it has to wait (``base.Answer``). A refusal is a
value, so that the order of the stages is all the control flow there is.
"""
