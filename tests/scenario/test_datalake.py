"""The Data Lake API by the Azure SDK and by hand: renames across filesystems, access control lists, properties of filesystems, answers that
were lost on the way. covers: rename.c access.c container.c append.c"""
import os
import socket
import time

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

VERSION = {"x-ms-version": "2023-11-03"}


@pytest.fixture(scope="module")
def lake(gateway):
    return gateway.data_lake()


@pytest.fixture(scope="module")
def fs(gateway):
    return gateway.file_system()


@pytest.fixture(scope="module")
def other(lake):
    made = lake.create_file_system("elsewhere", metadata={"purpose": "renames"})
    yield made
    lake.delete_file_system("elsewhere")


@pytest.fixture(scope="module")
def token(gateway):
    return gateway.token(audience="storage")


def read(client):
    return client.download_file().readall()


def test_filesystem_properties(other):
    assert other.get_file_system_properties().metadata["purpose"] == "renames"
    other.set_file_system_metadata({"colour": "blue", "n": "1"})
    assert dict(other.get_file_system_properties().metadata) == {"colour": "blue", "n": "1"}
    with pytest.raises(HttpResponseError) as e:
        other.set_file_system_metadata({"not a name": "x"})
    assert e.value.status_code == 400


def test_filesystems_are_listed_by_prefix_and_page(lake, other):
    pages = list(lake.list_file_systems(results_per_page=1).by_page())
    names = [f.name for p in pages for f in p]
    assert "data" in names and "elsewhere" in names and len(pages) >= 2
    assert [f.name for f in lake.list_file_systems(name_starts_with="else")] == ["elsewhere"]


def test_rename_across_filesystems(fs, other):
    for name in ("a", "b/c"):
        fs.get_file_client(f"across/{name}").upload_data(name.encode(), overwrite=True)
    before = fs.get_file_client("across/b/c").get_file_properties().etag
    moved = fs.get_directory_client("across").rename_directory("elsewhere/landed")
    assert moved.get_directory_properties()
    assert read(other.get_file_client("landed/b/c")) == b"b/c"
    assert other.get_file_client("landed/b/c").get_file_properties().etag == before
    with pytest.raises(ResourceNotFoundError):
        fs.get_file_client("across/a").get_file_properties()
    other.get_file_client("landed/a").rename_file("data/back-again")
    assert read(fs.get_file_client("back-again")) == b"a"


def test_refused_renames_change_nothing(fs, other, gateway, token):
    fs.get_file_client("stays").upload_data(b"stays", overwrite=True)
    for source, status, code in (("/missing/x", 404, "FilesystemNotFound"), ("/data/missing", 404, "SourcePathNotFound"), ("/data", 400, "InvalidSourceUri"),
                                 ("/data/../elsewhere/x", 400, "InvalidResourceName")):
        got, _, headers = gateway.request("PUT", "/elsewhere/x", token, b"", {**VERSION, "x-ms-rename-source": source})
        assert (got, headers["x-ms-error-code"]) == (status, code), source
    with pytest.raises(HttpResponseError) as e:
        fs.get_file_client("stays").rename_file("elsewhere/no/such/parent")
    assert e.value.error_code == "RenameDestinationParentPathNotFound"
    assert read(fs.get_file_client("stays")) == b"stays"


def test_who_has_no_role_renames_nothing(fs, other, gateway):
    fs.get_file_client("mine").upload_data(b"mine", overwrite=True)
    guest = gateway.token("guest", audience="storage")
    for path, source in (("/elsewhere/theirs", "/data/mine"), ("/data/theirs", "/data/mine")):
        got, _, _ = gateway.request("PUT", path, guest, b"", {**VERSION, "x-ms-rename-source": source})
        assert got == 403
    assert read(fs.get_file_client("mine")) == b"mine"


def test_access_control_of_one_path(fs):
    d = fs.create_directory("acl/one")
    d.set_access_control(acl="user::rwx,user:11111111-1111-4111-8111-111111111111:r-x,group::r-x,other::---")
    got = d.get_access_control(upn=False)
    assert got["permissions"] == "rwxr-x---+" and "user:11111111-1111-4111-8111-111111111111:r-x" in got["acl"]
    d.set_access_control(permissions="rwxrwxrwt")
    assert d.get_access_control()["permissions"] == "rwxrwxrwt+"
    d.set_access_control(owner="22222222-2222-4222-8222-222222222222", group="33333333-3333-4333-8333-333333333333")
    assert d.get_access_control()["owner"] == "22222222-2222-4222-8222-222222222222"
    for bad in ("user::rwx,group::r-x,other::---,user:x:rwz", "nobody::rwx", "user::rwx," * 40):
        with pytest.raises(HttpResponseError) as e:
            d.set_access_control(acl=bad)
        assert e.value.status_code == 400
    assert d.get_access_control()["permissions"] == "rwxrwxrwt+"


def test_default_lists_are_inherited(fs):
    d = fs.create_directory("acl/inherits")
    d.set_access_control(acl="user::rwx,group::r-x,other::---,default:user::rwx,default:user:11111111-1111-4111-8111-111111111111:rwx,default:group::r-x,"
                             "default:other::---")
    file = d.create_file("f")
    assert "user:11111111-1111-4111-8111-111111111111:rwx" in file.get_access_control()["acl"]
    assert "default:" not in file.get_access_control()["acl"]
    assert "default:user:11111111-1111-4111-8111-111111111111:rwx" in d.create_sub_directory("sub").get_access_control()["acl"]


def test_access_control_of_a_tree(fs):
    top = fs.create_directory("acl/tree")
    for i in range(7):
        top.create_sub_directory(f"d{i}").create_file("f")
    seen = []
    entry = "user:11111111-1111-4111-8111-111111111111:rwx"
    result = top.update_access_control_recursive(acl=entry, batch_size=4, progress_hook=lambda p: seen.append(p.batch_counters))
    assert (result.counters.directories_successful, result.counters.files_successful, result.counters.failure_count) == (8, 7, 0)
    assert len(seen) == 4 and all(c.directories_successful + c.files_successful <= 4 for c in seen)
    assert entry in fs.get_file_client("acl/tree/d6/f").get_access_control()["acl"]
    result = top.remove_access_control_recursive(acl="user:11111111-1111-4111-8111-111111111111")
    assert result.counters.files_successful == 7
    assert "1111" not in fs.get_file_client("acl/tree/d6/f").get_access_control()["acl"]
    result = top.set_access_control_recursive(acl="user::rwx,group::r--,other::---", batch_size=10, max_batches=1)
    assert result.continuation
    result = top.set_access_control_recursive(acl="user::rwx,group::r--,other::---", continuation_token=result.continuation)
    assert not result.continuation
    assert fs.get_file_client("acl/tree/d6/f").get_access_control()["permissions"] == "rwxr-----"
    with pytest.raises(HttpResponseError) as e:
        top.set_access_control_recursive(acl="user::rwx,group::r--,other::---", continuation_token="forged")
    assert e.value.status_code == 400


def test_a_stream_of_unknown_length_is_refused_as_azure_does(fs):
    """The SDK then flushes without a position, which Azure refuses too: it must be told the length."""
    def pieces():
        yield b"one"
        yield b"two"
    with pytest.raises(HttpResponseError) as e:
        fs.get_file_client("unknown").upload_data(pieces(), overwrite=True)
    assert e.value.error_code == "MissingRequiredQueryParameter"
    fs.get_file_client("unknown").upload_data(pieces(), length=6, overwrite=True)
    assert read(fs.get_file_client("unknown")) == b"onetwo"


@pytest.mark.parametrize("version, status", [("2018-11-09", 200), ("2024-11-04", 200), ("2001-01-01", 400), ("tomorrow", 400)])
def test_versions_are_negotiated(gateway, token, version, status):
    got, _, headers = gateway.request("GET", "/data?resource=filesystem&recursive=false", token, headers={"x-ms-version": version})
    assert got == status
    if status == 200:
        assert headers["x-ms-version"] == version
    else:
        assert headers["x-ms-error-code"] == "InvalidHeaderValue"


@pytest.mark.parametrize("query, code", [("resource=filesystem&recursive=false&maxResults=0", "OutOfRangeQueryParameterValue"),
                                         ("resource=filesystem&recursive=false&maxResults=x", "InvalidQueryParameterValue"),
                                         ("resource=filesystem&recursive=false&continuation=x", "InvalidQueryParameterValue")])
def test_bad_listings(gateway, token, query, code):
    got, _, headers = gateway.request("GET", f"/data?{query}", token, headers=VERSION)
    assert (got, headers["x-ms-error-code"]) == (400, code)


class Lost:
    """Sends a request, waits until it was done, and is gone without having read the answer."""

    def __init__(self, gateway, token):
        self.gateway, self.token = gateway, token

    def __call__(self, request, done):
        method, path, headers, body = (*request, b"")[:4]
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {self.token}", f"Content-Length: {len(body)}",
                 *(f"{k}: {v}" for k, v in {**VERSION, **(headers or {})}.items()), "", ""]
        with socket.create_connection(("127.0.0.1", self.gateway.port)) as plain:
            with self.gateway.context().wrap_socket(plain, server_hostname="127.0.0.1") as s:
                s.sendall("\r\n".join(lines).encode() + body)
                assert eventually(done), f"{method} {path} was not done"

    def again(self, method, path, headers=None, body=b""):
        status, _, got = self.gateway.request(method, path, self.token, body, {**VERSION, **(headers or {})})
        return status, got["ETag"]


@pytest.fixture
def lost(gateway, token):
    return Lost(gateway, token)


def eventually(what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if what():
                return True
        except HttpResponseError:
            pass
        time.sleep(0.02)
    return False


def test_answers_that_were_lost(fs, lost):
    file = fs.get_file_client("lost/f")
    create = ("PUT", "/data/lost/f?resource=file", {"If-None-Match": "*", "x-ms-client-transaction-id": "create-1"})
    lost(create, file.exists)
    made = file.get_file_properties().etag
    assert lost.again(*create) == (201, made)
    with pytest.raises(ResourceExistsError):
        from azure.core import MatchConditions
        file.create_file(match_condition=MatchConditions.IfMissing)

    append = ("PATCH", "/data/lost/f?action=append&position=0&flush=true", {"Content-Type": "application/octet-stream"}, b"0123456789")
    lost(append, lambda: file.get_file_properties().size == 10)
    flushed = file.get_file_properties().etag
    assert lost.again(*append) == (202, flushed)
    assert read(file) == b"0123456789"
    assert lost.again("PATCH", append[1], append[2], b"012345678X")[0] == 400

    assert lost.again("PATCH", "/data/lost/f?action=append&position=10", None, b"ab")[0] == 202
    flush = ("PATCH", "/data/lost/f?action=flush&position=12", {"If-Match": flushed})
    lost(flush, lambda: file.get_file_properties().size == 12)
    assert lost.again(*flush) == (200, file.get_file_properties().etag)

    rename = ("PUT", "/data/lost/g", {"x-ms-rename-source": "/data/lost/f", "x-ms-client-transaction-id": "rename-1", "If-None-Match": "*"})
    moved = fs.get_file_client("lost/g")
    lost(rename, moved.exists)
    file.upload_data(b"new", overwrite=True)
    assert lost.again(*rename) == (201, moved.get_file_properties().etag)
    assert read(file) == b"new" and read(moved) == b"0123456789ab"


def test_a_gateway_that_died_after_the_commit(own_gateway):
    """The first answer also comes from a gateway that starts anew."""
    g = own_gateway
    g.start()
    fs = g.file_system()
    fs.get_file_client("a").upload_data(os.urandom(100000), overwrite=True)
    token = g.token(audience="storage")
    lost = Lost(g, token)
    rename = ("PUT", "/data/b", {"x-ms-rename-source": "/data/a", "x-ms-client-transaction-id": "before-the-crash"})
    append = ("PATCH", "/data/b?action=append&position=100000&flush=true", None, b"end")
    lost(rename, fs.get_file_client("b").exists)
    lost(append, lambda: fs.get_file_client("b").get_file_properties().size == 100003)
    etag = fs.get_file_client("b").get_file_properties().etag
    os.kill(g.pids()["gateway"], 9)
    g.wait_ready()
    assert eventually(lambda: lost.again(*rename)[0] == 201)
    assert lost.again(*rename) == (201, etag)
    assert lost.again(*append) == (202, etag)
    assert fs.get_file_client("b").get_file_properties().size == 100003
