#!/bin/sh
# Serves the account only to the key that logged in: the cookie alone is not enough.
session=$(printf '%s' "$HTTP_COOKIE" | sed -n 's/.*session=\([0-9a-f]\{32\}\).*/\1/p')
bound_to=$([ -n "$session" ] && cat "$SESSIONS/$session" 2>/dev/null)
if [ -z "$bound_to" ] || [ "$bound_to" != "$Sec_Provided_Token_Binding_ID" ]; then
    printf 'Status: 403 Forbidden\nContent-Type: text/plain\n\nThis session belongs to another key.\n'
    exit
fi
printf "Content-Type: text/plain\n\nalice's account: 1,000 ducats.\n"
