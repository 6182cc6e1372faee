/* `embergate revoke`: takes access back at once, through the running server. */
#include "init.h"

#include "admin_protocol.h"
#include "state_dir.h"

#include <embergate/json.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_MAX ((size_t)20480)

typedef struct options {
    const char *state, *tenant, *until, *reason;
    const char *what, *id;   /* words of the command line */
    bool undo;
    eg_config *config;
} options;

static int usage(const char *what) {
    eg_problem p = {0};
    (void)eg_fail(&p, EG_ERR_INVALID, "revoke: %s", what);
    (void)eg_fail_hint(&p, "see: embergate revoke --help");
    return eg_process_complain(&p);
}

/* A token is a secret: it comes by standard input, never by an argument that others could see. */
static eg_err read_token(char text[TOKEN_MAX], eg_problem *p) {
    size_t n = 0;
    for (ssize_t got; n < TOKEN_MAX - 1 && (got = read(STDIN_FILENO, text + n, TOKEN_MAX - 1 - n)) > 0;) {
        n += (size_t)got;
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
        n--;
    }
    text[n] = '\0';
    return n > 0 ? EG_OK : eg_fail(p, EG_ERR_INVALID, "a token is read from standard input, and nothing came");
}

/* "7" is a job of the first cluster. */
static eg_err job_name(const options *o, char ret[80], eg_problem *p) {
    const bool number = o->id[0] && strspn(o->id, "0123456789") == strlen(o->id);
    if (!number && !strchr(o->id, '/')) {
        return eg_fail(p, EG_ERR_INVALID, "a job is a number, or {cluster}/{number}");
    }
    if (number && o->config->cluster_count == 0) {
        return eg_fail(p, EG_ERR_INVALID, "there is no cluster");
    }
    (void)snprintf(ret, 80, "%s%s%s", number ? o->config->clusters[0].name : "", number ? "/" : "", o->id);
    return EG_OK;
}

static eg_err set(json_t *v, const char *name, const char *value) {
    return !value || json_object_set_new(v, name, json_string(value)) == 0 ? EG_OK : EG_ERR_INVALID;
}

static eg_err fill(const options *o, json_t *v, eg_problem *p) {
    char token[TOKEN_MAX] = "", job[80] = "";
    const bool stdin_token = strcmp(o->what, "token") == 0 && !o->id;
    const char *name = strcmp(o->what, "user") == 0 ? "name" : "id";
    const char *value = o->id;
    if (stdin_token) {
        EG_TRY(read_token(token, p));
        name = "token";
        value = token;
    } else if (strcmp(o->what, "job") == 0) {
        EG_TRY(job_name(o, job, p));
        value = job;
    }
    eg_err e = set(v, "kind", o->what);
    e = e == EG_OK ? set(v, name, value) : e;
    e = e == EG_OK ? set(v, "until", o->until) : e;
    e = e == EG_OK ? set(v, "reason", o->reason) : e;
    eg_cleanse(token, sizeof token);
    return e == EG_OK ? e : eg_fail(p, e, "an argument is not valid UTF-8");
}

static eg_err ask(const options *o, eg_str tenant, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_CLEANUP(eg_buf_done) eg_buf reply;
    EG_JSON_AUTO v = json_object();
    EG_JSON_AUTO said = NULL;
    eg_buf_init(&text, TOKEN_MAX + 2048);
    eg_buf_init(&reply, EG_ADMIN_REPLY_MAX);
    EG_TRY(v ? fill(o, v, p) : EG_ERR_NO_MEMORY);
    eg_err e = eg_json_write(v, &text);
    if (e == EG_OK) {
        e = eg_admin_ask(&(eg_admin_call){o->state, o->undo ? EG_ADMIN_MSG_REVOKE_UNDO : EG_ADMIN_MSG_REVOKE, {tenant, eg_buf_str(&text)}, 2, 0}, &reply, p);
    }
    eg_cleanse(text.ptr, text.len);
    EG_TRY(e);
    EG_TRY(eg_json_parse(eg_buf_str(&reply), EG_ADMIN_REPLY_MAX, &said, p));
    printf("%s: %s %s\n", o->undo ? "no longer revoked" : "revoked", json_string_value(json_object_get(said, "kind")), json_string_value(json_object_get(said, "id")));
    return EG_OK;
}

static eg_err list(const options *o, eg_str tenant, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_JSON_AUTO v = NULL;
    eg_buf_init(&text, EG_ADMIN_REPLY_MAX);
    EG_TRY(eg_admin_ask(&(eg_admin_call){o->state, EG_ADMIN_MSG_REVOKE_LIST, {tenant}, 1, 0}, &text, p));
    EG_TRY(eg_json_parse(eg_buf_str(&text), EG_ADMIN_REPLY_MAX, &v, p));
    json_dumpf(v, stdout, JSON_INDENT(2));
    putchar('\n');
    return EG_OK;
}

static eg_err run(options *o, eg_problem *p) {
    char path[EG_STATE_PATH_MAX];
    EG_TRY(eg_state_check(o->state, p));
    EG_TRY(eg_state_path(o->state, "embergate.yaml", path, p));
    EG_TRY(eg_config_load(path, &o->config, p));
    const eg_config_tenant *t = eg_config_tenant_named(o->config, o->tenant);
    if (!t) {
        return eg_fail(p, EG_ERR_INVALID, "there is no tenant '%s'", o->tenant ? o->tenant : "");
    }
    return strcmp(o->what, "list") == 0 ? list(o, eg_str_of(t->id), p) : ask(o, eg_str_of(t->id), p);
}

int eg_command_revoke(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {"tenant", required_argument, NULL, 't'}, {"until", required_argument, NULL, 'u'},
                                          {"reason", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    options o = {0};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's': o.state = optarg; break;
        case 't': o.tenant = optarg; break;
        case 'u': o.until = optarg; break;
        case 'r': o.reason = optarg; break;
        default: return usage("an option is unknown");
        }
    }
    o.undo = optind < argc && strcmp(argv[optind], "undo") == 0;
    optind += o.undo;
    o.what = optind < argc ? argv[optind++] : "";
    o.id = optind < argc ? argv[optind++] : NULL;
    const bool listed = strcmp(o.what, "list") == 0;
    const bool token = strcmp(o.what, "token") == 0;
    if (!o.state || optind != argc || *o.what == '\0' || (listed && (o.id || o.undo)) || (!listed && !token && !o.id)) {
        return usage("`principal ID`, `user NAME`, `token [ID]`, `job N`, `list` or `undo …` with --state is owed");
    }
    eg_problem p = {0};
    const eg_err e = run(&o, &p);
    eg_config_free(o.config);
    return e == EG_OK ? 0 : eg_process_complain(&p);
}
