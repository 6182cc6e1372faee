"""New TLS connections: full handshakes, one small request each."""
from side_by_side import client


def measure(b):
    print("New connections: 32 at once, each a full TLS 1.3 handshake (no ticket offered), one small answer, and its end. Same certificate.")
    ours, nginx = b.ours(), b.nginx()
    got = b.interleaved([
        (ours, lambda p: client("connect", p.port, "/healthz", b.seconds, 32)),
        (nginx, lambda p: client("connect", p.port, "/small", b.seconds, 32)),
    ])
    for name, rounds in got.items():
        broken = sum(v["broken"] for v in rounds)
        assert broken == 0, f"{name} broke {broken} connections"

    def column(name, key):
        return [v[key] for v in got[name]]
    b.add("new connections", "connections/s", column("embergate", "per_second"), "nginx", column("nginx", "per_second"), 0.5, 1.0)
    b.add("p99 of a new connection", "us", column("embergate", "p99_us"), "nginx", column("nginx", "p99_us"), smaller=True)
    b.add("processor time of a connection", "us", *[x for n in ("embergate", "nginx") for x in (
        [v["cpu_s"] * 1e6 / v["count"] for v in got[n]], "nginx")][:3], smaller=True)
