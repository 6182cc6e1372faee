"""Azure's own names for an account that lies here: an HTTP proxy that each client is told of the ordinary way (RFC 9110 section 9.3.6, CONNECT) and that leads
{account}.dfs. and {account}.blob.core.windows.net to the gateway. It stands in for a name service, which would take root; TLS and everything in it is between client and gateway."""
import contextlib
import socket
import threading

from accounts import bare_environment


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


class NameProxy:
    """Counts who was asked for; any other name is refused."""

    def __init__(self, names, port):
        self.names, self.port, self.asked = names, port, {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            client.settimeout(120)
            head = b""
            while b"\r\n\r\n" not in head and len(head) < 8192 and (more := client.recv(1024)):
                head += more
            words = head.split(b"\r\n")[0].decode().split(" ")
            name = words[1].rsplit(":", 1)[0] if len(words) == 3 else ""
            if words[0] != "CONNECT" or name not in self.names:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            self.asked[name] = self.asked.get(name, 0) + 1
            with socket.create_connection(("127.0.0.1", self.port), timeout=120) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                pump(server, client)

    def close(self):
        self.listener.close()


class AzureNames:
    """An account by the addresses that it has in Azure."""

    def __init__(self, account):
        self.account, self.gateway, self.name, self.ca = account, account.gateway, account.name, account.ca
        self.blob, self.dfs = (f"https://{self.name}.{kind}.core.windows.net" for kind in ("blob", "dfs"))
        self.proxy = NameProxy({f"{self.name}.{kind}.core.windows.net" for kind in ("blob", "dfs")}, self.gateway.port)
        self.path_style = self.blob  # what clients of the Blob protocol take for the account's address

    def environment(self):
        return {**bare_environment(SSL_CERT_FILE=self.ca, NODE_EXTRA_CA_CERTS=self.ca), "HTTPS_PROXY": self.proxy.url, "NO_PROXY": "127.0.0.1,localhost"}

    def options(self):
        return {"connection_verify": self.ca, "proxies": {"https": self.proxy.url}}

    def key(self):
        return self.account.key()
