"""Dials a TLS server as a client in Python does, and prints the error."""
import socket
import ssl
import sys

host, port, ca, cert, key = sys.argv[1:6]
try:
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname=host) as secured:
            secured.sendall(b"GET /version HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n")
            if not secured.recv(1024):
                raise ConnectionError("Remote end closed connection without response")
except Exception as error:
    print(f"{type(error).__module__}.{type(error).__name__}: {error}")
