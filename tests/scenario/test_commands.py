"""The command line: help, errors that say what to do, exit statuses. covers: completion.c commands.c admin_commands.c"""
import subprocess

import pytest


def run(binary, *args):
    return subprocess.run([binary, *args], capture_output=True, text=True, timeout=30)


@pytest.fixture(scope="module")
def binary():
    from server import server_binary
    return server_binary()


def test_help_lists_every_command_and_each_has_its_own(binary):
    listed = run(binary, "--help")
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")]
    assert {"submit", "serve", "init", "audit", "policy", "stop"} <= set(names)
    for name in names:
        own = run(binary, name, "--help")
        assert own.returncode == 0 and "usage: " in own.stdout, name


def test_unknown_command_is_a_usage_error(binary):
    done = run(binary, "sumbit")
    assert done.returncode == 2 and "no command 'sumbit'" in done.stderr and "--help" in done.stderr


def test_completion_is_valid_bash_and_offers_commands(binary):
    script = run(binary, "completion").stdout + '\nCOMP_WORDS=(embergate su) COMP_CWORD=1; _embergate; echo "${COMPREPLY[*]}"\n'
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout.split() == ["submit"], done.stderr


def test_config_check_names_file_line_and_key(binary, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("public_url: https://127.0.0.1:8443\nlistners: []\n")
    done = run(binary, "config", "check", str(path))
    assert done.returncode == 2
    assert "bad.yaml:2" in done.stderr and "listners" in done.stderr


def test_serve_without_a_state_directory_says_what_to_do(binary, tmp_path):
    done = run(binary, "serve", "--state", str(tmp_path))
    assert done.returncode != 0 and "embergate init" in done.stderr
