/* `embergate key` and `embergate storage scope`: what an administrator does with keys, through the running server. */
#include "init.h"

#include "admin_protocol.h"
#include "../backup/backup_escrow.h"
#include "erasure.h"
#include "signed_statement.h"
#include "state_dir.h"

#include <embergate/audit.h>
#include <embergate/durable_file.h>
#include <embergate/json.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ERASE_TIMEOUT_MS 590000
#define CERTIFICATE_MAX ((size_t)1 << 20)
#define WAIT_LOOK_MS 200

typedef struct options {
    const char *command;     /* "key", "storage" */
    const char *state, *tenant, *key, *account, *scope, *reason, *out, *file;
    const char *in;          /* seconds */
    bool yes, wait, end_old;
    eg_config *config;
} options;

static int usage(const options *o, const char *what) {
    eg_problem p = {0};
    (void)eg_fail(&p, EG_ERR_INVALID, "%s: %s", o->command, what);
    (void)eg_fail_hint(&p, "see: embergate %.*s --help", (int)strcspn(o->command, " "), o->command);
    return eg_process_complain(&p);
}

static eg_str text_of(const char *s) { return s ? eg_str_of(s) : EG_LIT(""); }

static eg_err load(options *o, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_check(o->state, p));
    EG_TRY(eg_state_path(o->state, "embergate.yaml", path, p));
    return eg_config_load(path, &o->config, p);
}

static eg_err find_tenant(const options *o, eg_str *ret, eg_problem *p) {
    const eg_config_tenant *t = eg_config_tenant_named(o->config, o->tenant);
    if (!t && o->tenant && eg_uuid_valid(eg_str_of(o->tenant))) {
        *ret = eg_str_of(o->tenant); /* one that was taken out of the configuration still has keys */
        return EG_OK;
    }
    if (!t) {
        return eg_fail(p, EG_ERR_INVALID, "there is no tenant '%s'", o->tenant ? o->tenant : "");
    }
    *ret = eg_str_of(t->id);
    return EG_OK;
}

static eg_err print_reply(const eg_admin_call *c, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_JSON_AUTO v = NULL;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(eg_admin_ask(c, &text, p));
    EG_TRY(eg_json_parse(eg_buf_str(&text), EG_ADMIN_REPLY_MAX, &v, p));
    json_dumpf(v, stdout, JSON_INDENT(2));
    putchar('\n');
    return EG_OK;
}

static eg_err list(options *o, eg_problem *p) {
    eg_str tenant;
    if (o->tenant) {
        EG_TRY(find_tenant(o, &tenant, p));
        return print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_LIST, {tenant}, 1, 0}, p);
    }
    for (size_t i = 0; i < o->config->tenant_count; i++) {
        EG_TRY(print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_LIST, {eg_str_of(o->config->tenants[i].id)}, 1, 0}, p));
    }
    return EG_OK;
}

static eg_err make(options *o, eg_problem *p) {
    eg_str tenant;
    if (!o->key) {
        return eg_fail(p, EG_ERR_INVALID, "--key NAME is owed");
    }
    EG_TRY(find_tenant(o, &tenant, p));
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_MAKE, {tenant, eg_str_of(o->key)}, 2, 0}, NULL, p));
    printf("made the key %s of tenant %.*s\n", o->key, EG_FMT(tenant));
    return EG_OK;
}

/* Progress until none runs any more. */
static eg_err wait_done(const options *o, eg_problem *p) {
    for (bool running = true; running;) {
        EG_CLEANUP(eg_buf_done) eg_buf text;
        EG_JSON_AUTO v = NULL;
        size_t i;
        const json_t *r;
        json_int_t moved = 0;
        eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
        EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_STATUS, {{NULL, 0}}, 0, 0}, &text, p));
        EG_TRY(eg_json_parse(eg_buf_str(&text), EG_ADMIN_REPLY_MAX, &v, p));
        running = false;
        json_array_foreach(json_object_get(v, "rotations"), i, r) {
            running = running || eg_str_is(eg_json_str(r, "state"), "running");
            moved += json_integer_value(json_object_get(r, "moved"));
        }
        fprintf(stderr, "\r%lld keys wrapped anew%s", (long long)moved, running ? "" : "\n");
        const struct timespec t = {0, WAIT_LOOK_MS * 1000000L};
        if (running) {
            nanosleep(&t, NULL);
        }
    }
    return EG_OK;
}

static eg_err rotate(options *o, eg_problem *p) {
    eg_str tenant;
    EG_CLEANUP(eg_buf_done) eg_buf version;
    eg_buf_init(&version, 32);
    EG_TRY(find_tenant(o, &tenant, p));
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_ROTATE, {tenant, text_of(o->key)}, 2, 0}, &version, p));
    printf("version %.*s is in use; data keys are wrapped anew in the background\n", EG_FMT(eg_buf_str(&version)));
    fflush(stdout);
    return o->wait ? wait_done(o, p) : EG_OK;
}

/* Whoever verifies the gateway's tokens elsewhere may keep its keys for an hour (Cache-Control of the key set). */
#define SIGNING_DELAY "7200"

static eg_err signing_rotate(options *o, eg_problem *p) {
    if (o->end_old && (o->in || !o->yes)) {
        return eg_fail(p, EG_ERR_INVALID, o->in ? "--in and --end-old contradict each other" : "--end-old ends every token of the gateway's own issuer now; add --yes");
    }
    return print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_SIGNING_ROTATE, {eg_str_of(o->end_old ? "end" : o->in ? o->in : SIGNING_DELAY)}, 1, 0}, p);
}

static eg_err signing_list(options *o, eg_problem *p) { return print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_SIGNING_LIST, {{NULL, 0}}, 0, 0}, p); }

static eg_err status(options *o, eg_problem *p) { return print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_STATUS, {{NULL, 0}}, 0, 0}, p); }

static eg_err assign(options *o, eg_problem *p) {
    if (!o->account || !o->key) {
        return eg_fail(p, EG_ERR_INVALID, "--account and --key are owed (--key \"\" for the tenant's own)");
    }
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_SCOPE_KEY, {eg_str_of(o->account), text_of(o->scope), eg_str_of(o->key)}, 3, 0}, NULL, p));
    printf("new files of %s%s%s are sealed under %s\n", o->account, o->scope ? ", scope " : "", o->scope ? o->scope : "", *o->key ? o->key : "the tenant's own key");
    return EG_OK;
}

/* The tenant's id, typed: a name is mistaken sooner. */
static bool confirmed(eg_str tenant) {
    char line[128];
    fprintf(stderr, "Everything of tenant %.*s becomes unreadable for good, in backups too. Type its id to go on: ", EG_FMT(tenant));
    if (!fgets(line, sizeof line, stdin)) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return eg_str_is(tenant, line);
}

static eg_err erase(options *o, eg_problem *p) {
    eg_str tenant;
    EG_CLEANUP(eg_buf_done) eg_buf certificate;
    EG_CLEANUP(eg_buf_done) eg_buf escrows;
    eg_buf_init(&certificate, EG_ADMIN_REPLY_MAX);
    eg_buf_init(&escrows, 8192);
    if (!o->tenant || !o->reason || !*o->reason) {
        return eg_fail(p, EG_ERR_INVALID, "--tenant and --reason are owed");
    }
    EG_TRY(find_tenant(o, &tenant, p));
    if (!o->yes && !confirmed(tenant)) {
        return eg_fail(p, EG_ERR_CANCELLED, "not confirmed: nothing was destroyed");
    }
    const eg_admin_call known = {o->state, EG_ADMIN_MSG_KEY_LIST, {tenant}, 1, 0};
    EG_TRY(eg_admin_ask(&known, NULL, p)); /* a tenant that isn't there leaves the escrows alone */
    EG_TRY(eg_escrow_erase_all(o->state, tenant, &escrows, p));
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_KEY_ERASE, {tenant, eg_str_of(o->reason), eg_buf_str(&escrows)}, 3, ERASE_TIMEOUT_MS}, &certificate, p));
    /* A backup that ran just now may have copied the key once more before it was destroyed. */
    eg_buf_reset(&escrows);
    EG_TRY(eg_escrow_erase_all(o->state, tenant, &escrows, p));
    if (o->out) {
        EG_TRY(eg_file_replace(AT_FDCWD, o->out, 0644, eg_buf_bytes(&certificate), p));
        printf("the keys of tenant %.*s are destroyed; the certificate is %s\n", EG_FMT(tenant), o->out);
        return EG_OK;
    }
    fwrite(certificate.ptr, 1, certificate.len, stdout);
    return EG_OK;
}

static eg_err verify_certificate(options *o, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf file;
    EG_CLEANUP(eg_buf_done) eg_buf statement;
    eg_buf_init(&file, CERTIFICATE_MAX);
    eg_buf_init(&statement, CERTIFICATE_MAX);
    if (!o->file) {
        return eg_fail(p, EG_ERR_INVALID, "the certificate's file is owed");
    }
    EG_TRY(eg_file_read(AT_FDCWD, o->file, CERTIFICATE_MAX, &file, p));
    EG_TRY(eg_erasure_verify(eg_buf_str(&file), text_of(o->key), &statement, p));
    printf("valid%s\n%.*s\n", o->key ? "" : ", by the key that it names itself (give --key to prove whose it is)", EG_FMT(eg_buf_str(&statement)));
    return EG_OK;
}

static eg_err scope_add(options *o, eg_problem *p) {
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_SCOPE_ADD, {text_of(o->account), text_of(o->scope), text_of(o->key)}, 3, 0}, NULL, p));
    printf("made the encryption scope %s of %s\n", o->scope ? o->scope : "", o->account ? o->account : "");
    return EG_OK;
}

static eg_err scope_set(options *o, const char *on, eg_problem *p) {
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_SCOPE_ENABLE, {text_of(o->account), text_of(o->scope), eg_str_of(on)}, 3, 0}, NULL, p));
    printf("the encryption scope %s of %s is %s\n", o->scope ? o->scope : "", o->account ? o->account : "", strcmp(on, "true") == 0 ? "enabled" : "disabled");
    return EG_OK;
}

static eg_err scope_enable(options *o, eg_problem *p) { return scope_set(o, "true", p); }
static eg_err scope_disable(options *o, eg_problem *p) { return scope_set(o, "false", p); }
static eg_err scope_list(options *o, eg_problem *p) { return print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_SCOPE_LIST, {text_of(o->account)}, 1, 0}, p); }

static eg_err account_list(options *o, eg_problem *p) {
    return print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_ACCOUNT_LIST, {text_of(o->account)}, 1, 0}, p);
}

static eg_err account_show(options *o, eg_problem *p) {
    return o->account ? account_list(o, p) : eg_fail(p, EG_ERR_INVALID, "--account NAME is owed");
}

static eg_err account_keys(options *o, eg_problem *p) {
    return o->account ? print_reply(&(eg_admin_call){o->state, EG_ADMIN_MSG_ACCOUNT_KEYS, {text_of(o->account)}, 1, 0}, p)
                      : eg_fail(p, EG_ERR_INVALID, "--account NAME is owed");
}

/* The new key isn't shown: `keys list` is, and is recorded. */
static eg_err renew(const options *o, const char *what, eg_problem *p) {
    return eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_ACCOUNT_RENEW, {text_of(o->account), text_of(what)}, 2, 0}, NULL, p);
}

static eg_err account_renew(options *o, eg_problem *p) {
    if (!o->account || !o->key) {
        return eg_fail(p, EG_ERR_INVALID, "--account NAME and --key key1|key2 are owed");
    }
    EG_TRY(renew(o, o->key, p));
    printf("made %s of the account %s anew: what was signed with the old one is refused\n", o->key, o->account);
    return EG_OK;
}

static eg_err account_revoke(options *o, eg_problem *p) {
    if (!o->account) {
        return eg_fail(p, EG_ERR_INVALID, "--account NAME is owed");
    }
    EG_TRY(renew(o, "delegations", p));
    printf("revoked all user delegation keys of the account %s\n", o->account);
    return EG_OK;
}

static const struct {
    const char *command, *verb;
    eg_err (*run)(options *o, eg_problem *p);
    bool offline;            /* needs no state directory */
} verbs[] = {
    {"key", "list", list, false},     {"key", "make", make, false},     {"key", "rotate", rotate, false}, {"key", "status", status, false},
    {"key", "rotate-signing", signing_rotate, false}, {"key", "list-signing", signing_list, false},
    {"key", "assign", assign, false}, {"key", "erase", erase, false},   {"key", "verify-certificate", verify_certificate, true},
    {"storage scope", "add", scope_add, false}, {"storage scope", "list", scope_list, false},
    {"storage scope", "enable", scope_enable, false}, {"storage scope", "disable", scope_disable, false},
    {"storage account", "list", account_list, false}, {"storage account", "show", account_show, false},
    {"storage account keys", "list", account_keys, false}, {"storage account keys", "regenerate", account_renew, false},
    {"storage account keys", "revoke-delegations", account_revoke, false},
};

static bool take_options(options *o, int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"tenant", required_argument, NULL, 't'}, {"key", required_argument, NULL, 'k'},
                                          {"account", required_argument, NULL, 'a'}, {"scope", required_argument, NULL, 'c'}, {"name", required_argument, NULL, 'c'},
                                          {"reason", required_argument, NULL, 'r'}, {"out", required_argument, NULL, 'o'}, {"yes", no_argument, NULL, 'y'},
                                          {"in", required_argument, NULL, 'i'}, {"end-old", no_argument, NULL, 'e'},
                                          {"wait", no_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's': o->state = optarg; break;
        case 't': o->tenant = optarg; break;
        case 'k': o->key = optarg; break;
        case 'a': o->account = optarg; break;
        case 'c': o->scope = optarg; break;
        case 'r': o->reason = optarg; break;
        case 'o': o->out = optarg; break;
        case 'y': o->yes = true; break;
        case 'w': o->wait = true; break;
        case 'i': o->in = optarg; break;
        case 'e': o->end_old = true; break;
        default: return false;
        }
    }
    return true;
}

static int run(options *o, const char *verb, int argc, char **argv) {
    eg_problem p = {0};
    size_t i = 0;
    const size_t n = sizeof verbs / sizeof verbs[0];
    while (i < n && !(strcmp(verbs[i].command, o->command) == 0 && strcmp(verbs[i].verb, verb) == 0)) {
        i++;
    }
    if (i == n || !take_options(o, argc, argv)) {
        return usage(o, "a verb or an option is unknown");
    }
    o->file = optind < argc ? argv[optind++] : NULL;
    if (optind != argc || (!verbs[i].offline && !o->state) || (!verbs[i].offline && o->file)) {
        return usage(o, "--state DIR is owed, and nothing else behind the options");
    }
    eg_err e = verbs[i].offline ? EG_OK : load(o, &p);
    e = e != EG_OK ? e : verbs[i].run(o, &p);
    eg_config_free(o->config);
    return e == EG_OK ? 0 : eg_process_complain(&p);
}

int eg_command_key(int argc, char **argv) {
    options o = {.command = "key"};
    return argc < 2 ? usage(&o, "a verb is owed") : run(&o, argv[1], argc - 1, argv + 1);
}

int eg_command_storage_scope(int argc, char **argv) {
    options o = {.command = "storage scope"};
    return argc < 2 ? usage(&o, "a verb is owed") : run(&o, argv[1], argc - 1, argv + 1);
}

int eg_command_storage_account(int argc, char **argv) {
    options o = {.command = "storage account"};
    if (argc > 1 && strcmp(argv[1], "keys") == 0) {
        o.command = "storage account keys";
        argc--;
        argv++;
    }
    return argc < 2 ? usage(&o, "a verb is owed") : run(&o, argv[1], argc - 1, argv + 1);
}
