#!/bin/sh
# Verifies a message, a request or an answer, and decrypts it where it is encrypted, with nothing but openssl (3.0 or
# later) and a POSIX shell. Prints the message; exits with 1, and prints nothing, when it is not what it claims to be.
#
#   check-message.sh -i CLIENT_ID -k THEIR_PUBLIC.pem [-d OUR_PRIVATE.pem] [-p PATH] HEADERS BODY
#
#   -d  decrypts, with this RSA key
#   -p  the path that was signed: that of the request, query string included
#
# HEADERS is a file of "Name: value" lines, as curl --dump-header writes it. BODY holds the bytes as they came.
# How old the message may be is for you to decide: its time is signed. Of ECC224, signatures in ASN.1 DER are known.
#
# To be read, and for tests: openssl takes an AES key as an argument, which others on the machine can see.
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

refuse() {
  echo "refused: $1" >&2
  exit 1
}

# The value of a header, by its name in lower case; names are compared without case.
header() {
  tr -d '\r' < "$headers" |
    awk -v name="$1" '{ at = index($0, ":") } tolower(substr($0, 1, at - 1)) == name { print substr($0, at + 1) }' |
    sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//'
}

# The value of a key in a header of pairs: the first "=" separates, and base64 brings more of them.
pair() { printf '%s\n' "$1" | tr ',' '\n' | sed -n "s/^[[:space:]]*$2=//p" | tr -d '[:space:]'; }

# The bytes of a value: URL-decoded, then base64-decoded.
decode() { sed -e 's/%2[Bb]/+/g' -e 's|%2[Ff]|/|g' -e 's/%3[Dd]/=/g' | openssl base64 -d -A; }

signature=$(header signature)
[ -n "$signature" ] || refuse 'it is not signed'
[ "$(header client-id)" = "$client_id" ] || refuse 'Client-Id is another'
time=$(header request-time)
[ -n "$time" ] || time=$(header response-time)

# The key decides how it is used, and the header has to agree.
algorithm=RSA256
if openssl pkey -pubin -in "$public_key" -noout -text | grep -q secp224r1; then algorithm=ECC224; fi
[ "$(pair "$signature" algorithm)" = "$algorithm" ] || refuse 'the algorithm is not that of the key'

# Before anything else is done with the body.
pair "$signature" signature | decode > "$scratch/signature"
{ printf 'POST %s\n%s.%s.' "$path" "$client_id" "$time"; cat "$body"; } > "$scratch/content"
openssl dgst -sha256 -verify "$public_key" -signature "$scratch/signature" "$scratch/content" > /dev/null 2>&1 ||
  refuse 'the signature is not that of the key over this path, Client-Id, time and body'

encrypt=$(header encrypt)
if [ -z "$encrypt" ]; then
  cat "$body"
  exit
fi
[ -n "$private_key" ] || refuse 'it is encrypted, and no key was given with -d'
pair "$encrypt" symmetricKey | decode > "$scratch/wrapped"
openssl pkeyutl -decrypt -inkey "$private_key" -pkeyopt rsa_padding_mode:pkcs1 \
  -in "$scratch/wrapped" -out "$scratch/aes" 2> /dev/null || refuse 'it cannot be decrypted'
hex=$(od -An -v -tx1 "$scratch/aes" | tr -d ' \n')
openssl base64 -d -A -in "$body" -out "$scratch/ciphertext"
openssl enc -d "-aes-$((${#hex} * 4))-ecb" -K "$hex" -in "$scratch/ciphertext" -out "$scratch/plaintext" 2> /dev/null ||
  refuse 'it cannot be decrypted'
cat "$scratch/plaintext"
