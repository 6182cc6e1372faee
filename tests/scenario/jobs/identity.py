"""Uses its own credential and token where they must work and where they must not; prints status codes, keeps both for the test in storage."""
import base64
import http.client
import json
import ssl
import sys
import urllib.parse

from pyspark import SparkConf, SparkContext

host, port, ca, folder = sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3]).decode(), sys.argv[4]
SparkContext._ensure_initialized()  # the properties are the JVM's
conf = SparkConf()
tenant = conf.get("spark.hadoop.fs.azure.account.oauth2.msi.tenant")
with open(conf.get("spark.hadoop.fs.azure.account.oauth2.token.file")) as f:
    credential = f.read().strip()


def ask(method, path, bearer=None, body=None, headers=None):
    connection = http.client.HTTPSConnection(host, port, context=ssl.create_default_context(cadata=ca), timeout=30)
    sent = {"x-ms-version": "2023-11-03", **({"Authorization": f"Bearer {bearer}"} if bearer else {}), **(headers or {})}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    return answer.status, answer.read()


def exchange(scope, assertion):
    form = urllib.parse.urlencode({
        "grant_type": "client_credentials", "client_id": conf.get("spark.hadoop.fs.azure.account.oauth2.client.id"), "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion})
    return ask("POST", f"/{tenant}/oauth2/v2.0/token", None, form, {"Content-Type": "application/x-www-form-urlencoded"})


def says(what, status):
    print(f"{what}: {status}", flush=True)


status, answer = exchange("https://storage.azure.com/.default", credential)
says("credential at the token endpoint", status)
token = json.loads(answer)["access_token"]
says("wrong credential at the token endpoint", exchange("https://storage.azure.com/.default", credential[::-1])[0])
says("credential for another audience", exchange("https://management.azure.com/.default", credential)[0])
says("token on storage", ask("HEAD", f"{folder}/there", token)[0])
says("token on livy", ask("GET", "/livy/batches", token)[0])
says("token on audit", ask("GET", f"/audit/{tenant}/records", token)[0])
says("token submits", ask("POST", "/livy/batches", token, json.dumps({"file": "/x"}), {"Content-Type": "application/json"})[0])
says("credential as a token on storage", ask("HEAD", f"{folder}/there", credential)[0])
says("credential as a token on livy", ask("GET", "/livy/batches", credential)[0])

kept = json.dumps({"token": token, "credential": credential, "tenant": tenant}).encode()
for method, path, body in (("PUT", f"{folder}/kept.json?resource=file", b""), ("PATCH", f"{folder}/kept.json?action=append&position=0", kept),
                           ("PATCH", f"{folder}/kept.json?action=flush&position={len(kept)}", b"")):
    says(f"{method} {path.rpartition('?')[2].partition('&')[0]}", ask(method, path, token, body)[0])
