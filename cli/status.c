/* `embergate status`: asks /healthz, or its details where it may, and says it in words. */
#include "cli.h"

#include <embergate/secret.h>

#include <getopt.h>

static void print_witness(const json_t *w) {
    const eg_str name = eg_json_str(w, "name"), state = eg_json_str(w, "state"), why = eg_json_str(w, "why");
    printf("witness ");
    eg_cli_put_inert(stdout, name);
    printf(": %.*s", EG_FMT(state));
    if (why.len > 0) {
        printf(": ");
        eg_cli_put_inert(stdout, why);
    }
    putchar('\n');
    size_t i;
    const json_t *c;
    json_array_foreach(json_object_get(w, "conflicts"), i, c)
    {
        const eg_str log = eg_json_str(c, "log");
        const json_t *seen = json_object_get(c, "seen");
        printf("  audit log %.*s was set back or made anew: %" JSON_INTEGER_FORMAT " records are here, the witness has seen ", EG_FMT(log), json_integer_value(json_object_get(c, "here")));
        if (json_is_integer(seen)) {
            printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(seen));
        } else {
            printf("others\n");
        }
    }
}

static void print_words(const json_t *health) {
    const char *state = json_string_value(json_object_get(health, "status"));
    printf("gateway: %s\n", state ? state : "unknown");
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(health, "clusters"), i, c)
    {
        eg_str name = eg_json_str(c, "name"), cluster_state = eg_json_str(c, "state");
        printf("cluster %.*s: %.*s\n", EG_FMT(name), EG_FMT(cluster_state));
    }
    json_array_foreach(json_object_get(health, "storage"), i, c)
    {
        const eg_str name = eg_json_str(c, "name");
        const json_int_t mib = json_integer_value(json_object_get(c, "storedBytes")) >> 20, most = json_integer_value(json_object_get(c, "quotaBytes")) >> 20;
        printf("account %.*s: %" JSON_INTEGER_FORMAT " MiB stored", EG_FMT(name), mib);
        if (most > 0) {
            printf(" of %" JSON_INTEGER_FORMAT, most);
        }
        putchar('\n');
    }
    json_array_foreach(json_object_get(health, "witnesses"), i, c)
    {
        print_witness(c);
    }
    json_array_foreach(json_object_get(health, "isolation_missing"), i, c)
    {
        printf("not isolated: %s\n", json_string_value(c) ? json_string_value(c) : "");
    }
}

static eg_err ask(const eg_profile *profile, const char *path, const char *token, long *ret_status, json_t **ret, eg_problem *p) {
    char url[300];
    (void)snprintf(url, sizeof url, "%s%s", profile->endpoint, path);
    eg_cli_call call = {.method = "GET", .url = url, .ca = profile->ca, .client = profile, .token = token};
    EG_CLEANUP(eg_buf_done) eg_buf body = {0};
    EG_TRY(eg_cli_exchange(&call, ret_status, &body, p));
    return eg_json_parse(eg_buf_str(&body), 1u << 20, ret, p);
}

/* Signed in, where the profile can; whoever may not read details learns the status all the same. */
static eg_err ask_details(const eg_profile *profile, long *ret_status, json_t **ret) {
    eg_problem unused = {0};
    EG_CLEANUP(eg_buf_done) eg_buf token = {0};
    if (profile->client_secret[0] == '\0') {
        return EG_ERR_TOKEN_MISSING;
    }
    eg_err e = eg_cli_token(profile, EG_CLI_GATEWAY, &token, &unused);
    e = e == EG_OK ? ask(profile, "/healthz/details", token.ptr, ret_status, ret, &unused) : e;
    if (token.ptr) {
        eg_cleanse(token.ptr, token.cap);
    }
    return e;
}

int eg_cli_status(int argc, char **argv) {
    static const struct option longs[] = {{"profile", required_argument, NULL, 'P'}, {"json", no_argument, NULL, 'J'}, {NULL, 0, NULL, 0}};
    bool as_json = false;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'P') {
            eg_cli_use_profile(optarg);
        } else if (c == 'J') {
            as_json = true;
        } else {
            return eg_cli_usage("status", "an option is unknown");
        }
    }
    eg_problem p = {0};
    eg_profile profile;
    if (eg_profile_load(eg_cli_profile_path(), &profile, &p) != EG_OK) {
        return eg_cli_complain(&p);
    }
    EG_JSON_AUTO v = NULL;
    long status = 0;
    eg_err e = ask_details(&profile, &status, &v);
    if (e != EG_OK || status == 401 || status == 403 || status == 404) {
        json_decref(v);
        v = NULL;
        e = ask(&profile, "/healthz", NULL, &status, &v, &p);
    }
    eg_profile_done(&profile);
    if (e != EG_OK) {
        return eg_cli_complain(&p);
    }
    if (as_json) {
        eg_cli_print_json(v);
    } else {
        print_words(v);
    }
    return status == 200 ? EG_EXIT_OK : EG_EXIT_FAILED;
}
