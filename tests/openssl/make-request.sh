#!/bin/sh
# Encrypts (optional) and signs an order. Needs only openssl (3.0 or later) and a POSIX shell.
#
#   make-request.sh -i CLIENT_ID -k OUR_PRIVATE.pem [-e THEIR_PUBLIC.pem] [-p PATH] [-r] FOLDER < order.json
#   curl --header @FOLDER/headers --data-binary @FOLDER/body https://HOST/PATH
#
#   -e  encrypt with this RSA public key
#   -p  the path to sign: the path of the URL, including the query string
#   -r  make a response: Response-Time instead of Request-Time. Sign it with the path of its request (-p).
#
# Keys:  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem
#        openssl pkey -in private.pem -pubout -out public.pem
# For ECC224, which can only sign:  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp224r1
#
# Use this script to learn and to test only: openssl takes the AES key as an argument, which other users can see.
set -eu
umask 077

path=/api/open/alipay/v1/merchant/order/sync time_header=Request-Time encryption_key=
while getopts i:k:e:p:r option; do
  case $option in
    i) client_id=$OPTARG ;;
    k) key=$OPTARG ;;
    e) encryption_key=$OPTARG ;;
    p) path=$OPTARG ;;
    r) time_header=Response-Time ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
out=$1
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Prints a file as URL-encoded standard base64, the format of values in a header.
header_value() { openssl base64 -A -in "$1" | sed -e 's/+/%2B/g' -e 's|/|%2F|g' -e 's/=/%3D/g'; }

content_type='application/json; charset=UTF-8'
if [ -z "$encryption_key" ]; then
  cat > "$out/body"
else
  # A new AES key encrypts the body, in base64. RSA encrypts the AES key.
  content_type='text/plain; charset=UTF-8'
  openssl rand -out "$scratch/aes" 32
  hex=$(od -An -v -tx1 "$scratch/aes" | tr -d ' \n')
  openssl enc -aes-256-ecb -K "$hex" -out "$scratch/ciphertext"
  openssl base64 -A -in "$scratch/ciphertext" -out "$out/body"
  openssl pkeyutl -encrypt -pubin -inkey "$encryption_key" -pkeyopt rsa_padding_mode:pkcs1 \
    -in "$scratch/aes" -out "$scratch/wrapped"
fi

# Encrypt first, then sign: the signature covers the body as sent.
time=$(TZ=HKT-8 date +%Y-%m-%dT%H:%M:%S+08:00)
{ printf 'POST %s\n%s.%s.' "$path" "$client_id" "$time"; cat "$out/body"; } > "$scratch/content"
openssl dgst -sha256 -sign "$key" -out "$scratch/signature" "$scratch/content"
algorithm=RSA256
if openssl pkey -in "$key" -noout -text | grep -q secp224r1; then algorithm=ECC224; fi

{
  printf 'Client-Id: %s\n' "$client_id"
  printf 'Content-Type: %s\n' "$content_type"
  printf '%s: %s\n' "$time_header" "$time"
  printf 'Signature: algorithm=%s,keyVersion=1,signature=%s\n' "$algorithm" "$(header_value "$scratch/signature")"
  if [ -n "$encryption_key" ]; then
    printf 'Encrypt: algorithm=RSA_AES,keyVersion=1,symmetricKey=%s\n' "$(header_value "$scratch/wrapped")"
  fi
} > "$out/headers"
