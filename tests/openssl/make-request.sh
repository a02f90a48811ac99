#!/bin/sh
# Signs an order, and encrypts it first if told to, with nothing but openssl (3.0 or later) and a POSIX shell.
#
#   make-request.sh -i CLIENT_ID -k OUR_PRIVATE.pem [-e THEIR_PUBLIC.pem] [-p PATH] [-a] FOLDER < order.json
#   curl --header @FOLDER/headers --data-binary @FOLDER/body https://HOST/PATH
#
#   -e  encrypt to this RSA key
#   -p  the path that is signed: that of the URL, query string included
#   -a  make an answer: Response-Time for Request-Time; it is signed over the method and the path of its request
#
# Keys:  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem
#        openssl pkey -in private.pem -pubout -out public.pem
# For ECC224, which signs and cannot encrypt:  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp224r1
#
# To be read, and for tests: openssl takes an AES key as an argument, which others on the machine can see.
set -eu
umask 077

path=/api/open/alipay/v1/merchant/order/sync time_header=Request-Time encrypt_to=
while getopts i:k:e:p:a option; do
  case $option in
    i) client_id=$OPTARG ;;
    k) key=$OPTARG ;;
    e) encrypt_to=$OPTARG ;;
    p) path=$OPTARG ;;
    a) time_header=Response-Time ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
out=$1
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Standard base64, URL-encoded: the form of a value in a header.
header_value() { openssl base64 -A -in "$1" | sed -e 's/+/%2B/g' -e 's|/|%2F|g' -e 's/=/%3D/g'; }

content_type='application/json; charset=UTF-8'
if [ -z "$encrypt_to" ]; then
  cat > "$out/body"
else
  # A fresh AES key: the body under the key, in base64; the key under RSA.
  content_type='text/plain; charset=UTF-8'
  openssl rand -out "$scratch/aes" 32
  hex=$(od -An -v -tx1 "$scratch/aes" | tr -d ' \n')
  openssl enc -aes-256-ecb -K "$hex" -out "$scratch/ciphertext"
  openssl base64 -A -in "$scratch/ciphertext" -out "$out/body"
  openssl pkeyutl -encrypt -pubin -inkey "$encrypt_to" -pkeyopt rsa_padding_mode:pkcs1 \
    -in "$scratch/aes" -out "$scratch/wrapped"
fi

# Encrypt first, then sign: what is signed is the body as it goes on the wire.
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
  if [ -n "$encrypt_to" ]; then
    printf 'Encrypt: algorithm=RSA_AES,keyVersion=1,symmetricKey=%s\n' "$(header_value "$scratch/wrapped")"
  fi
} > "$out/headers"
