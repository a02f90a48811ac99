"""Accepts one HTTP request, writes its raw bytes to a file, and responds with 200. Prints the port first."""
import re
import socket
import sys

server = socket.create_server(("127.0.0.1", 0))
server.settimeout(20)
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.settimeout(10)
data = b""
while True:
    data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.I)
    if b"\r\n\r\n" in data and len(body) >= int(length.group(1) if length else 0):
        break
connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
connection.close()
with open(sys.argv[1], "wb") as file:
    file.write(data)
