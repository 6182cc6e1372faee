"""The real az against a gateway: a configuration folder of its own, the cloud registered, a principal signed in."""
import json
import os
import subprocess


class Az:
    """Each instance is somebody's own az: what it keeps lies in `folder`, and it believes the gateway's CA alone."""

    def __init__(self, gateway, folder, name="admin"):
        self.gateway = gateway
        self.profile = gateway.profile(name)
        self.scope = "/subscriptions/" + self.profile["subscription"]
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "ASAN_", "UBSAN_"))}, "AZURE_CONFIG_DIR": str(folder),
                    "REQUESTS_CA_BUNDLE": gateway.ca, "AZURE_CORE_INSTANCE_DISCOVERY": "false", "AZURE_CORE_COLLECT_TELEMETRY": "false",
                    "AZURE_CORE_NO_COLOR": "true", "AZURE_CORE_ONLY_SHOW_ERRORS": "true", "AZURE_CORE_LOGIN_EXPERIENCE_V2": "false", "NO_PROXY": "*"}

    def run(self, *args, check=True):
        done = subprocess.run([os.environ["EG_AZ"], *map(str, args), "--output", "json"], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=180)
        if check and done.returncode != 0:
            raise AssertionError(f"az {' '.join(map(str, args))} ended {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def __call__(self, *args):
        """What the command prints, read as JSON; None when it prints nothing."""
        out = self.run(*args).stdout
        return json.loads(out) if out.strip() else None

    def refused(self, code, *args):
        """The command fails with Azure's code in what it says."""
        done = self.run(*args, check=False)
        assert done.returncode != 0 and code in done.stderr, done
        return done.stderr

    def login(self, cloud="embergate"):
        self("cloud", "register", "--name", cloud, "--endpoint-resource-manager", self.gateway.endpoint)
        self("cloud", "set", "--name", cloud)
        p = self.profile
        return self("login", "--service-principal", "--username", p["client_id"], "--password", p["client_secret"], "--tenant", p["tenant"])
