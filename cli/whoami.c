/* `embergate whoami`: whom the gateway takes the asker for, which groups it knows of, and by what it has which roles. */
#include "cli.h"

#include <getopt.h>

static void line(const char *title, eg_str value) {
    if (value.len > 0) {
        printf("%-10s ", title);
        eg_cli_put_inert(stdout, value);
        putchar('\n');
    }
}

static void print_roles(const json_t *roles) {
    size_t i;
    const json_t *r;
    json_array_foreach(roles, i, r)
    {
        eg_str role = eg_json_str(r, "role"), scope = eg_json_str(r, "scope"), by = eg_json_str(r, "group"), until = eg_json_str(r, "until");
        fputs(i == 0 ? "roles      " : "           ", stdout);
        eg_cli_put_inert(stdout, role);
        fputs(" at ", stdout);
        eg_cli_put_inert(stdout, scope);
        if (by.len > 0) {
            fputs(", by group ", stdout);
            eg_cli_put_inert(stdout, by);
        }
        if (until.len > 0) {
            fputs(", until ", stdout);
            eg_cli_put_inert(stdout, until);
        }
        puts(json_is_true(json_object_get(r, "conditional")) ? ", under a condition" : json_is_true(json_object_get(r, "eligible")) ? ", once activated" : "");
    }
    if (json_array_size(roles) == 0) {
        puts("roles      none");
    }
}

static void print_words(const json_t *v) {
    static const struct {
        const char *title, *member;
    } lines[] = {{"name", "name"}, {"kind", "kind"}, {"object id", "object_id"}, {"tenant", "tenant"}, {"client", "client_id"}, {"issuer", "issuer"}, {"expires", "expires"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        line(lines[i].title, eg_json_str(v, lines[i].member));
    }
    size_t i;
    const json_t *g;
    json_array_foreach(json_object_get(v, "groups"), i, g)
    {
        line(i == 0 ? "groups" : "", (eg_str){json_string_value(g), json_string_length(g)});
    }
    if (json_is_true(json_object_get(v, "groups_unknown"))) {
        puts("groups     unknown: the token leaves them out");
    }
    print_roles(json_object_get(v, "roles"));
}

int eg_cli_whoami(int argc, char **argv) {
    static const struct option longs[] = {{"profile", required_argument, NULL, 'P'}, {"json", no_argument, NULL, 'J'}, {NULL, 0, NULL, 0}};
    bool as_json = false;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'P') {
            eg_cli_use_profile(optarg);
        } else if (c == 'J') {
            as_json = true;
        } else {
            return eg_cli_usage("whoami", "an option is unknown");
        }
    }
    eg_problem p = {0};
    EG_CLEANUP(eg_profile_done) eg_profile profile = {.path = ""};
    EG_JSON_AUTO v = NULL;
    char path[128];
    eg_err e = eg_profile_load(eg_cli_profile_path(), &profile, &p);
    (void)snprintf(path, sizeof path, "/%s/oauth2/v2.0/whoami", profile.tenant);
    if (e != EG_OK || eg_cli_get_json(path, &v, &p) != EG_OK) {
        return eg_cli_complain(&p);
    }
    if (as_json) {
        eg_cli_print_json(v);
    } else {
        print_words(v);
    }
    return EG_EXIT_OK;
}
