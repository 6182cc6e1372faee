/* Fuzzes eg_batch_body_parse and eg_spark_conf_batch: the body of POST /batches. Whatever is accepted becomes lines of Spark properties with keys that nobody
 * reserved, one line each, and what the cluster fixes stands last.
 *
 *   ./dev fuzz batch_body */
#include "batch_body.h"
#include "spark_conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const roots[] = {"/usr/lib", NULL};
static const char *const no_jars[] = {NULL};
static const eg_batch_limits limits = {
    .places = {.public_url = "https://gw.example:8443", .file_roots = roots}, .workers = 2, .worker_cores = 2, .worker_memory_mb = 3072};
static const eg_cluster_config cluster = {.name = "analytics", .workers = 2, .worker_cores = 2, .worker_memory_mb = 3072, .python = "/usr/bin/python3", .java_home = "",
    .file_roots = roots, .jars = no_jars};
static const char last_lines[] = "\nspark.authenticate.secret=secret\n";

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void check_lists(const json_t *v) {
    static const char *const lists[] = {"args", "jars", "pyFiles", "files", "archives"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const json_t *list = json_object_get(v, lists[i]);
        require(json_is_array(list) && json_array_size(list) <= (i == 0 ? EG_BATCH_ARGS_MAX : EG_BATCH_FILES_MAX));
        for (size_t k = 0; k < json_array_size(list); k++) {
            const char *text = json_string_value(json_array_get(list, k));
            require(text != NULL && strpbrk(text, "\n\r\t\x7f") == NULL && strstr(text, "${") == NULL);
            require(i == 0 || (text[0] != '-' && strchr(text, ',') == NULL));
        }
    }
}

/* One line a property: no text of the submitter's begins a line of its own. */
static void check_properties(const json_t *conf, size_t pairs) {
    static eg_spark_pair all[EG_BATCH_CONF_MAX];
    const eg_spark_site site = {.cluster = &cluster, .clusters_dir = "/var/lib/embergate/clusters", .public_url = "https://gw.example:8443",
        .tenant = "11111111-1111-4111-8111-111111111111", .master_port = 7077, .rpc_secret = EG_LIT("secret"), .ui_secret = EG_LIT("ui")};
    eg_spark_batch batch = {.cluster = "analytics", .id = "1", .job_client_id = EG_LIT("analytics/1"), .conf = all, .conf_count = pairs};
    size_t n = 0;
    size_t lines[2] = {0, 0};
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = conf};
    const char *name;
    json_t *value;
    json_object_foreach(object.out, name, value) {
        require(json_is_string(value) && !eg_spark_conf_reserved(eg_str_of(name)));
        all[n++] = (eg_spark_pair){eg_str_of(name), {json_string_value(value), json_string_length(value)}};
    }
    for (int with = 0; with < 2; with++) {
        eg_buf text;
        eg_problem p = {0};
        eg_buf_init(&text, EG_SPARK_CONF_MAX);
        batch.conf_count = with ? pairs : 0;
        if (eg_spark_conf_batch(&site, &batch, &text, &p) != EG_OK) {
            require(with == 1 && text.err == EG_ERR_LIMIT);
            eg_buf_done(&text);
            return;
        }
        for (size_t i = 0; i < text.len; i++) {
            lines[with] += text.ptr[i] == '\n';
        }
        require(eg_str_ends(eg_buf_str(&text), last_lines));
        eg_buf_done(&text);
    }
    require(lines[1] == lines[0] + pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *v = NULL;
    eg_problem p = {0};
    if (eg_batch_body_parse((eg_str){(const char *)data, size}, &limits, &v, &p) != EG_OK) {
        require(v == NULL && p.message[0] != '\0');
        return 0;
    }
    const char *file = json_string_value(json_object_get(v, "file"));
    const json_t *conf = json_object_get(v, "conf");
    require(file != NULL && (strncmp(file, "abfss://", 8) == 0 || strncmp(file, "/usr/lib/", 9) == 0) && strstr(file, "/../") == NULL);
    require(json_is_object(conf) && json_object_size(conf) <= EG_BATCH_CONF_MAX);
    check_lists(v);
    check_properties(conf, json_object_size(conf));
    json_decref(v);
    return 0;
}
