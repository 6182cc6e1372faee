"""Runs a program of tests/clients/programs with Node and the npm packages that ./dev setup --tests installs."""
import json
import os
import subprocess

from accounts import HERE, program


def run_node(script, account, folder, signed_in, **environment):
    """Gives what the program found. `signed_in` goes by a file that only we may read."""
    node_modules = program("js", "node_modules")
    results, secret = f"{folder}/results.json", f"{folder}/sign-in.json"
    with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(signed_in, f)
    env = {**account.environment(), "NODE_PATH": node_modules, "SIGN_IN": secret, "RESULTS": results, **environment}
    done = subprocess.run([os.environ["EG_NODE"], f"{HERE}/programs/{script}"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:]
    with open(results) as f:
        return json.load(f)

