/* Strict parsing of JSON from outside, and writing into bounded buffers. */
#include <embergate/json.h>

#define DEPTH_MAX 64

/* Jansson has no nesting bound that can be set, so depth is checked before it builds anything. */
static eg_err check_depth(eg_str text, eg_problem *p) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                return eg_fail(p, EG_ERR_BODY_JSON, "The JSON is nested deeper than %d levels.", DEPTH_MAX);
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return EG_OK;
}

/* Never jansson's own text: it quotes the input, which may hold a secret. */
static const char *reason(const json_error_t *e) {
    switch (json_error_code(e)) {
    case json_error_duplicate_key:
        return "an object has the same member twice";
    case json_error_premature_end_of_input:
        return "the text ends before the value does";
    case json_error_end_of_input_expected:
        return "something follows the value";
    case json_error_invalid_utf8:
        return "a string is not valid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string holds a NUL character";
    case json_error_numeric_overflow:
        return "a number is out of range";
    case json_error_out_of_memory:
        return "there is no memory for it";
    default:
        return "it is not well formed";
    }
}

eg_err eg_json_parse(eg_str text, size_t max, json_t **ret, eg_problem *p) {
    if (text.len > max) {
        return eg_fail(p, EG_ERR_BODY_JSON, "The JSON is longer than %zu bytes.", max);
    }
    EG_TRY(check_depth(text, p));
    json_error_t e;
    json_t *v = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!v) {
        return eg_fail(p, EG_ERR_BODY_JSON, "The JSON is invalid at line %d, column %d: %s.", e.line, e.column, reason(&e));
    }
    *ret = v;
    return EG_OK;
}

static int append(const char *buffer, size_t size, void *data) {
    return eg_buf_add(data, buffer, size) == EG_OK ? 0 : -1;
}

eg_err eg_json_write(const json_t *v, eg_buf *ret) {
    if (json_dump_callback(v, append, ret, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        return ret->err != EG_OK ? ret->err : (ret->err = EG_ERR_INTERNAL);
    }
    return EG_OK;
}

eg_str eg_json_str(const json_t *obj, const char *name) {
    const json_t *v = json_object_get(obj, name);
    if (!json_is_string(v)) {
        return (eg_str){NULL, 0};
    }
    return (eg_str){json_string_value(v), json_string_length(v)};
}

static eg_err wrong_field(eg_problem *p, const char *name, const char *expected) {
    eg_problem here;
    eg_problem *to = p ? p : &here;
    eg_fail(to, EG_ERR_BODY_FIELD, "The field \"%s\" must be %s.", name, expected);
    return eg_fail_at(to, "%s", name);
}

eg_err eg_json_get_str(const json_t *obj, const char *name, const char *dflt, const char **ret, eg_problem *p) {
    const json_t *v = json_object_get(obj, name);
    if (!v || json_is_null(v)) {
        *ret = dflt;
        return EG_OK;
    }
    if (!json_is_string(v)) {
        return wrong_field(p, name, "a string");
    }
    *ret = json_string_value(v);
    return EG_OK;
}

eg_err eg_json_get_int(const json_t *obj, const char *name, int64_t dflt, int64_t min, int64_t max, int64_t *ret, eg_problem *p) {
    const json_t *v = json_object_get(obj, name);
    if (!v || json_is_null(v)) {
        *ret = dflt;
        return EG_OK;
    }
    int64_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < min || n > max) {
        char expected[96];
        snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min, (long long)max);
        return wrong_field(p, name, expected);
    }
    *ret = n;
    return EG_OK;
}
