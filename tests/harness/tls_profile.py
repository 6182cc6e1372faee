"""What a peer is offered before HTTP, as text: by sslyze, which has TLS implementations of its own, and ALPN by Python's."""
import json
import os
import socket
import ssl
import subprocess

VERSIONS = {"ssl_2_0": "SSL 2.0", "ssl_3_0": "SSL 3.0", "tls_1_0": "TLS 1.0", "tls_1_1": "TLS 1.1", "tls_1_2": "TLS 1.2", "tls_1_3": "TLS 1.3"}
SCANS = ["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--reneg", "--compression", "--elliptic_curves", "--resum",
         "--early_data", "--fallback", "--heartbleed", "--openssl_ccs", "--robot", "--ems"]


def scan(port, folder):
    report = f"{folder}/tls-profile.json"
    scanner = os.path.join(os.environ["EG_PROVIDERS"], "tools", "bin", "sslyze")
    subprocess.run([scanner, *SCANS, f"--json_out={report}", f"127.0.0.1:{port}"], check=True, timeout=120, stdout=subprocess.DEVNULL)
    with open(report) as f:
        found = json.load(f)["server_scan_results"][0]["scan_result"]
    return {name: part["result"] for name, part in found.items() if part and part.get("result") is not None}


def chosen_protocol(port, ca, offered):
    context = ssl.create_default_context(cafile=ca)
    if offered:
        context.set_alpn_protocols(offered)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s, context.wrap_socket(s, server_hostname="127.0.0.1") as tls:
            return tls.selected_alpn_protocol() or "none, and is served"
    except ssl.SSLError:
        return "refused"


def told(yes):
    return "yes" if yes else "no"


def profile(port, ca, folder):
    found = scan(port, folder)
    lines = []
    for key, name in VERSIONS.items():
        suites = [s["cipher_suite"]["name"] for s in found[f"{key}_cipher_suites"]["accepted_cipher_suites"]]
        lines += [f"{name}: " + ("refused" if not suites else "accepted with")] + [f"  {s}" for s in sorted(suites)]
    groups = sorted(g["name"] for g in found["elliptic_curves"]["supported_curves"])
    again = found["session_resumption"]
    lines += [
        "groups: " + ", ".join(groups),
        "compression: " + told(found["tls_compression"]["supports_compression"]),
        "early data: " + told(found["tls_1_3_early_data"]["supports_early_data"]),
        "renegotiation by the client: " + told(found["session_renegotiation"]["client_renegotiations_success_count"]),
        "renegotiation indication (RFC 5746): " + told(found["session_renegotiation"]["supports_secure_renegotiation"]),
        "extended master secret: " + told(found["tls_extended_master_secret"]["supports_ems_extension"]),
        "fallback signal (RFC 7507): " + told(found["tls_fallback_scsv"]["supports_fallback_scsv"]),
        "resumption by session id: " + told(again["session_id_successful_resumptions_count"]),
        "resumption by ticket: " + told(again["tls_ticket_successful_resumptions_count"]),
        "Heartbleed: " + told(found["heartbleed"]["is_vulnerable_to_heartbleed"]),
        "CCS injection: " + told(found["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]),
        "ROBOT: " + told(not found["robot"]["robot_result"].startswith("NOT_VULNERABLE")),
    ]
    for offered in (None, ["http/1.1"], ["h2", "http/1.1"], ["h2"]):
        lines.append(f"ALPN {', '.join(offered) if offered else 'not offered'}: {chosen_protocol(port, ca, offered)}")
    return "\n".join(lines) + "\n"
