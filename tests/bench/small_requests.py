"""The small authenticated request: token from the cache, decision, durable audit record, answer."""
from side_by_side import Peer, wrk


def measure(b):
    print("Small requests: GET /livy/batches on 32 kept connections, wrk. Ours: cached ES256 token, policy decision, audit record: the first\n"
          "access is synced before its answer, repeats are added up. A refused request has a synced record of its own each time.\nHAProxy: jwt_verify RS256 of each request, static answer. nginx: no authentication, no record, no access log, static answer.\n"
          "HAProxy gets the same claims signed with RS256 by a key of the benchmark: no outside issuer is needed, and RS256 verifies faster than our ES256.")
    ours = b.ours()
    nginx, haproxy = b.nginx(), b.haproxy()
    refused = Peer("refused", ours.port, pids=ours.pids)
    got = b.interleaved([
        (ours, lambda p: wrk(p, "/livy/batches", b.seconds, b.token)),
        (haproxy, lambda p: wrk(p, "/livy/batches", b.seconds, b.rs256)),
        (nginx, lambda p: wrk(p, "/small", b.seconds, b.token)),
        (refused, lambda p: wrk(p, "/livy/batches", b.seconds, b.guest_token, refused=True)),
    ])

    def column(name, key):
        return [v[key] for v in got[name]]

    def cost(name):
        return [v["cpu_s"] * 1e6 / v["count"] for v in got[name]]
    b.add("small request vs jwt_verify", "requests/s", column("embergate", "per_second"), "haproxy", column("haproxy", "per_second"), 1.5, 2.5)
    b.add("small request vs no authentication", "requests/s", column("embergate", "per_second"), "nginx", column("nginx", "per_second"), 0.6, 0.9)
    b.add("p99 of small requests", "us", column("embergate", "p99_us"), "haproxy", column("haproxy", "p99_us"), smaller=True)
    b.add("processor time of a request", "us", cost("embergate"), "haproxy", cost("haproxy"), smaller=True)
    b.add("processor time of a request", "us", cost("embergate"), "nginx", cost("nginx"), smaller=True)
    b.add("refused request, synced record each", "requests/s", column("refused", "per_second"), "haproxy", column("haproxy", "per_second"))
