/* `embergate jobs`: list, show, log, delete. */
#include "cli.h"
#include "follow.h"

#include <embergate/encoding.h>
#include <getopt.h>

typedef struct jobs_options {
    const char *cluster;
    bool json;
    char path[256]; /* the collection */
} jobs_options;

static eg_err jobs_list(const jobs_options *o, const char *id, eg_problem *p) {
    (void)id;
    EG_JSON_AUTO v = NULL;
    EG_TRY(eg_cli_get_json(o->path, &v, p));
    if (o->json) {
        eg_cli_print_json(v);
        return EG_OK;
    }
    printf("%6s  %-10s  %-24s  %s\n", "ID", "STATE", "NAME", "APPLICATION");
    size_t i;
    json_t *b;
    json_array_foreach(json_object_get(v, "sessions"), i, b)
    {
        eg_str name = eg_json_str(b, "name"), state = eg_json_str(b, "state"), app = eg_json_str(b, "appId");
        printf("%6lld  %-10.*s  ", (long long)json_integer_value(json_object_get(b, "id")), EG_FMT(state));
        eg_cli_put_inert(stdout, name.ptr ? name : EG_LIT("-"));
        printf("%*s  %.*s\n", name.len < 24 ? (int)(24 - name.len) : 0, "", EG_FMT(app.ptr ? app : EG_LIT("-")));
    }
    return EG_OK;
}

static eg_err one(const jobs_options *o, const char *method, const char *id, const char *tail, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf path;
    eg_buf_init(&path, 1024);
    EG_TRY(eg_buf_addf(&path, "%s/", o->path));
    EG_TRY(eg_percent_encode(eg_str_of(id), false, &path));
    EG_TRY(eg_buf_adds(&path, tail));
    return eg_cli_send_json(method, path.ptr, NULL, ret, p);
}

static eg_err jobs_show(const jobs_options *o, const char *id, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_TRY(one(o, "GET", id, "", &v, p));
    if (o->json) {
        eg_cli_print_json(v);
        return EG_OK;
    }
    printf("batch %lld: %s\n", (long long)json_integer_value(json_object_get(v, "id")), json_string_value(json_object_get(v, "state")));
    eg_cli_print_usage(stdout, v);
    return EG_OK;
}

static eg_err jobs_log(const jobs_options *o, const char *id, eg_problem *p) {
    for (int64_t from = 0;;) {
        char tail[64];
        (void)snprintf(tail, sizeof tail, "/log?from=%lld&size=1000", (long long)from);
        EG_JSON_AUTO v = NULL;
        EG_TRY(one(o, "GET", id, tail, &v, p));
        const json_t *lines = json_object_get(v, "log");
        size_t n = eg_cli_log_lines(lines);
        for (size_t i = 0; i < n; i++) {
            const json_t *line = json_array_get(lines, i);
            eg_cli_put_inert(stdout, (eg_str){json_string_value(line), json_string_length(line)});
            putchar('\n');
        }
        from += (int64_t)n;
        if (n == 0 || from >= json_integer_value(json_object_get(v, "total"))) {
            return EG_OK;
        }
    }
}

static eg_err jobs_delete(const jobs_options *o, const char *id, eg_problem *p) {
    EG_JSON_AUTO v = NULL;
    EG_TRY(one(o, "DELETE", id, "", &v, p));
    printf("batch %s was ended and deleted\n", id);
    return EG_OK;
}

static const struct {
    const char *name;
    bool needs_id;
    eg_err (*run)(const jobs_options *o, const char *id, eg_problem *p);
} jobs_verbs[] = {
    {"list", false, jobs_list},
    {"show", true, jobs_show},
    {"log", true, jobs_log},
    {"delete", true, jobs_delete},
};

static eg_err collection(jobs_options *o, eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile;
    EG_TRY(eg_profile_load(eg_cli_profile_path(), &profile, p));
    (void)snprintf(o->path, sizeof o->path, "/clusters/%s/livy/batches", o->cluster ? o->cluster : profile.cluster);
    return EG_OK;
}

int eg_cli_jobs(int argc, char **argv) {
    static const struct option longs[] = {{"profile", required_argument, NULL, 'P'}, {"cluster", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'J'}, {NULL, 0, NULL, 0}};
    jobs_options o = {0};
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'P': eg_cli_use_profile(optarg); break;
        case 'c': o.cluster = optarg; break;
        case 'J': o.json = true; break;
        default: return eg_cli_usage("jobs", "an option is unknown");
        }
    }
    const char *verb = optind < argc ? argv[optind] : "list";
    const char *id = optind + 1 < argc ? argv[optind + 1] : NULL;
    for (size_t i = 0; i < sizeof jobs_verbs / sizeof jobs_verbs[0]; i++) {
        if (strcmp(verb, jobs_verbs[i].name) == 0) {
            if (jobs_verbs[i].needs_id && !id) {
                return eg_cli_usage("jobs", "which batch? (an id or a name)");
            }
            eg_problem p = {0};
            return collection(&o, &p) == EG_OK && jobs_verbs[i].run(&o, id, &p) == EG_OK ? EG_EXIT_OK : eg_cli_complain(&p);
        }
    }
    return eg_cli_usage("jobs", "unknown verb '%s'", verb);
}
