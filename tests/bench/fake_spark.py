"""A spark_home without Spark: a master and a worker that say that they live, and a driver that writes down when it began."""
import os

SPARK_CLASS = r'''#!/usr/bin/python3
import http.server, socket, sys, threading
opt = dict(zip(sys.argv[2::2], sys.argv[3::2]))
if sys.argv[1].endswith("Worker"):
    with socket.create_connection(("127.0.0.1", int(sys.argv[-1].rsplit(":", 1)[1]))) as c:
        c.recv(1)
    sys.exit(1)
rpc = socket.create_server(("127.0.0.1", int(opt["--port"])))
held = []
def keep():
    while True:
        held.append(rpc.accept())
threading.Thread(target=keep, daemon=True).start()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"workers":[{"state":"ALIVE"}]}')
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(opt["--webui-port"])), Page).serve_forever()
'''

SPARK_SUBMIT = r'''#!/bin/bash
echo "$EPOCHREALTIME" >"${@: -1}"
'''


def make_spark_home(folder):
    home = f"{folder}/spark"
    os.makedirs(f"{home}/bin", mode=0o755)
    for name, text in (("spark-class", SPARK_CLASS), ("spark-submit", SPARK_SUBMIT)):
        with open(f"{home}/bin/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{home}/bin/{name}", 0o755)
    return home
