# Shell functions for make-openssl.sh and make-curl.sh.
TIME='2024-05-22T09:12:21+08:00'
CLIENT='4Q5Y8W0WSG45P907917'
API='/api/open/alipay/v1/merchant/order/sync'
ORDER='{"requestId":"0c3f2d1e9b8a47c6a5d4e3f201928374","tradeNo":"TRADE-1","merchantBizNo":"BIZ-1","merchantBizType":"TRADE_ORDER","orderStatus":"PAID","orderCreateTime":1716340281000,"orderModifyTime":1716340340000,"userId":"USER-1","extInfo":{"note":"tea and cake"}}'
WORK=$(mktemp -d)
trap 'rm -r "$WORK"' EXIT

# The text that is signed, for a path; the body comes from standard input.
content() { printf 'POST %s\n%s.%s.' "$1" "$CLIENT" "$TIME"; cat; }
# Base64, URL-encoded.
urlencode() { openssl base64 -A | sed 's/+/%2B/g; s#/#%2F#g; s/=/%3D/g'; }
# A raw HTTP request: path, signature, algorithm; the body comes from standard input.
http() {
  cat > "$WORK/body"
  printf 'POST %s HTTP/1.1\r\nHost: shop.example\r\nClient-Id: %s\r\nContent-Type: application/json; charset=UTF-8\r\n' "$1" "$CLIENT"
  printf 'Request-Time: %s\r\nSignature: algorithm=%s,keyVersion=1,signature=%s\r\n' "$TIME" "${3:-RSA256}" "$2"
  printf 'Content-Length: %s\r\n\r\n' "$(wc -c < "$WORK/body" | tr -d ' ')"
  cat "$WORK/body"
}
