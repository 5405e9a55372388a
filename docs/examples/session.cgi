#!/bin/sh
# A CGI program whose session is bound to the client's key at login, and worth nothing with any other key. $SESSIONS is a
# folder that only the server can read.

# mod_token_binding has removed what a client sends under this name.
id=$HTTP_SEC_PROVIDED_TOKEN_BINDING_ID
session=$(printf '%s' "$HTTP_COOKIE" | sed -n 's/.*session=\([0-9a-f]\{32\}\).*/\1/p')

if [ "$REQUEST_METHOD" = POST ]; then
    user=$(sed -n 's/^user=\([a-z]*\)$/\1/p')
    # At login, and never later: a key that is added to an unbound session may be the thief's.
    session=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n%s\n' "$user" "$id" >"$SESSIONS/$session"
    printf 'Set-Cookie: session=%s; Secure; HttpOnly; SameSite=Lax\nContent-Type: text/plain\n\nwelcome\n' "$session"
elif [ -z "$session" ] || ! [ -f "$SESSIONS/$session" ] || [ "$(sed -n 2p "$SESSIONS/$session")" != "$id" ]; then
    printf 'Status: 403 Forbidden\nContent-Type: text/plain\n\nlog in\n'
else
    printf 'Content-Type: text/plain\n\nhello %s\n' "$(sed -n 1p "$SESSIONS/$session")"
fi
