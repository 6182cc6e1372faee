"""The account that clients work on, as each of them wants its address, key and environment; and where the clients are."""
import os

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


class Oracle:
    name, ca = "devstoreaccount1", None

    def __init__(self, root):
        self.root, self.path_style = root, f"{root}/{self.name}"

    def environment(self):
        return bare_environment()

    def credential(self):
        return {"account_name": self.name, "account_key": AZURITE_KEY}


# The key that every Azurite has, as its documentation says.
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Account:
    def __init__(self, gateway):
        self.gateway, self.name = gateway, gateway.profile()["account"]
        self.root = gateway.endpoint
        self.path_style = f"{gateway.endpoint}/{self.name}"
        self.ca, self.first_key = gateway.ca, None

    def credential(self):
        return self.gateway.credential()

    def key(self):
        """The account's first key, as an administrator asks for it."""
        if not self.first_key:
            p = self.gateway.profile()
            path = (f"/subscriptions/{p['subscription']}/resourceGroups/embergate/providers/Microsoft.Storage/storageAccounts/{self.name}/listKeys"
                    "?api-version=2023-05-01")
            status, answer, _ = self.gateway.json("POST", path, self.gateway.token())
            assert status == 200, answer
            self.first_key = answer["keys"][0]["value"]
        return self.first_key

    def environment(self):
        return bare_environment(SSL_CERT_FILE=self.ca, NODE_EXTRA_CA_CERTS=self.ca)


def bare_environment(**more):
    """For programs: knows no proxy and no Azure account of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("AZURE_")}
    return {**kept, "NO_PROXY": "127.0.0.1", **more}


def program(*words):
    """A path beneath what ./dev setup --tests installed for clients; the test is skipped where that was not."""
    path = os.path.join(os.environ.get("EG_CLIENTS", "/nonexistent"), *words)
    if not os.path.exists(path):
        pytest.skip("./dev setup --tests installs the clients")
    return path
