#!/bin/sh
# Verifies a request or a response, and decrypts it if it is encrypted. Needs only openssl (3.0 or later) and a POSIX
# shell. Prints the message. Exits with 1 and prints no message when the verification fails.
#
#   check-message.sh -i CLIENT_ID -k THEIR_PUBLIC.pem [-d OUR_PRIVATE.pem] [-p PATH] HEADERS BODY
#
#   -d  decrypt with this RSA private key
#   -p  the signed path: the path of the request, including the query string
#
# HEADERS is a file of "Name: value" lines, as curl --dump-header writes it. BODY is a file of the raw bytes.
# The script does not check the age of the message. It accepts ECC224 signatures in ASN.1 DER only.
#
# Use this script to learn and to test only: openssl takes the AES key as an argument, which other users can see.
set -eu
umask 077

path=/api/open/alipay/v1/merchant/order/sync private_key=
while getopts i:k:d:p: option; do
  case $option in
    i) client_id=$OPTARG ;;
    k) public_key=$OPTARG ;;
    d) private_key=$OPTARG ;;
    p) path=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
headers=$1 body=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

reject() {
  echo "rejected: $1" >&2
  exit 1
}

# Prints the value of a header. $1 is the name in lower case; the comparison ignores case.
header() {
  tr -d '\r' < "$headers" |
    awk -v name="$1" '{ at = index($0, ":") } tolower(substr($0, 1, at - 1)) == name { print substr($0, at + 1) }' |
    sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//'
}

# Prints the value of a key in a header of pairs. Only the first "=" separates: base64 padding contains more.
pair() { printf '%s\n' "$1" | tr ',' '\n' | sed -n "s/^[[:space:]]*$2=//p" | tr -d '[:space:]'; }

# Decodes a value: URL encoding first, then base64.
decode() { sed -e 's/%2[Bb]/+/g' -e 's|%2[Ff]|/|g' -e 's/%3[Dd]/=/g' | openssl base64 -d -A; }

signature=$(header signature)
[ -n "$signature" ] || reject 'it is not signed'
[ "$(header client-id)" = "$client_id" ] || reject 'Client-Id does not match'
time=$(header request-time)
[ -n "$time" ] || time=$(header response-time)

# The type of the key decides the algorithm. The header must name the same one.
algorithm=RSA256
if openssl pkey -pubin -in "$public_key" -noout -text | grep -q secp224r1; then algorithm=ECC224; fi
[ "$(pair "$signature" algorithm)" = "$algorithm" ] || reject 'the algorithm does not match the key'

# Verify before any other use of the body.
pair "$signature" signature | decode > "$scratch/signature"
{ printf 'POST %s\n%s.%s.' "$path" "$client_id" "$time"; cat "$body"; } > "$scratch/content"
openssl dgst -sha256 -verify "$public_key" -signature "$scratch/signature" "$scratch/content" > /dev/null 2>&1 ||
  reject 'the signature does not match this key, path, Client-Id, time and body'

encrypt=$(header encrypt)
if [ -z "$encrypt" ]; then
  cat "$body"
  exit
fi
[ -n "$private_key" ] || reject 'it is encrypted: pass the private key with -d'
pair "$encrypt" symmetricKey | decode > "$scratch/wrapped"
openssl pkeyutl -decrypt -inkey "$private_key" -pkeyopt rsa_padding_mode:pkcs1 \
  -in "$scratch/wrapped" -out "$scratch/aes" 2> /dev/null || reject 'it cannot be decrypted'
hex=$(od -An -v -tx1 "$scratch/aes" | tr -d ' \n')
openssl base64 -d -A -in "$body" -out "$scratch/ciphertext"
openssl enc -d "-aes-$((${#hex} * 4))-ecb" -K "$hex" -in "$scratch/ciphertext" -out "$scratch/plaintext" 2> /dev/null ||
  reject 'it cannot be decrypted'
cat "$scratch/plaintext"
