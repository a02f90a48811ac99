#!/usr/bin/env bash
# Messages that curl sends, recorded from its socket.
set -euo pipefail
cd "$(dirname "$0")"
. ./shell.sh

# Records what curl sends: the file, the path, the signature, then the options of curl.
record() {
  local file=$1 path=$2 signature=$3
  shift 3
  exec 3< <(python3 record.py "$file")
  read -r port <&3
  curl -sS -o /dev/null -A curl -H 'Host: shop.example' -H "Client-Id: $CLIENT" -H "Request-Time: $TIME" \
    -H "Signature: algorithm=RSA256,keyVersion=1,signature=$signature" "$@" "http://127.0.0.1:$port$path"
  wait $! || true
  exec 3<&-
}
JSON='Content-Type: application/json; charset=UTF-8'
sign() { openssl dgst -sha256 -sign keys/sender.pem | urlencode; }

# The file ends with a line break, which is signed; "-d @file" removes it.
printf '%s\n' "$ORDER" > "$WORK/order.json"
record curl-data.http "$API" "$(content "$API" < "$WORK/order.json" | sign)" -H "$JSON" -d "@$WORK/order.json"

printf %s "$ORDER" > "$WORK/order.json"
right=$(content "$API" < "$WORK/order.json" | sign)
record curl-urlencode.http "$API" "$right" -H "$JSON" --data-urlencode "@$WORK/order.json"

gzip -n < "$WORK/order.json" > "$WORK/order.gz"
record curl-gzip.http "$API" "$right" -H "$JSON" -H 'Content-Encoding: gzip' --data-binary "@$WORK/order.gz"

record curl-query.http "$API?env=test" "$right" -H "$JSON" --data-binary "@$WORK/order.json"

record curl-put.http "$API" "$right" -X PUT -H "$JSON" --data-binary "@$WORK/order.json"

# The command itself, as a developer sends it to a colleague.
other=$(content "/hook/" < "$WORK/order.json" | sign)
cat > curl-command.txt <<END
curl -X POST 'https://shop.example/hook' \\
  -H 'Client-Id: $CLIENT' \\
  -H "Content-Type: application/json; charset=UTF-8" \\
  -H 'Request-Time: $TIME' \\
  --header 'Signature: algorithm=RSA256,keyVersion=1,signature=$other' \\
  --data-raw '$ORDER'
END
