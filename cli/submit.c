/* `embergate submit`: uploads a job's file where needed, submits it through Livy's API, and follows it. */
#include "cli.h"
#include "follow.h"
#include "upload.h"

#include <getopt.h>
#include <unistd.h>

typedef struct submit_options {
    const char *cluster;
    const char *idempotency_key;
    bool wait;
    bool json;
    bool quiet;
    json_t *body; /* owned */
} submit_options;

static const struct option submit_long[] = {
    {"profile", required_argument, NULL, 'P'},   {"cluster", required_argument, NULL, 'c'},
    {"name", required_argument, NULL, 'n'},      {"class", required_argument, NULL, 'C'},
    {"conf", required_argument, NULL, 'x'},      {"driver-memory", required_argument, NULL, 'd'},
    {"executor-memory", required_argument, NULL, 'm'}, {"executor-cores", required_argument, NULL, 'k'},
    {"num-executors", required_argument, NULL, 'e'}, {"py-file", required_argument, NULL, 'y'},
    {"jar", required_argument, NULL, 'j'},       {"idempotency-key", required_argument, NULL, 'i'},
    {"wait", no_argument, NULL, 'w'},            {"json", no_argument, NULL, 'J'},
    {"quiet", no_argument, NULL, 'q'},           {NULL, 0, NULL, 0},
};

static bool add_conf(submit_options *o, const char *pair) {
    const char *equals = strchr(pair, '=');
    json_t *conf = json_object_get(o->body, "conf");
    if (!conf) {
        conf = json_object();
        json_object_set_new(o->body, "conf", conf);
    }
    return equals && equals > pair && json_object_setn_new(conf, pair, (size_t)(equals - pair), json_string(equals + 1)) == 0;
}

static bool add_to_list(submit_options *o, const char *list, const char *value) {
    json_t *array = json_object_get(o->body, list);
    if (!array) {
        array = json_array();
        json_object_set_new(o->body, list, array);
    }
    return json_array_append_new(array, json_string(value)) == 0;
}

static bool set_number(submit_options *o, const char *field, const char *text) {
    uint64_t v = 0;
    return eg_str_u64(eg_str_of(text), 100000, &v) == EG_OK && json_object_set_new(o->body, field, json_integer((json_int_t)v)) == 0;
}

static bool set_text(submit_options *o, const char *field, const char *text) {
    return json_object_set_new(o->body, field, json_string(text)) == 0;
}

static bool take_option(submit_options *o, int c) {
    switch (c) {
    case 'P': eg_cli_use_profile(optarg); return true;
    case 'c': o->cluster = optarg; return true;
    case 'i': o->idempotency_key = optarg; return true;
    case 'w': o->wait = true; return true;
    case 'J': o->json = true; return true;
    case 'q': o->quiet = true; return true;
    case 'n': return set_text(o, "name", optarg);
    case 'C': return set_text(o, "className", optarg);
    case 'd': return set_text(o, "driverMemory", optarg);
    case 'm': return set_text(o, "executorMemory", optarg);
    case 'k': return set_number(o, "executorCores", optarg);
    case 'e': return set_number(o, "numExecutors", optarg);
    case 'x': return add_conf(o, optarg);
    case 'y': return add_to_list(o, "pyFiles", optarg);
    case 'j': return add_to_list(o, "jars", optarg);
    default: return false;
    }
}

static void print_curl(const char *path, const json_t *body) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 1u << 20);
    if (eg_json_write(body, &text) != EG_OK) {
        return;
    }
    fprintf(stderr, "the same by curl:\n  curl --cacert \"$EMBERGATE_CA\" -H \"Authorization: Bearer $(embergate token)\" \\\n"
                    "    -H 'Content-Type: application/json' \"$EMBERGATE_ENDPOINT%s\" -d '", path);
    for (size_t i = 0; i < text.len; i++) { /* a quote inside a quoted shell word: end it, escape one, begin again */
        fputs(text.ptr[i] == '\'' ? "'\\''" : (char[]){text.ptr[i], '\0'}, stderr);
    }
    fputs("'\n", stderr);
}

static eg_err place_file(submit_options *o, const char *file, const eg_profile *profile, eg_problem *p) {
    if (strstr(file, "://")) {
        return set_text(o, "file", file) ? EG_OK : EG_ERR_NO_MEMORY;
    }
    if (access(file, R_OK) != 0 && file[0] == '/') { /* a file of the gateway's machine, beneath a file root */
        return set_text(o, "file", file) ? EG_OK : EG_ERR_NO_MEMORY;
    }
    EG_CLEANUP(eg_buf_done) eg_buf address = {0};
    EG_TRY(eg_cli_upload(profile, file, &address, p));
    if (!o->quiet) {
        fprintf(stderr, "uploaded %s\n      to %s\n", file, address.ptr);
    }
    return set_text(o, "file", address.ptr) ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err submit(submit_options *o, const char *file, int argc, char **argv, int *ret_exit, eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile;
    EG_TRY(eg_profile_load(eg_cli_profile_path(), &profile, p));
    EG_TRY(place_file(o, file, &profile, p));
    for (int i = 0; i < argc; i++) {
        (void)add_to_list(o, "args", argv[i]);
    }
    char path[256];
    (void)snprintf(path, sizeof path, "/clusters/%s/livy/batches", o->cluster ? o->cluster : profile.cluster);
    if (!o->quiet) {
        print_curl(path, o->body);
    }
    EG_JSON_AUTO batch = NULL;
    EG_TRY(eg_cli_send_json_once("POST", path, o->body, o->idempotency_key, &batch, p));
    int64_t id = json_integer_value(json_object_get(batch, "id"));
    *ret_exit = EG_EXIT_OK;
    if (o->wait) {
        return eg_cli_follow(path, id, !o->quiet, o->json, ret_exit, p);
    }
    if (o->json) {
        eg_cli_print_json(batch);
    } else {
        printf("batch %lld\n", (long long)id);
    }
    return EG_OK;
}

int eg_cli_submit(int argc, char **argv) {
    submit_options o = {.body = json_object()};
    int status = EG_EXIT_USAGE;
    bool ok = true;
    for (int c; ok && (c = getopt_long(argc, argv, "+wq", submit_long, NULL)) != -1;) {
        ok = take_option(&o, c);
    }
    if (!ok) {
        status = eg_cli_usage("submit", "an option is unknown or its value is wrong");
    } else if (optind >= argc) {
        status = eg_cli_usage("submit", "which file?");
    } else {
        eg_problem p = {0};
        eg_err e = submit(&o, argv[optind], argc - optind - 1, argv + optind + 1, &status, &p);
        if (e != EG_OK) {
            status = eg_cli_complain(&p);
        }
    }
    json_decref(o.body);
    return status;
}
