/* The table of commands for people. */
#include "cli.h"

int eg_cli_audit(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "verify") == 0) {
        return eg_cli_audit_verify(argc - 1, argv + 1);
    }
    if (strcmp(verb, "fetch") == 0) {
        return eg_cli_audit_fetch(argc - 1, argv + 1);
    }
    if (strcmp(verb, "show") == 0) {
        return eg_cli_audit_show(argc - 1, argv + 1);
    }
    return eg_cli_usage("audit", "unknown verb '%s'", verb);
}

const eg_command eg_cli_commands[] = {
    {"submit", "submit a Spark job and follow it",
     "usage: embergate submit [OPTIONS] FILE [ARGUMENTS…]\n\n"
     "FILE is a local file (uploaded first), an abfss:// address, or a path beneath a file root of the cluster.\n\n"
     "  --wait, -w             follow the job to its end; the exit status is 0 only when it succeeded\n"
     "  --name NAME            a name, unique in the cluster\n"
     "  --cluster NAME         another cluster than the profile's\n"
     "  --class CLASS          main class of a JAR\n"
     "  --conf KEY=VALUE       a Spark property from the allow-list; may be repeated\n"
     "  --driver-memory SIZE, --executor-memory SIZE, --executor-cores N, --num-executors N\n"
     "  --py-file ADDRESS, --jar ADDRESS   may be repeated\n"
     "  --idempotency-key KEY  the same key again gives the same batch, not a second one\n"
     "  --profile FILE         which gateway, and as whom\n"
     "  --json                 the batch as JSON on standard output\n"
     "  --quiet, -q            no progress, no log\n",
     eg_cli_submit},
    {"jobs", "list, show, read the log of, and delete jobs",
     "usage: embergate jobs [list | show ID | log ID | delete ID] [--cluster NAME] [--profile FILE] [--json]\n", eg_cli_jobs},
    {"audit", "verify the audit log, keep a copy of it, or tell from it what became of a job and what somebody did",
     "usage: embergate audit verify DIR [--key VERIFIER-KEY] [--witness WITNESS-KEY]… [--json]\n"
     "       embergate audit fetch DIR [--log TENANT|server] [--key VERIFIER-KEY] [--records] [--follow] [--profile FILE] [--json]\n"
     "       embergate audit show --job ID | --actor OBJECT-ID | --acted-by OBJECT-ID [--since TIME] [--profile FILE] [--json]\n\n"
     "verify recomputes every hash and signature beneath a log's folder without asking a server: exit 0 when it is whole,\n"
     "1 when not, naming the damaged record. With --witness also that this witness has cosigned what the log grew out of, so that\n"
     "it was not set back. fetch keeps a copy in DIR that grows with each call, or every five seconds with --follow: 1 when the\n"
     "gateway's log isn't what it was, or was set back. --records writes the new records to standard output, when they are proved.\n"
     "show lists records in the order of their time: of a job, of who asked (--actor), or of who did it for\n"
     "somebody by an exchanged token (--acted-by); all that are named must fit.\n",
     eg_cli_audit},
    {"policy", "change, look back at, check, explain, compare and test policies",
     "usage: embergate policy apply    DIR|FILE… [--ticket T] [--justification J] [--dry-run]\n"
     "       embergate policy assign|unassign --role ROLE --principal OBJECT-ID --scope SCOPE [--principal-type TYPE]\n"
     "       embergate policy history | show VERSION | rollback VERSION | export DIR\n"
     "       embergate policy pending | approve ID | reject ID\n"
     "       embergate policy activate ROLE --scope SCOPE --duration PT4H --justification J\n"
     "       embergate policy validate [DIR]\n"
     "       embergate policy check-access --principal OBJECT-ID [--group ID]… --scope SCOPE (--action A | --data-action A)\n"
     "                                     [--source ADDRESS [--subnet ID]] [--path PATH] [--time TIME]\n"
     "       embergate policy who-can  ACTION --scope SCOPE\n"
     "       embergate policy what-if  NEW-DIR [--replay [--since TIME]]\n"
     "       embergate policy prove    --no-new-access OLD-DIR NEW-DIR\n"
     "       embergate policy test     FILE\n"
     "       embergate policy flow     --subnet ID --source ADDRESS:PORT [--destination ADDRESS:PORT]\n"
     "       embergate policy flow     --account ID --source ADDRESS [--subnet ID]   which rule decides; 1 when it denies\n"
     "       embergate policy compliance --scope /subscriptions/ID   what complies with which policy; 1 when something doesn't\n"
     "       embergate policy import   [--role-assignments FILE] [--nsgs FILE] [--role-definitions FILE] [--policy-definitions FILE]\n"
     "                                 [--policy-set-definitions FILE] [--policy-assignments FILE] --to DIR\n\n"
     "  --ticket T, --justification J   of a change; owed when the configuration says so\n"
     "  --author NAME    who asks for a change that the operator makes, without a token\n"
     "  --dry-run        only say what would change\n"
     "  --state DIR      the policies of this state directory while its server is stopped; else the profile's\n"
     "  --policies DIR   a policy directory instead\n"
     "  --tenant ID      the tenant; else the profile's\n"
     "  --separation-of-duties   of policy directories: who may write policies uses no data (a gateway's own say so themselves)\n"
     "  --json\n\n"
     "apply makes the policies those of DIR, or adds FILEs, in one transaction; it says first what that changes. rollback makes them what they were in a\n"
     "version, as a new version. approve and reject are for changes that wait for a second person. what-if tells in words what NEW-DIR would change, with\n"
     "--replay which recorded requests it would decide otherwise. prove decides over all requests whether NEW-DIR allows anything that OLD-DIR denies: exit 0\n"
     "when it doesn't, 1 with a request that only it allows, or when it can't be decided. test asks the decisions that a JSON file expects. import makes\n"
     "documents of what az lists, and names each thing that doesn't translate. check and explain are other names of validate and check-access.\n",
     eg_cli_policy},
    {"login", "sign in: by device code, browser, secret, key or federated token",
     "usage: embergate login [--device | --browser | --client] [OPTIONS]\n\n"
     "  --device               show a code to be entered in a browser on any machine\n"
     "  --browser              sign in by a browser on this machine; opens it when there is one\n"
     "  --client               client credentials: nobody is asked\n"
     "  --endpoint URL, --tenant ID, --ca FILE          the gateway\n"
     "  --authority ISSUER, --authority-ca FILE         who issues the tokens; without it the gateway itself\n"
     "  --client-id ID, --scope SCOPE, --storage-scope SCOPE, --resource URI   what is asked for there\n"
     "  --client-secret-file FILE, --secret-stdin       a client's secret: never an argument, which others could see\n"
     "  --client-key FILE [--client-certificate FILE] [--client-algorithm RS256|PS256|ES256]   a signed assertion instead\n"
     "  --client-key FILE --client-certificate FILE --client-proof tls   shown in each TLS handshake instead\n"
     "  --federated-token-file FILE                     a workload's own token instead\n"
     "  --cluster NAME, --account NAME, --container NAME\n"
     "  --profile FILE         what is given above is written into it once the sign-in has worked; a secret from standard input is not\n\n"
     "The tokens stay in a file of yours alone, and all commands use and renew them until `embergate logout`.\n",
     eg_cli_login},
    {"logout", "end the session", "usage: embergate logout [--profile FILE]\n\nTells the provider too, where it can be told.\n", eg_cli_logout},
    {"whoami", "tell whom the gateway takes you for, and by what you have which roles",
     "usage: embergate whoami [--profile FILE] [--json]\n", eg_cli_whoami},
    {"env", "print exports for curl, Python and Java", "usage: eval \"$(embergate env [--profile FILE])\"\n", eg_cli_env},
    {"token", "print an access token",
     "usage: embergate token [--audience gateway|storage] [--profile FILE]\n\nThe token is a secret that is good for an hour.\n",
     eg_cli_token_command},
    {"status", "ask a gateway how it is", "usage: embergate status [--profile FILE] [--json]\n", eg_cli_status},
    {"completion", "print shell completion for bash", "usage: source <(embergate completion)\n", eg_cli_completion},
};
const size_t eg_cli_command_count = sizeof eg_cli_commands / sizeof eg_cli_commands[0];
