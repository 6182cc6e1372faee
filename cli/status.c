/* `embergate status`: asks /healthz and says it in words. */
#include "cli.h"

#include <getopt.h>

static void print_words(const json_t *health)
{
    const char *state = json_string_value(json_object_get(health, "status"));
    printf("gateway: %s\n", state ? state : "unknown");
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(health, "clusters"), i, c)
    {
        eg_str name = eg_json_str(c, "name"), cluster_state = eg_json_str(c, "state");
        printf("cluster %.*s: %.*s\n", EG_FMT(name), EG_FMT(cluster_state));
    }
    json_array_foreach(json_object_get(health, "isolation_missing"), i, c)
    {
        printf("not isolated: %s\n", json_string_value(c) ? json_string_value(c) : "");
    }
}

int eg_cli_status(int argc, char **argv)
{
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
    char url[300];
    (void)snprintf(url, sizeof url, "%s/healthz", profile.endpoint);
    eg_cli_call call = {.method = "GET", .url = url, .ca = profile.ca};
    EG_CLEANUP(eg_buf_done) eg_buf body = {0};
    EG_JSON_AUTO v = NULL;
    long status = 0;
    if (eg_cli_exchange(&call, &status, &body, &p) != EG_OK || eg_json_parse(eg_buf_str(&body), 1u << 20, &v, &p) != EG_OK) {
        return eg_cli_complain(&p);
    }
    eg_profile_done(&profile);
    if (as_json) {
        eg_cli_print_json(v);
    } else {
        print_words(v);
    }
    return status == 200 ? EG_EXIT_OK : EG_EXIT_FAILED;
}
