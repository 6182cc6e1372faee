"""The verdict on a gateway after it was hurt: what clients know, the log's proof by us and by Tessera, one record for each change, no orphans."""
import acts
import evidence
import tessera
from log_records import copy_log, records


def judge_log(g, clients, folder):
    """What is wrong with the log as a whole."""
    log = acts.settled(g)
    verified = g.run("audit", "verify", log, check=False)
    wrong = [] if verified.returncode == 0 else ["embergate audit verify: " + verified.stdout + verified.stderr]
    found = records(log)
    for c in clients:
        wrong += evidence.one_record_each(found, c.acknowledged)
        wrong += evidence.as_often_as_done(found, getattr(c, "done", {}))
    if tessera.can_build():
        copy = copy_log(log, f"{folder}/log")
        said = tessera.run_fsck(tessera.fsck_program(), copy)
        wrong += [] if "Successfully fsck'd" in said else ["Tessera: " + said]
    return wrong


def judge_storage(g):
    """Everything that is stored verifies; the gateway is stopped for it."""
    g.stop()
    done = g.run("storage", "check", "--state", g.state, check=False)
    return [] if done.returncode == 0 else ["embergate storage check: " + done.stdout + done.stderr]


def judge(g, clients, folder):
    """Fails with everything that is wrong. The clients have stopped, the gateway runs."""
    for c in clients:
        c.check()
    print({c.name: f"{len(c.acknowledged)} acknowledged, {c.unanswered} unanswered" for c in clients})
    wrong = [w for c in clients for w in c.wrong] + judge_log(g, clients, folder) + evidence.no_orphans(g)
    assert not wrong, "\n".join(wrong)
