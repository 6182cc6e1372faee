/* Fuzzes eg_json_parse, eg_json_write, eg_json_str and eg_json_get_int: what is accepted is within its bounds, and written and read again it is the same.
 *
 *   ./dev fuzz json */
#include <embergate/json.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)1 << 16)

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void check(const json_t *v, unsigned depth) {
    require(depth <= 64);
    if (json_is_string(v)) {
        eg_str s = {json_string_value(v), json_string_length(v)};
        require(eg_utf8_valid(s) && memchr(s.ptr, '\0', s.len) == NULL);
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            check(json_array_get(v, i), depth + 1);
        }
    } else if (json_is_object(v)) {
        const char *name;
        json_t *member;
        union {
            const json_t *in;
            json_t *out;
        } object = {.in = v};
        json_object_foreach(object.out, name, member) {
            require(eg_utf8_valid(eg_str_of(name)));
            check(member, depth + 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *v = NULL;
    json_t *again = NULL;
    eg_problem p = {0};
    if (eg_json_parse((eg_str){(const char *)data, size}, TEXT_MAX, &v, &p) != EG_OK) {
        require(v == NULL && p.code == EG_ERR_BODY_JSON && p.message[0] != '\0');
        return 0;
    }
    check(v, 0);
    eg_buf text;
    eg_buf_init(&text, TEXT_MAX * 32);
    require(eg_json_write(v, &text) == EG_OK);
    require(eg_json_parse(eg_buf_str(&text), TEXT_MAX * 32, &again, NULL) == EG_OK && json_equal(v, again));
    int64_t n = 0;
    if (json_is_object(v) && eg_json_get_int(v, "n", 3, 1, 9, &n, &p) == EG_OK) {
        require(n >= 1 && n <= 9);
    }
    require(eg_json_str(v, "s").len <= size);
    eg_buf_done(&text);
    json_decref(again);
    json_decref(v);
    return 0;
}
