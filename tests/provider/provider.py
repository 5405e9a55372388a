"""A small OpenID Provider whose tokens are bound to the client's Token Binding key.

It runs behind httpd with mod_token_binding, which has verified the client's keys before a request comes here:

    Sec-Provided-Token-Binding-ID   the key that the client uses with this provider
    Sec-Referred-Token-Binding-ID   the key that it uses with the relying party, which asked it to prove it here
                                    (Include-Referred-Token-Binding-ID)

A token for the relying party gets the claim cnf.tbh, the hash of the second one: base64url(SHA-256(Token Binding ID))
(OpenID Connect Token Bound Authentication, draft-ietf-oauth-token-binding). That is all there is to it: see `token_binding_hash`
and its three uses. All else is OpenID Connect as Authlib does it.

For tests and as an example: whoever names a user is taken for that user, and everything is kept in memory.
"""

import argparse
import base64
import hashlib
import hmac
import os
import time
from dataclasses import dataclass

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core import AuthorizationCodeMixin, OpenIDCode, OpenIDImplicitGrant, UserInfo
from flask import Flask, abort, jsonify, request, session
from joserfc.jwk import KeySet, RSAKey
from markupsafe import Markup
from waitress import serve

app = Flask(__name__)
# Signs Flask's session, where a login form's referred key waits for the form to come back.
app.secret_key = os.urandom(32)
app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Lax")
key = RSAKey.generate_key(2048, auto_kid=True)
codes, nonces, access_tokens = {}, set(), {}


# --- Token Binding -----------------------------------------------------------------------------------------------------


def token_binding_hash(kind):
    """cnf.tbh of the request's "Provided" or "Referred" Token Binding ID, or None without one."""
    value = request.headers.get(f"Sec-{kind}-Token-Binding-ID")
    if value is None:
        return None
    token_binding_id = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    return base64.urlsafe_b64encode(hashlib.sha256(token_binding_id).digest()).rstrip(b"=").decode()


def confirmation(tbh):
    """The claim that binds a token to a key."""
    return {"cnf": {"tbh": tbh}} if tbh else {}


def remember_referred():
    """Only the request that the relying party redirected carries the referred key; the login form comes back without.

    So it waits in the session, with the key that the browser uses here: nobody else can go on with this login.
    """
    session["provided"], session["referred"] = token_binding_hash("Provided"), token_binding_hash("Referred")


def remembered_referred():
    """The hash of the referred key of the login that this form belongs to."""
    expected, provided = session.pop("provided", None) or "", token_binding_hash("Provided") or ""
    if not hmac.compare_digest(expected, provided):
        abort(400, "This login was begun with another Token Binding key.")
    return session.pop("referred", None)


# --- OpenID Connect ----------------------------------------------------------------------------------------------------


@dataclass
class Client(ClientMixin):
    client_id: str
    client_secret: str
    redirect_uris: list

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope):
        return " ".join(word for word in (scope or "").split() if word in ("openid", "email", "read"))

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret):
        return hmac.compare_digest(self.client_secret, client_secret)

    def check_endpoint_auth_method(self, method, endpoint):
        # "none" is the implicit flow's, in which the client itself asks for nothing; the other grants exclude it.
        return method in ("client_secret_basic", "client_secret_post", "none")

    def check_response_type(self, response_type):
        return response_type in ("code", "id_token", "id_token token")

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "implicit", "client_credentials")


@dataclass
class User:
    name: str
    # The hash of the key that the user's browser uses with the relying party.
    tbh: str | None

    def get_user_id(self):
        return self.name


@dataclass
class Code(AuthorizationCodeMixin):
    redirect_uri: str
    scope: str
    nonce: str
    user: User
    auth_time: int

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return self.auth_time


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def save_authorization_code(self, code, oauth_request):
        payload = oauth_request.payload
        codes[oauth_request.client.client_id, code] = Code(
            redirect_uri=payload.redirect_uri,
            scope=oauth_request.scope,
            nonce=payload.data.get("nonce"),
            user=oauth_request.user,
            auth_time=int(time.time()),
        )

    def query_authorization_code(self, code, client):
        return codes.get((client.client_id, code))

    def delete_authorization_code(self, authorization_code):
        for name, known in list(codes.items()):
            if known is authorization_code:
                del codes[name]

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class IdToken:
    """What is the same in every flow's id_token."""

    def exists_nonce(self, nonce, oauth_request):
        return nonce in nonces

    def resolve_client_private_key(self, client):
        return key

    def get_encode_header(self, client):
        return {"alg": "RS256", "kid": key.kid}

    def get_client_claims(self, client):
        return {"iss": app.config["ISSUER"], "aud": [client.client_id]}

    def generate_user_info(self, user, scope):
        # The token comes from the token endpoint, at the relying party's request: it is the key of the user's own
        # request, some seconds ago, that it must be bound to.
        return UserInfo(sub=user.name, email=f"{user.name}@example.test", **confirmation(user.tbh))


class CodeIdToken(IdToken, OpenIDCode):
    pass


class ImplicitGrant(IdToken, OpenIDImplicitGrant):
    pass


class ServiceGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class AccessToken(JWTBearerTokenGenerator):
    """An access token for a resource server, bound to the key that the client uses there.

    The client proves that key here as the referred one (draft-ietf-oauth-token-binding section 3).
    """

    def get_jwks(self):
        return key

    def get_extra_claims(self, client, grant_type, user, scope):
        # A client that shows a certificate binds its token to that instead (RFC 8705 section 3.1).
        fingerprint = request.headers.get("TB-SSL-Client-Cert-Fingerprint")
        return {"cnf": {"x5t#S256": fingerprint}} if fingerprint else confirmation(token_binding_hash("Referred"))


server = AuthorizationServer()


@app.errorhandler(OAuth2Error)
def refuse(error):
    return server.handle_response(*error())


@app.get("/authorize")
def ask():
    server.get_consent_grant(end_user=None)
    remember_referred()
    hidden = Markup("").join(
        Markup('<input type="hidden" name="{}" value="{}">').format(name, value) for name, value in request.args.items()
    )
    return Markup(
        '<!doctype html><title>Log in</title><form method="post" action="{}">{}'
        '<label>User <input name="sub" autofocus></label> <button>Log in</button></form>'
    ).format(f"{app.config['ISSUER']}/authorize", hidden)


@app.post("/authorize")
def answer():
    user = User(request.form["sub"], remembered_referred())
    response = server.create_authorization_response(grant=server.get_consent_grant(end_user=user), grant_user=user)
    # No second token for the same nonce.
    nonces.add(request.form.get("nonce"))
    return response


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/jwks")
def jwks():
    return KeySet([key]).as_dict(private=False)


@app.get("/userinfo")
def userinfo():
    # What the access token is, its holder and the relying party know; here it only has to exist.
    known = access_tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    return jsonify(sub=known.name, email=f"{known.name}@example.test") if known else abort(401)


@app.get("/.well-known/openid-configuration")
def metadata():
    front, back = app.config["ISSUER"], app.config["BACK_CHANNEL"]
    return jsonify(
        issuer=front,
        authorization_endpoint=f"{front}/authorize",
        token_endpoint=f"{back}/token",
        jwks_uri=f"{back}/jwks",
        userinfo_endpoint=f"{back}/userinfo",
        response_types_supported=["code", "id_token", "id_token token"],
        response_modes_supported=["query", "fragment", "form_post"],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=["RS256"],
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
        code_challenge_methods_supported=[],
    )


def save_token(issued, oauth_request):
    if oauth_request.user:
        access_tokens[issued["access_token"]] = oauth_request.user


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="where to listen, on loopback")
    parser.add_argument("--issuer", required=True, help="its https origin, where httpd stands before it")
    parser.add_argument("--back-channel", help="https origin that relying parties fetch from (default: the same)")
    parser.add_argument("--redirect-uri", action="append", default=[], help="of the client; may be given more than once")
    options = parser.parse_args()
    app.config.update(ISSUER=options.issuer, BACK_CHANNEL=options.back_channel or options.issuer)

    clients = {"client": Client("client", "secret", options.redirect_uri), "service": Client("service", "secret", [])}
    server.init_app(app, query_client=clients.get, save_token=save_token)
    server.register_token_generator("default", AccessToken(issuer=app.config["ISSUER"]))
    server.register_grant(CodeGrant, [CodeIdToken(require_nonce=True)])
    server.register_grant(ImplicitGrant)
    server.register_grant(ServiceGrant)
    # Only httpd, on this machine, speaks with it; whether its client came with TLS, httpd says.
    trust = {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": {"x-forwarded-proto"}}
    serve(app, host="127.0.0.1", port=options.port, threads=8, clear_untrusted_proxy_headers=True, **trust)


if __name__ == "__main__":
    main()
