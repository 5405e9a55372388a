#!/bin/sh
# The smallest application that binds its session: it remembers the visitor's Token Binding ID with the session.
# (CGI turns the variable's dashes into underscores.)
id=$Sec_Provided_Token_Binding_ID
if [ -z "$id" ]; then
    printf 'Status: 403 Forbidden\nContent-Type: text/plain\n\nLogging in needs Token Binding.\n'
    exit
fi
session=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$id" >"$SESSIONS/$session"
printf 'Set-Cookie: session=%s; Secure; HttpOnly; SameSite=Lax; Path=/\n' "$session"
printf 'Content-Type: text/plain\n\nWelcome, alice. Your session is bound to your key.\n'
