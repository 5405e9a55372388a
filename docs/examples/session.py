"""A WSGI application whose session is bound to the client's key at login, and worth nothing with any other key."""

import hmac
import secrets
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

SESSIONS = {}  # a real application keeps them in its database


def application(environ, start_response):
    # mod_token_binding has removed what a client sends under this name.
    token_binding_id = environ.get("HTTP_SEC_PROVIDED_TOKEN_BINDING_ID", "")
    headers = [("Content-Type", "text/plain")]

    if environ["REQUEST_METHOD"] == "POST":
        form = parse_qs(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode())
        # At login, and never later: a key that is added to an unbound session may be the thief's.
        session = secrets.token_urlsafe()
        SESSIONS[session] = form["user"][0], token_binding_id
        headers.append(("Set-Cookie", f"session={session}; Secure; HttpOnly; SameSite=Lax; Path=/"))
        start_response("200 OK", headers)
        return [b"welcome\n"]

    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("session")
    user, bound_to = SESSIONS.get(cookie.value if cookie else None, (None, ""))
    if user is None or not hmac.compare_digest(bound_to, token_binding_id):
        start_response("403 Forbidden", headers)
        return [b"log in\n"]
    start_response("200 OK", headers)
    return [f"hello {user}\n".encode()]
