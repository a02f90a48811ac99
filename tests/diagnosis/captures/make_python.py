"""Messages that Python programs sign and send."""
import base64
import hashlib
import json
import pathlib
import urllib.parse

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

FOLDER = pathlib.Path(__file__).parent
KEY = serialization.load_pem_private_key((FOLDER / "keys/sender.pem").read_bytes(), None)
TIME = "2024-05-22T09:12:21+08:00"
CLIENT = "4Q5Y8W0WSG45P907917"
PATH = "/api/open/alipay/v1/merchant/order/sync"
ORDER = {
    "requestId": "0c3f2d1e9b8a47c6a5d4e3f201928374",
    "tradeNo": "TRADE-1",
    "merchantBizNo": "BIZ-1",
    "merchantBizType": "TRADE_ORDER",
    "amount": {"value": "1000", "currency": "HKD"},
    "orderStatus": "PAID",
    "orderCreateTime": 1716340281000,
    "orderModifyTime": 1716340340000,
    "userId": "USER-1",
    "extInfo": {"note": "奶茶 café a/b"},
}
COMPACT = json.dumps(ORDER, separators=(",", ":"), ensure_ascii=False)


def sign(body, path=PATH, time=TIME, digest=False):
    content = f"POST {path}\n{CLIENT}.{time}.".encode() + (body if isinstance(body, bytes) else body.encode())
    if digest:
        content = hashlib.sha256(content).digest()
    return KEY.sign(content, padding.PKCS1v15(), hashes.SHA256())


def headers(signature, encode=lambda signature: urllib.parse.quote(base64.b64encode(signature), safe="")):
    return {
        "Client-Id": CLIENT,
        "Content-Type": "application/json; charset=UTF-8",
        "Request-Time": TIME,
        "Signature": f"algorithm=RSA256,keyVersion=1,signature={encode(signature)}",
    }


def write(name, request_headers, url=f"https://shop.example{PATH}", **body):
    """What requests would send, as JSON."""
    prepared = requests.Request("POST", url, headers=request_headers, **body).prepare()
    sent = prepared.body if isinstance(prepared.body, bytes) else prepared.body.encode()
    captured = {
        "method": prepared.method,
        "path": prepared.path_url,
        "headers": dict(prepared.headers),
        "bodyBase64": base64.b64encode(sent).decode(),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(captured, indent=2) + "\n")


# requests serializes "json=" itself, with spaces and \uXXXX.
write("python-requests-json", headers(sign(json.dumps(ORDER, ensure_ascii=False))), json=ORDER)
write("python-requests-json-compact", headers(sign(COMPACT)), json=ORDER)
write("python-sort-keys", headers(sign(json.dumps(ORDER, separators=(",", ":"), ensure_ascii=False, sort_keys=True))), data=COMPACT.encode())
write("python-latin1", headers(sign(COMPACT)), data=COMPACT.encode().decode("latin-1").encode())
write("python-prehashed", headers(sign(COMPACT, digest=True)), data=COMPACT.encode())
write("python-milliseconds", headers(sign(COMPACT, time="1716340341000")), data=COMPACT.encode())
write("python-utf8-sig", headers(sign(COMPACT)), data=COMPACT.encode("utf-8-sig"))
write("python-double-dumps", headers(sign(COMPACT)), json=COMPACT)
# unquote_plus turns "+" into spaces.
write("python-unquote-plus", headers(sign(COMPACT), lambda signature: urllib.parse.unquote_plus(base64.b64encode(signature).decode())), data=COMPACT.encode())

entry = {
    "startedDateTime": "2024-05-22T01:12:22.000Z",
    "request": {
        "method": "POST",
        "url": f"https://shop.example/gateway{PATH}?from=har",
        "httpVersion": "HTTP/2",
        "headers": [{"name": ":method", "value": "POST"}]
        + [{"name": name.lower(), "value": value} for name, value in headers(sign(COMPACT)).items()],
        "postData": {"mimeType": "application/json", "text": COMPACT},
    },
    "response": {"status": 401, "headers": [], "content": {"text": ""}},
}
(FOLDER / "python-proxy.har").write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}, indent=2) + "\n")
