/* The table of commands for people who run a gateway. */
#include "init.h"

#include <embergate/cli.h>
#include <stdio.h>

int eg_process_complain(const eg_problem *p) {
    fprintf(stderr, "embergate: %s", p->message[0] ? p->message : eg_err_code(p->code));
    if (p->where[0]) {
        fprintf(stderr, " (%s)", p->where);
    }
    if (p->hint[0]) {
        fprintf(stderr, "\n  %s", p->hint);
    }
    fputc('\n', stderr);
    bool callers = p->code == EG_ERR_INVALID || p->code == EG_ERR_CONFIG || p->code == EG_ERR_EXISTS || p->code == EG_ERR_POLICY_INVALID;
    return callers ? 2 : 1;
}

const eg_command eg_process_commands[] = {
    {"init", "make a state directory with CA, keys, administrator, tenant, cluster and storage",
     "usage: embergate init --state DIR [OPTIONS]\n\n"
     "  --address ADDRESS      listen on it (127.0.0.1)\n"
     "  --port PORT            (8443)\n"
     "  --name NAME            another host name or address for the certificate; may be repeated\n"
     "  --domain DOMAIN        {account}.dfs.DOMAIN and {account}.blob.DOMAIN (embergate.internal)\n"
     "  --storage-domain DOMAIN   another one for the account alone, such as core.windows.net; may be repeated\n"
     "  --tenant NAME          may be repeated; the first owns the cluster and the account (default)\n"
     "  --cluster NAME         may be repeated; the first is the default one (analytics)\n"
     "  --account NAME, --container NAME   (lake, data)\n"
     "  --spark-home DIR       where Spark lies\n"
     "  --python FILE          the Python that jobs run with (/usr/bin/python3)\n"
     "  --jar FILE             hadoop-azure, and others that every job gets; may be repeated\n"
     "  --workers N, --worker-cores N, --worker-memory-mb N   (2, 1, 2048)\n"
     "  --policies store|files policies in the store, changed by `embergate policy` and the API (store), or as files in DIR/policies\n"
     "  --one-user             no UNIX users of their own for the processes, even as root\n",
     eg_command_init},
    {"serve", "run the gateway",
     "usage: embergate serve --state DIR | --config FILE\n\n"
     "Starts the supervisor with gateway, keeper and launcher, in the foreground. Its log is JSON lines on standard error.\n"
     "SIGTERM ends it after the requests in flight; jobs run on and are found again at the next start.\n",
     eg_command_serve},
    {"stop", "end the server of a state directory, and its Spark clusters",
     "usage: embergate stop --state DIR [--keep-jobs]\n\n"
     "  --keep-jobs            leave clusters and jobs running: the next `embergate serve` finds them again\n",
     eg_command_stop},
    {"principal", "add, disable, enable, rotate, remove and list local principals; their passwords and keys",
     "usage: embergate principal add --state DIR --name NAME [--kind service|user] [--tenant NAME] [--role ROLE…] [--scope SCOPE] [--public-key FILE]\n"
     "       embergate principal disable|enable|rotate|remove --state DIR --name NAME|CLIENT-ID [--tenant NAME]\n"
     "       embergate principal password --state DIR --name NAME|CLIENT-ID [--tenant NAME] [--drop]\n"
     "       embergate principal add-key --state DIR --name NAME|CLIENT-ID [--tenant NAME] --public-key FILE\n"
     "       embergate principal remove-key --state DIR --name NAME|CLIENT-ID [--tenant NAME] --key DIGEST\n"
     "       embergate principal list --state DIR [--tenant NAME]\n\n"
     "add and rotate write a profile with a new secret to DIR/profiles/NAME.json; roles are assigned at the tenant's subscription or at SCOPE. disable and\n"
     "remove also revoke all that was issued. add works with the server stopped, too; all others need it running. In force at once, and recorded.\n"
     "With a public key or certificate (PEM) it signs in by assertions of its private key and there is no secret; that is added with the server stopped.\n"
     "password reads one from standard input, or asks for it without echo: at least 15 characters. It is good for HTTP Basic alone, at clusters with\n"
     "http_basic: true, and for nothing else. --drop takes it away; so does `embergate revoke`.\n"
     "add-key registers another public key, or that of a certificate; remove-key ends it, with every token and connection that it was the proof for.\n",
     eg_command_principal},
    {"breakglass", "an administrator for when nobody else can sign in",
     "usage: embergate breakglass arm|disarm --state DIR [--tenant NAME]\n\n"
     "arm makes it, or gives it a new secret, which is shown once, and the role Owner. It may sign in for an hour from its first use and is then locked until\n"
     "it is armed again. Each sign-in and each request of it raises embergate_breakglass_used_total, a line at level error and a record of its own kind.\n"
     "There is none until it is armed. The server must be running, and you the user who runs it.\n",
     eg_command_breakglass},
    {"tenant", "make the keys of another tenant",
     "usage: embergate tenant add --state DIR --name NAME\n\n"
     "Makes a tenant's key in the keeper and prints the lines for `tenants` in the configuration; restart the server after that.\n",
     eg_command_tenant},
    {"revoke", "take access back at once: from a principal, a token, a job",
     "usage: embergate revoke principal ID | user NAME | job [CLUSTER/]N --state DIR [OPTIONS]\n"
     "       embergate revoke token [TOKEN-ID] --state DIR [OPTIONS]     without an id the token is read from standard input\n"
     "       embergate revoke list --state DIR\n"
     "       embergate revoke undo principal|user|token|job NAME --state DIR\n\n"
     "  --until TIME           also refuse what is issued until then (2027-01-31T12:00:00Z); of a principal\n"
     "  --reason TEXT          for the record\n"
     "  --tenant NAME          (the first)\n\n"
     "Everything that was issued to a principal until now is refused from here on, and what is in flight for it is cut off within a second; unless it is\n"
     "disabled, it may sign in again. Its jobs lose their credential, those that wait never start. A revoked job is ended. The server must be running,\n"
     "and you the user who runs it; administrators elsewhere use /identity/{tenant}/revocations (docs/IDENTITY.md).\n",
     eg_command_revoke},
    {"recover", "open a restored backup with the recovery key",
     "usage: embergate recover --state DIR < FILE-WITH-THE-RECOVERY-KEY\n\n"
     "Reads the recovery key from standard input (never from an argument, which others could see) and writes the master key\n"
     "anew where a backup was restored without it. Run it while the server is stopped.\n",
     eg_command_recover},
    {"storage", "verify everything that a stopped server stores; encryption scopes; accounts and their keys",
     "usage: embergate storage check --state DIR [--json]\n"
     "       embergate storage scope add|list|enable|disable --state DIR --account A [--name SCOPE] [--key NAME]\n"
     "       embergate storage account list|show --state DIR [--account A]\n"
     "       embergate storage account keys list|revoke-delegations --state DIR --account A\n"
     "       embergate storage account keys regenerate --state DIR --account A --key key1|key2\n\n"
     "scope add makes one with a key of its own in the keeper, or under a customer-managed key; what is sealed under a disabled one can't be read or\n"
     "written until it is enabled again. The server must be running, and you the user who runs it.\n\n"
     "account keys list prints the secrets of the account, and is a record of the server's log. regenerate makes one key anew: what was signed with the old\n"
     "one is refused from then on. revoke-delegations does so for every user delegation key.\n\n"
     "check:\n"
     "Walks every account, container, file, row and segment, verifies every MAC and every chunk, and names what is damaged, lost, swapped\n"
     "or older than the rest. Progress goes to the terminal. Exit 1 when anything is wrong; what waits for the reclaimer and what only a\n"
     "customer's key opens is told and no fault. Changes nothing.\n",
     eg_command_storage},
    {"certificate", "renew the server certificate of a state directory",
     "usage: embergate certificate renew --state DIR\n\n"
     "Makes a new key and a certificate for the same names from the CA of the state directory. A gateway that serves takes them\n"
     "within two seconds; no connection ends.\n",
     eg_command_certificate},
    {"backup", "back up the whole state while it is served",
     "usage: embergate backup --state DIR --to DIR [--every 60s] [--keep N] [--escrow DIR]\n"
     "       embergate backup verify --from DIR [--point NAME|all] [--key VERIFIER-KEY]\n"
     "       embergate backup list --from DIR\n\n"
     "Makes one point in time: store, segments, audit logs, policies, configuration; what earlier points have is not copied again. --every goes on making\n"
     "them, --keep removes all but the newest N. Tenants' keys are not in a point: one copy of them lies in the escrow ({to}/escrow), sealed under the\n"
     "master key, so that destroying a tenant's key takes its backups too. The server must be running, and you the user who runs it.\n"
     "verify checks signature and every digest of the newest point, of one or of all.\n",
     eg_command_backup},
    {"restore", "bring a state directory back from a backup",
     "usage: embergate restore --from DIR --state NEW [--point NAME] [--escrow DIR] [--key VERIFIER-KEY] < FILE-WITH-THE-RECOVERY-KEY\n\n"
     "NEW is empty or not there. Reads the recovery key from standard input. Every file's digest is checked on its way.\n",
     eg_command_restore},
    {"key", "list, make, rotate and destroy keys of tenants",
     "usage: embergate key list|make|rotate|status|assign|erase|rotate-signing|list-signing --state DIR [OPTIONS]\n       embergate key verify-certificate FILE [--key VERIFIER-KEY]\n\n"
     "  list [--tenant T]                    names, versions, states; never a key\n"
     "  make --tenant T --key NAME           a customer-managed key\n"
     "  rotate --tenant T [--key NAME] [--wait]   a new version; data keys are wrapped anew while the server serves, no data is rewritten\n"
     "  status                               rotations and how far they are\n"
     "  assign --account A [--scope S] --key NAME   new files are sealed under that key; \"\" is the tenant's own, or the scope's\n"
     "  erase --tenant T --reason TEXT [--yes] [--out FILE]   destroys all keys of a tenant, in known escrows too, for good,\n"
     "                                       and gives a signed certificate of what became unreadable\n\n"
     "  rotate-signing [--in SECONDS]        a new key for the gateway's own tokens: published now, it signs in two hours, or in SECONDS; the one\n"
     "                                       before it verifies until its last token is over\n"
     "  rotate-signing --end-old --yes       it signs now, and every token that was issued before ends: for a key that was stolen\n"
     "  list-signing                         those keys, from when on each signs, and until when it verifies\n\n"
     "T is a tenant's name or id. The server must be running, and you the user who runs it.\n",
     eg_command_key},
    {"config", "check a configuration, or print the reference of all keys",
     "usage: embergate config check FILE\n       embergate config reference\n", eg_command_config},
};
const size_t eg_process_command_count = sizeof eg_process_commands / sizeof eg_process_commands[0];
