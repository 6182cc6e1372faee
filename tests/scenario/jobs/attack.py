"""Tries from inside of a job what a job must not: a line a try, "refused …" or "REACHED …"; ends 0 when nothing was reached."""
import concurrent.futures
import ctypes
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

state, endpoint, spark_home, pids, ports = sys.argv[1:]
pids, ports = [int(p) for p in pids.split(",")], [int(p) for p in ports.split(",")]
libc = ctypes.CDLL(None, use_errno=True)
reached = 0


class Refused(Exception):
    pass


def attempt(what, act):
    """Refused is whatever fails; what returns has reached."""
    global reached
    try:
        got = act()
    except (OSError, ValueError, Refused, subprocess.SubprocessError) as e:
        print(f"refused {what}: {e}\n", end="", flush=True)
    else:
        reached += 1
        print(f"REACHED {what}: {got}\n", end="", flush=True)


def call(name, *args):
    """A C function that gives -1 and sets errno."""
    def act():
        if getattr(libc, name)(*args) == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return act


def appending(path):
    def act():
        with open(path, "ab") as f:
            f.write(b"#")
    return act


def running(*words):
    return lambda: subprocess.run(words, check=True, capture_output=True, timeout=20)


def foreign_processes():
    seen = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if os.stat(f"/proc/{pid}").st_uid != os.getuid() or state.encode() + b"/clusters/other" in f.read():
                    seen.append(pid)
        except FileNotFoundError:
            pass
    if [p for p in seen if p != "1"] == []:  # our init is not dumpable, and so root's in /proc
        raise Refused("none to be seen")
    return seen


def signalling(pid):
    def act():
        os.kill(pid, 0)
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            if state.encode() not in f.read():
                raise Refused("another process has this number here")
        os.kill(pid, signal.SIGKILL)
    return act


def set_user_id():
    """A program that is root's by its mode runs as we do."""
    p = subprocess.Popen(["/usr/bin/passwd"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        with open(f"/proc/{p.pid}/status") as f:
            effective = next(line for line in f if line.startswith("Uid:")).split()[2]
        if int(effective) == os.getuid():
            raise Refused(f"it runs as {effective}")
        return effective
    finally:
        p.kill()
        p.wait()


def core_dump():
    p = subprocess.Popen([sys.executable, "-c", "import resource as r, os; r.setrlimit(r.RLIMIT_CORE, (0, 0)); os.abort()"], stderr=subprocess.DEVNULL)
    _, status = os.waitpid(p.pid, 0)
    if not os.WCOREDUMP(status):
        raise Refused("no core")


def our_abstract_sockets():
    with open("/proc/net/unix") as f:
        ours = [line.split()[-1] for line in f if "@" in line and "embergate" in line]
    if not ours:
        raise Refused("there is none")
    return ours


def unauthenticated(path):
    def act():
        context = ssl.create_default_context(cafile=f"{state}/tls/ca.pem")
        try:
            with urllib.request.urlopen(endpoint + path, context=context, timeout=10) as answer:
                return answer.read(200)
        except urllib.error.HTTPError as e:
            raise Refused(e.code) from None
    return act


def speaking(port, said):
    """What a listener answers, at most 3 s."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.settimeout(3)
        s.sendall(said)
        heard = b""
        try:
            while len(heard) < 4096:
                more = s.recv(4096)
                if not more:
                    break
                heard += more
        except (TimeoutError, ConnectionResetError):
            pass
        return heard


def web(port):
    """Spark's web pages: without a token of the gateway's only a refusal."""
    def act():
        heard = speaking(port, b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        if not heard.startswith(b"HTTP/1.") or b" 403 " in heard[:20]:
            raise Refused(heard[:40] or "silence")
        return heard[:60]
    return act


def rpc(port):
    """Spark's transport: frame length, type 3 (RpcRequest), id, body length, body. A type 4 (RpcResponse) would be an answer."""
    def act():
        body = b"\xac\xed\x00\x05hello"
        heard = speaking(port, (8 + 1 + 8 + 4 + len(body)).to_bytes(8, "big") + b"\x03" + (1).to_bytes(8, "big") + len(body).to_bytes(4, "big") + body)
        if len(heard) < 9 or heard[8] != 4:
            raise Refused(heard[:12] or "silence")
        return heard[:60]
    return act


def py4j(port):
    """The driver's door for Python: answers "!y" to who knows its secret."""
    def act():
        heard = speaking(port, b"c\nz:java.lang.System\ngetenv\ne\n")
        if not heard.startswith(b"!y"):
            raise Refused(heard[:12] or "silence")
        return heard[:60]
    return act


def python_worker(port):
    """The door of executors' Python workers: a secret as length and text, answered by "ok" or "err"."""
    def act():
        secret = b"0" * 64
        heard = speaking(port, len(secret).to_bytes(4, "big") + secret)
        if heard != b"\0\0\0\2ok":
            raise Refused(heard[:12] or "silence")
        return heard
    return act


for pid in pids:
    attempt(f"end process {pid} of the server", signalling(pid))
attempt("see processes of others", foreign_processes)
attempt("trace its init", call("ptrace", 16, 1, 0, 0))
attempt("read the memory of its init", lambda: open("/proc/1/mem", "rb").read(1))
attempt("speak to an abstract socket of the server", our_abstract_sockets)
attempt("become root by a set-user-id program", set_user_id)
attempt("become root", lambda: os.setuid(0))
attempt("make a user namespace", running("/usr/bin/unshare", "-U", "true"))
attempt("make a user and a mount namespace", running("/usr/bin/unshare", "-r", "-m", "true"))
attempt("make a user namespace by clone", lambda: call("syscall", 56, 0x10000000 | 17, 0, 0, 0, 0)())
attempt("mount", call("mount", b"none", b"/proc", b"proc", 0, None))
attempt("unmount its tmp/", call("umount2", f"{state}/clusters/analytics/tmp".encode(), 2))
attempt("use the kernel's keyring", call("syscall", 250, 0, -4, 1))
attempt("a raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("more processes than its bound", lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1 << 20, 1 << 20)))
attempt("larger files than its bound", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
attempt("core dumps", lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)))
attempt("dump core", core_dump)
attempt("a better priority", lambda: os.nice(-1))
for path in (f"{spark_home}/bin/spark-submit", f"{spark_home}/jars/more.jar", f"{state}/clusters/analytics/conf/log4j2.properties",
             f"{state}/clusters/analytics/conf/spark-env.sh", f"{state}/clusters/analytics/trust.jks", f"{state}/clusters/analytics/scratch/batch-999",
             f"{state}/clusters/other/trust.jks", f"{state}/embergate.yaml", f"{state}/policies/roleAssignments/mine.json",
             *(os.path.join(os.sep, *folder, "embergate-attack") for folder in (("tmp",), ("var", "tmp"), ("etc",)))):
    attempt(f"write {path}", appending(path))
for path in ("/metrics", "/healthz/details", "/livy/batches", "/clusters/other/livy/batches"):
    attempt(f"GET {path} without a token", unauthenticated(path))
with open(os.path.join(os.sep, "dev", "shm", "embergate-attack"), "w") as f:
    f.write("seen by its own processes alone")
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    for port in ports:
        pool.submit(attempt, f"the web page at a listener of the other cluster ({port})", web(port))
        pool.submit(attempt, f"the RPC at a listener of the other cluster ({port})", rpc(port))
        pool.submit(attempt, f"the Python workers at a listener of the other cluster ({port})", python_worker(port))
        pool.submit(attempt, f"the Java gateway at a listener of the other cluster ({port})", py4j(port))
sys.exit(1 if reached else 0)
