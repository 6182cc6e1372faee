/* Parses and checks the body of POST /batches, member by member. */
#include "batch_body.h"

#include "spark_properties.h"

#include <ctype.h>
#include <stdio.h>

#define SPARK_MEMORY_MIN_MIB 450  /* Spark refuses less */
#define DRIVER_MEMORY_MIB 4096    /* allowed to a driver even where workers are smaller */
#define EXECUTORS_MAX 1000
#define CORES_MAX 1024

typedef struct parse {
    const json_t *in;
    json_t *out;
    const eg_batch_limits *limits;
    eg_problem *p;
} parse;

static eg_err fail_field(parse *c, const char *field, const char *expected, const json_t *v) {
    static const char *const types[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number", [JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null",
    };
    (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s must be %s, not %s", field, expected, types[json_typeof(v)]);
    return eg_fail_at(c->p, "%s", field);
}

/* Text, or a number or truth value that stands for its text, as Livy's own parser has it. */
static eg_err scalar_text(parse *c, const json_t *v, const char *field, json_t **ret) {
    char number[40];
    const char *z = number;
    switch (json_typeof(v)) {
    case JSON_STRING:
        EG_TRY(eg_job_place_text((eg_str){json_string_value(v), json_string_length(v)}, EG_BATCH_ARGS_BYTES_MAX, field, c->p));
        z = json_string_value(v);
        break;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        break;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(v));
        break;
    case JSON_TRUE:
        z = "true";
        break;
    case JSON_FALSE:
        z = "false";
        break;
    default:
        return fail_field(c, field, "text", v);
    }
    *ret = json_string(z);
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err put(parse *c, const char *name, json_t *taken) {
    return json_object_set_new(c->out, name, taken) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static const json_t *member(const parse *c, const char *name) {
    const json_t *v = json_object_get(c->in, name);
    return json_is_null(v) ? NULL : v;
}

static eg_err take_text(parse *c, const char *name, size_t max) {
    const json_t *v = member(c, name);
    if (v && !json_is_string(v)) {
        return fail_field(c, name, "a string", v);
    }
    eg_str s = v ? (eg_str){json_string_value(v), json_string_length(v)} : EG_LIT("");
    EG_TRY(eg_job_place_text(s, max, name, c->p));
    return put(c, name, json_stringn(s.ptr, s.len));
}

static eg_err take_count(parse *c, const char *name, uint64_t max) {
    const json_t *v = member(c, name);
    uint64_t n = 0;
    if (json_is_integer(v) && json_integer_value(v) >= 0 && (uint64_t)json_integer_value(v) <= max) {
        n = (uint64_t)json_integer_value(v);
    } else if (json_is_string(v) && eg_str_u64(eg_str_of(json_string_value(v)), max, &n) == EG_OK) {
        /* "2" for 2: Livy takes it */
    } else if (v && (json_is_integer(v) || json_is_string(v))) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s must be a whole number from 0 to %llu", name, (unsigned long long)max);
        return eg_fail_at(c->p, "%s", name);
    } else if (v) {
        return fail_field(c, name, "a whole number", v);
    }
    return put(c, name, json_integer((json_int_t)n));
}

/* name[i] for problems. */
static const char *indexed(char *buf, size_t cap, const char *name, size_t i) {
    snprintf(buf, cap, "%s[%zu]", name, i);
    return buf;
}

static eg_err take_args(parse *c) {
    const json_t *v = member(c, "args");
    json_t *out = json_array();
    EG_TRY(put(c, "args", out));
    if (v && !json_is_array(v)) {
        return fail_field(c, "args", "a list of strings", v);
    }
    if (json_array_size(v) > EG_BATCH_ARGS_MAX) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "args has more than %d entries", EG_BATCH_ARGS_MAX);
        return eg_fail_at(c->p, "args");
    }
    size_t bytes = 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        char field[32];
        json_t *text = NULL;
        EG_TRY(scalar_text(c, json_array_get(v, i), indexed(field, sizeof field, "args", i), &text));
        bytes += json_string_length(text) + 1;
        if (json_array_append_new(out, text) != 0) {
            return EG_ERR_NO_MEMORY;
        }
        if (bytes > EG_BATCH_ARGS_BYTES_MAX) {
            (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "args are more than %u bytes in all", EG_BATCH_ARGS_BYTES_MAX);
            return eg_fail_at(c->p, "args");
        }
    }
    return EG_OK;
}

static eg_err check_place(parse *c, eg_str uri, const char *field) {
    eg_job_place_kind kind = EG_JOB_PLACE_NONE;
    EG_TRY(eg_job_place_check(&c->limits->places, uri, field, &kind, c->p));
    return kind == EG_JOB_PLACE_LOCAL ? eg_job_place_probe(&c->limits->places, uri, field, c->p) : EG_OK;
}

static eg_err take_places(parse *c, const char *name) {
    const json_t *v = member(c, name);
    json_t *out = json_array();
    EG_TRY(put(c, name, out));
    if (v && !json_is_array(v)) {
        return fail_field(c, name, "a list of strings", v);
    }
    if (json_array_size(v) > EG_BATCH_FILES_MAX) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s has more than %d entries", name, EG_BATCH_FILES_MAX);
        return eg_fail_at(c->p, "%s", name);
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *entry = json_array_get(v, i);
        char field[32];
        indexed(field, sizeof field, name, i);
        if (!json_is_string(entry)) {
            return fail_field(c, field, "a string", entry);
        }
        eg_str uri = {json_string_value(entry), json_string_length(entry)};
        EG_TRY(check_place(c, uri, field));
        if (json_array_append_new(out, json_stringn(uri.ptr, uri.len)) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return EG_OK;
}

static eg_err take_file(parse *c) {
    EG_TRY(take_text(c, "file", EG_JOB_PLACE_MAX));
    eg_str file = eg_json_str(c->out, "file");
    if (file.len == 0) {
        (void)eg_fail(c->p, EG_ERR_INVALID, "Rejected, Reason: requirement failed: File is required.");
        return eg_fail_at(c->p, "file");
    }
    return check_place(c, file, "file");
}

static eg_err take_class(parse *c) {
    EG_TRY(take_text(c, "className", 256));
    eg_str name = eg_json_str(c->out, "className");
    for (size_t i = 0; i < name.len; i++) {
        if (!isalnum((unsigned char)name.ptr[i]) && !strchr("._$", name.ptr[i])) {
            (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "className must be the full name of a class: letters, digits, '.', '_' and '$'");
            return eg_fail_at(c->p, "className");
        }
    }
    return EG_OK;
}

static eg_err take_name(parse *c) {
    EG_TRY(take_text(c, "name", EG_BATCH_NAME_MAX));
    eg_str name = eg_json_str(c->out, "name");
    bool digits = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        digits = digits && name.ptr[i] >= '0' && name.ptr[i] <= '9';
        if (name.ptr[i] == '/') {
            (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "name must not hold '/'");
            return eg_fail_at(c->p, "name");
        }
    }
    if (digits) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "name must not be all digits, because batches are also found by their number");
        return eg_fail_at(c->p, "name");
    }
    return EG_OK;
}

static eg_err take_conf(parse *c) {
    const json_t *v = member(c, "conf");
    json_t *out = json_object();
    EG_TRY(put(c, "conf", out));
    if (v && !json_is_object(v)) {
        return fail_field(c, "conf", "an object of strings", v);
    }
    if (json_object_size(v) > EG_BATCH_CONF_MAX) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "conf has more than %d entries", EG_BATCH_CONF_MAX);
        return eg_fail_at(c->p, "conf");
    }
    json_t *unconst = json_object_get(c->in, "conf");
    const char *name;
    json_t *entry;
    json_object_foreach(unconst, name, entry) {
        char field[160];
        snprintf(field, sizeof field, "conf[\"%.100s\"]", name);
        json_t *text = NULL;
        EG_TRY(scalar_text(c, entry, field, &text));
        bool ignored = false;
        eg_err e = eg_spark_properties_check(&c->limits->places, eg_str_of(name), eg_str_of(json_string_value(text)), &ignored, c->p);
        if (e != EG_OK || ignored) {
            json_decref(text);
            EG_TRY(e);
            continue;
        }
        if (json_object_set_new(out, name, text) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return EG_OK;
}

/* What a property says of sizes moves into the field of the same meaning; the field wins, as with Livy. */
static eg_err fold_sizes(parse *c) {
    static const struct {
        const char *property, *field;
        bool number;
    } rows[] = {
        {"spark.driver.memory", "driverMemory", false},     {"spark.driver.cores", "driverCores", true},
        {"spark.executor.memory", "executorMemory", false}, {"spark.executor.cores", "executorCores", true},
        {"spark.executor.instances", "numExecutors", true},
    };
    json_t *conf = json_object_get(c->out, "conf");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eg_str value = eg_json_str(conf, rows[i].property);
        if (!value.ptr) {
            continue;
        }
        uint64_t n = 0;
        if (rows[i].number && json_integer_value(json_object_get(c->out, rows[i].field)) == 0) {
            EG_TRY(eg_str_u64(value, EXECUTORS_MAX, &n) == EG_OK ? EG_OK : eg_fail(c->p, EG_ERR_CONF_REFUSED, "the property %s is more than %d", rows[i].property, EXECUTORS_MAX));
            EG_TRY(put(c, rows[i].field, json_integer((json_int_t)n)));
        } else if (!rows[i].number && eg_json_str(c->out, rows[i].field).len == 0) {
            EG_TRY(put(c, rows[i].field, json_stringn(value.ptr, value.len)));
        }
        json_object_del(conf, rows[i].property);
    }
    return EG_OK;
}

static eg_err check_memory(parse *c, const char *field, uint64_t most) {
    eg_str text = eg_json_str(c->out, field);
    uint64_t mib = 0;
    if (text.len == 0) {
        return EG_OK;
    }
    if (eg_spark_properties_memory(text, &mib) != EG_OK) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s must be a size with its unit, such as \"512m\" or \"2g\"", field);
        return eg_fail_at(c->p, "%s", field);
    }
    if (mib < SPARK_MEMORY_MIN_MIB) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s is less than the %d MiB that Spark needs", field, SPARK_MEMORY_MIN_MIB);
        return eg_fail_at(c->p, "%s", field);
    }
    if (most && mib > most) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s is more than the %llu MiB that this cluster can give it", field, (unsigned long long)most);
        return eg_fail_at(c->p, "%s", field);
    }
    return EG_OK;
}

static eg_err check_cores(parse *c, const char *field, uint64_t most) {
    if (most && (uint64_t)json_integer_value(json_object_get(c->out, field)) > most) {
        (void)eg_fail(c->p, EG_ERR_BODY_FIELD, "%s is more than the %llu cores of a worker of this cluster: the job would wait for ever", field, (unsigned long long)most);
        return eg_fail_at(c->p, "%s", field);
    }
    return EG_OK;
}

static eg_err take_all(parse *c) {
    EG_TRY(take_file(c));
    EG_TRY(take_class(c));
    EG_TRY(take_name(c));
    EG_TRY(take_text(c, "proxyUser", 256));
    EG_TRY(take_args(c));
    EG_TRY(take_places(c, "jars"));
    EG_TRY(take_places(c, "pyFiles"));
    EG_TRY(take_places(c, "files"));
    EG_TRY(take_places(c, "archives"));
    EG_TRY(take_text(c, "driverMemory", 16));
    EG_TRY(take_text(c, "executorMemory", 16));
    EG_TRY(take_count(c, "driverCores", CORES_MAX));
    EG_TRY(take_count(c, "executorCores", CORES_MAX));
    EG_TRY(take_count(c, "numExecutors", EXECUTORS_MAX));
    EG_TRY(take_conf(c));
    EG_TRY(fold_sizes(c));
    uint64_t worker = c->limits->worker_memory_mb;
    EG_TRY(check_memory(c, "executorMemory", worker));
    EG_TRY(check_memory(c, "driverMemory", worker == 0 || worker > DRIVER_MEMORY_MIB ? worker : DRIVER_MEMORY_MIB));
    EG_TRY(check_cores(c, "executorCores", c->limits->worker_cores));
    return check_cores(c, "driverCores", c->limits->worker_cores);
}

eg_err eg_batch_body_parse(eg_str body, const eg_batch_limits *limits, json_t **ret, eg_problem *p) {
    eg_problem local = {0};
    EG_JSON_AUTO in = NULL;
    EG_TRY(eg_json_parse(body, EG_BATCH_BODY_MAX, &in, p));
    if (!json_is_object(in)) {
        return eg_fail(p, EG_ERR_BODY_FIELD, "the body must be a JSON object with the member \"file\"");
    }
    EG_JSON_AUTO out = json_object();
    if (!out) {
        return EG_ERR_NO_MEMORY;
    }
    parse c = {.in = in, .out = out, .limits = limits, .p = p ? p : &local};
    EG_TRY(take_all(&c));
    *ret = json_incref(out);
    return EG_OK;
}
