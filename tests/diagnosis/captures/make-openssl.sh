#!/usr/bin/env bash
# Messages signed with openssl in a shell.
set -euo pipefail
cd "$(dirname "$0")"
. ./shell.sh

# "echo" adds a line break to what is signed.
signature=$(echo "$ORDER" | content "$API" | openssl dgst -sha256 -sign keys/sender.pem | urlencode)
printf %s "$ORDER" | http "$API" "$signature" > openssl-echo.http

# A here-document adds one to what is sent.
signature=$(printf %s "$ORDER" | content "$API" | openssl dgst -sha256 -sign keys/sender.pem | urlencode)
http "$API" "$signature" > openssl-heredoc.http <<< "$ORDER"

signature=$(printf %s "$ORDER" | content "$API" | openssl dgst -sha1 -sign keys/sender.pem | urlencode)
printf %s "$ORDER" | http "$API" "$signature" > openssl-sha1.http

signature=$(printf %s "$ORDER" | content "$API" | openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sign keys/sender.pem | urlencode)
printf %s "$ORDER" | http "$API" "$signature" > openssl-pss.http

signature=$(printf %s "$ORDER" | content "$API" | openssl dgst -sha256 -sign keys/sender.pem | xxd -p | tr -d '\n')
printf %s "$ORDER" | http "$API" "$signature" > openssl-hex.http

# "openssl dgst" prints hex, and that is signed.
digest=$(printf %s "$ORDER" | content "$API" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
signature=$(printf %s "$digest" | openssl dgst -sha256 -sign keys/sender.pem | urlencode)
printf %s "$ORDER" | http "$API" "$signature" > openssl-hex-digest.http

# pkeyutl pads the digest without its DigestInfo.
printf %s "$ORDER" | content "$API" | openssl dgst -sha256 -binary > "$WORK/digest"
signature=$(openssl pkeyutl -sign -inkey keys/sender.pem -in "$WORK/digest" | urlencode)
printf %s "$ORDER" | http "$API" "$signature" > openssl-pkeyutl.http

signature=$(printf %s "$ORDER" | content "$API" | openssl dgst -sha1 -sign keys/ecc.pem | urlencode)
printf %s "$ORDER" | http "$API" "$signature" ECC224 > openssl-ecc-sha1.http
