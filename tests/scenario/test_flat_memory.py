"""Large uploads pass through the gateway without staying in its memory: 1 GiB, and 10 GB with EG_LONG=1."""
import http.client
import os
import ssl

import pytest
from server import finish, make_state_folder, new_gateway

MIB = 1 << 20
PIECE = os.urandom(MIB)
GROWTH_MAX_MIB = 128

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another user's /proc/PID/status tells what memory a process had")


@pytest.fixture(scope="module")
def plain_gateway():
    """The build that people run: the sanitizers keep freed memory."""
    folder = make_state_folder()
    g = new_gateway(folder, binary=os.environ["EG_BIN"])
    try:
        g.start()
        yield g
    finally:
        finish(g, folder)


def memory_mib(g, field):
    with open(f"/proc/{g.pids()['gateway']}/status") as f:
        return int(next(line for line in f if line.startswith(field + ":")).split()[1]) / 1024


def send(g, method, path, token, body=b"", headers=None, chunked=False):
    connection = http.client.HTTPSConnection("127.0.0.1", g.port, context=ssl.create_default_context(cafile=g.ca), timeout=120)
    connection.request(method, path, body, {"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03", **(headers or {})},
                       encode_chunked=chunked)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def sanitized(path):
    with open(path, "rb") as f:
        return b"__asan_init" in f.read()


@pytest.mark.skipif(sanitized(os.environ["EG_BIN"]), reason="EG_BIN is a sanitizers' build, which keeps freed memory")
@pytest.mark.parametrize("total_mib, pieces", [(1024, 1), pytest.param(9537, 4, marks=pytest.mark.skipif(
    not os.environ.get("EG_LONG"), reason="EG_LONG=1 uploads 10 GB"))])
def test_uploads_stay_flat(plain_gateway, total_mib, pieces):
    """A body of unknown length (chunked), then its length is asked and a part of it read back."""
    g = plain_gateway
    token = g.token(audience="storage")
    path = f"/data/flat/{total_mib}"
    assert send(g, "PUT", f"{path}?resource=file", token)[0] == 201
    before = memory_mib(g, "VmRSS")
    at = 0
    for part in range(pieces):
        mib = total_mib // pieces + (total_mib % pieces if part == pieces - 1 else 0)
        status, text = send(g, "PATCH", f"{path}?action=append&position={at * MIB}", token, (PIECE for _ in range(mib)),
                            {"Transfer-Encoding": "chunked"}, chunked=True)
        assert status == 202, text
        at += mib
    assert send(g, "PATCH", f"{path}?action=flush&position={at * MIB}", token)[0] == 200
    grown = memory_mib(g, "VmHWM") - before
    assert grown < GROWTH_MAX_MIB, f"{grown:.0f} MiB more at its peak than before the upload"
    file = g.file_system().get_file_client(f"flat/{total_mib}")
    assert file.get_file_properties().size == total_mib * MIB
    assert file.download_file(offset=(total_mib - 1) * MIB, length=MIB).readall() == PIECE
    file.delete_file()
