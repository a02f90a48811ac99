#!/usr/bin/env bash
# Makes all captures again. See README.md.
set -euo pipefail
cd "$(dirname "$0")"
if [ ! -f keys/sender.pem ]; then
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out keys/sender.pem
  openssl pkey -in keys/sender.pem -pubout -out keys/sender.pub.pem
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out keys/receiver.pem
  openssl pkey -in keys/receiver.pem -pubout -out keys/receiver.pub.pem
  openssl ecparam -name secp224r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out keys/ecc.pem
  openssl pkey -in keys/ecc.pem -pubout -out keys/ecc.pub.pem
fi
bash make-openssl.sh
bash make-curl.sh
python3 make_python.py
perl make-perl.pl
java Make.java
