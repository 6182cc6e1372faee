"""Hostile and ordinary HTTP/1.1 requests from a seed, and how two parsers that share no code with us (llhttp, h11) read them."""
import random

import h11
import httptools

METHODS = [b"GET", b"PUT", b"POST", b"PATCH", b"HEAD", b"DELETE", b"OPTIONS"]
ODD_METHODS = [b"CONNECT", b"TRACE", b"PRI", b"get", b"G\xe9T", b"G T", b"", b"M-SEARCH", b"!#$%&'*+.^_`|~9", b"X" * 40, b"GET\t", b"\x00GET", b"PROPFIND"]
TARGETS = [b"/", b"/data/a.csv", b"/livy/batches?from=0&size=2", b"/a%20b", b"/a%2Fb", b"/%2e%2e/x", b"/data?resource=file&x=%C3%A9", b"/a;p=1/b:c@d", b"//a", b"/a?b?c"]
ODD_TARGETS = [b"http://x/", b"https://127.0.0.1:8443/a", b"x:443", b"*", b"", b"/a b", b"/a\tb", b"/\xc3\xa9", b"/a#f", b"/%zz", b"/%", b"/a\x00b", b"/%00", b"/%c0%af",
               b"/" + b"a" * 9000, b"\\a", b"/a\\b", b"/a\"b", b"/<a>", b"/^", b"/`", b"/{a}|b", b"a", b"?a", b"/a\x7f", b"/a\x0b"]
VERSIONS = [b"HTTP/1.1"]
ODD_VERSIONS = [b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.10", b"HTTP/01.1", b"HTTP /1.1", b"", b"HTTP/1.1\x0b", b"HTTP/0.9", b"ICE/1.1"]
HOSTS = [b"127.0.0.1:8443", b"gw.example", b"data.dfs.core.example:443", b"[::1]:8443", b"a"]
ODD_HOSTS = [b"", b"a b", b"a,b", b"a/b", b"a@b", b"a:b", b"a:99999", b"[::1", b"a\x00b", b"\xc3\xa9", b"a:", b"a#b", b"[]"]
FIELDS = [(b"Accept", b"*/*"), (b"User-Agent", b"azsdk/1 (x; y)"), (b"x-ms-version", b"2023-11-03"), (b"x-ms-date", b"Mon, 23 Nov 2026 04:00:00 GMT"), (b"If-None-Match", b"*"),
          (b"Authorization", b"Bearer a.b.c"), (b"Expect", b"100-continue"), (b"Connection", b"keep-alive"), (b"Connection", b"close"), (b"Content-Type", b"application/json"),
          (b"Range", b"bytes=0-9"), (b"X-Empty", b""), (b"Cookie", b"a=b; c=d"), (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
ODD_FIELDS = [(b"X Y", b"1"), (b"", b"1"), (b"X\t", b"1"), (b"X(", b"1"), (b"\xe9", b"1"), (b"X", b"a\x00b"), (b"X", b"a\x0bb"), (b"X", b"\xff\xfe obs"), (b"X", b"a\tb"), (b"X", b"a\x7fb"),
              (b"Connection", b"close, upgrade"), (b"Connection", b"Close"), (b"Connection", b"keep-alive,close"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABkAAQAAP__"),
              (b"Trailer", b"X"), (b"TE", b"trailers"), (b"Expect", b"200-ok"), (b"Proxy-Connection", b"close"), (b"Keep-Alive", b"timeout=5"), (b"Host", b"other"), (b"Authorization", b"Bearer x"),
              (b"X-Forwarded-For", b"10.0.0.1"), (b"X", b"a" * 17000), (b"X" * 300, b"1"), (b"Content-Length_", b"3"), (b"Transfer_Encoding", b"chunked"), (b"Connection", b"content-length")]
LENGTHS = [b"3", b"0", b"11", b"5"]
ODD_LENGTHS = [b"+3", b"-1", b"0x3", b"3, 3", b"3,4", b"3 3", b"03", b"000000000000000000003", b"", b"3;", b"\x0b3", b"18446744073709551616", b"9223372036854775808", b"9223372036854775807", b"3\x00",
               b"1e1", b"\xb23", b"3.0"]
ODD_CODINGS = [b"Chunked", b"identity", b"chunked, chunked", b"gzip, chunked", b"chunked, identity", b"chunked;q=1", b"xchunked", b"chunked\x0b", b"\x0bchunked", b"", b"chunked,", b",chunked", b"\"chunked\"",
               b"chunked \t", b"cow"]
BODIES = [b"abc", b"", b"hello world", b"12345", b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"]
CHUNKED = [b"3\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\n", b"A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", b"00003\r\nabc\r\n000\r\n\r\n", b"b\r\nhello world\r\n0\r\n\r\n"]
ODD_CHUNKED = [b"3;a=b\r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"0x3\r\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nab\r\n0\r\n\r\n",
               b"\r\n3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc0\r\n\r\n", b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", b"3\r\nabc\r\n0\r\n\n", b"3\r\nabc\r\n0\r\n", b"FFFFFFFFFFFFFFFF\r\nabc", b"10000000000000003\r\nabc\r\n0\r\n\r\n",
               b"3\rabc\r\n0\r\n\r\n", b"g\r\n", b"-1\r\n", b"3\r\nabc\r\r\n0\r\n\r\n", b"3;\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0;x\r\n\r\n", b"3\r\nabc\r\n00000000000000000\r\n\r\n", b"3\x00\r\nabc\r\n0\r\n\r\n"]
SEPARATORS = [b": "] * 6 + [b":"] * 6 + [b":   "] * 3 + [b":\t", b":   \t "]
ODD_SEPARATORS = [b" : ", b"\t:", b" ", b"", b"::", b": \x0b"]
ENDS = [b"\r\n"]
ODD_ENDS = [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\n\r", b" \r\n", b"\x00\r\n", b"\r\n\r\n"]
NEXT = [b"", b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", b"x"]
ALPHABET = b"\x00\t\n\r :;,/?%#\x7f\xff\"\\03aAcC"


class Generator:
    """Requests from a seed. Most have no more than one thing wrong, so that what is wrong is what decides."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, usual, odd, rate):
        return self.r.choice(odd) if self.r.random() < rate else self.r.choice(usual)

    def framing(self, rate):
        r = self.r
        kind = r.random()
        lines, chunked = [], False
        if kind < 0.35:
            lines.append((b"Content-Length", self.pick(LENGTHS, ODD_LENGTHS, rate)))
        elif kind < 0.7:
            lines.append((r.choice([b"Transfer-Encoding", b"transfer-encoding"]), self.pick([b"chunked"], ODD_CODINGS, rate)))
            chunked = True
        if r.random() < rate * 0.6:
            lines.append(r.choice([(b"Content-Length", b"3"), (b"Content-Length", b"11"), (b"Transfer-Encoding", b"chunked"), (b"content-length", b"0")]))
        return lines, chunked

    def request(self):
        r = self.r
        rate = r.choice([0, 0, 0.02, 0.05, 0.2])
        fields = [(b"Host", self.pick(HOSTS, ODD_HOSTS, rate))] if r.random() >= rate * 0.3 else []
        fields += [self.pick(FIELDS, ODD_FIELDS, rate) for _ in range(r.randrange(5))]
        lines, chunked = self.framing(rate)
        for line in lines:
            fields.insert(r.randrange(len(fields) + 1), line)
        head = b" ".join([self.pick(METHODS, ODD_METHODS, rate), self.pick(TARGETS, ODD_TARGETS, rate), self.pick(VERSIONS, ODD_VERSIONS, rate)])
        head += self.pick(ENDS, ODD_ENDS, rate * 0.3)
        for name, value in fields:
            head += name + self.pick(SEPARATORS, ODD_SEPARATORS, rate * 0.2) + value + self.r.choice([b""] * 8 + [b" ", b" ", b"\t"]) + self.pick(ENDS, ODD_ENDS, rate * 0.2)
        head += self.pick(ENDS, ODD_ENDS, rate * 0.2)
        body = self.pick(CHUNKED, ODD_CHUNKED, max(rate, 0.1)) if chunked else r.choice(BODIES)
        whole = head + body + r.choice(NEXT)
        if r.random() < 0.15:
            whole = self.damage(whole)
        return whole

    def damage(self, whole):
        """One byte changed, put in or taken out, anywhere."""
        r = self.r
        at = r.randrange(len(whole))
        byte = bytes([r.choice(ALPHABET)]) if r.random() < 0.8 else bytes([r.randrange(256)])
        return whole[:at] + (byte + whole[at + 1:], byte + whole[at:], whole[at + 1:])[r.randrange(3)]


class Reading:
    """What a peer made of a request: `error` when it refused, else as far as it came."""

    def __init__(self):
        self.error = None
        self.method = self.target = None
        self.headers = []
        self.body = b""
        self.complete = 0
        self.close = None   # h11 only: to llhttp "close" with a tab beside it is no close, and Proxy-Connection means something


class _Callbacks:
    def __init__(self, reading):
        self.to = reading
        reading.target = b""

    def on_url(self, part):
        self.to.target += part

    def on_header(self, name, value):
        self.to.headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def on_body(self, part):
        self.to.body += part

    def on_message_complete(self):
        self.to.complete += 1


def read_llhttp(*pieces):
    """The pieces one after the other; gives the reading and how many messages were complete after each piece."""
    to = Reading()
    parser = httptools.HttpRequestParser(_Callbacks(to))
    steps = []
    try:
        for piece in pieces:
            parser.feed_data(piece)
            steps.append(to.complete)
        to.method = parser.get_method()
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
        to.error = f"{type(e).__name__}: {e}"
    return to, steps


def read_h11(*pieces):
    to = Reading()
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    steps = []
    try:
        for piece in pieces:
            peer.receive_data(piece)
            while True:
                event = peer.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                if isinstance(event, h11.Request):
                    to.method, to.target = event.method, event.target
                    to.headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in event.headers.raw_items()]
                elif isinstance(event, h11.Data):
                    to.body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    to.complete += 1
            steps.append(to.complete)
        # After an offer to upgrade it waits for the answer, and says nothing about the connection.
        to.close = {h11.MUST_CLOSE: True, h11.DONE: False}.get(peer.their_state)
    except h11.RemoteProtocolError as e:
        to.error = f"{type(e).__name__}: {e}"
    return to, steps
