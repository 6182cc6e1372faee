/* Strict access to the members of a policy file's JSON, so that every refusal names file and field. */
#include "policy_model.h"

#include <embergate/encoding.h>

#include <stdarg.h>
#include <stdio.h>

static void path_of(const eg_policy_at *at, char *ret, size_t cap, size_t *len) {
    if (at->up) {
        path_of(at->up, ret, cap, len);
    }
    if (*len >= cap) {
        return;
    }
    int n;
    if (!at->name) {
        n = snprintf(ret + *len, cap - *len, "[%zu]", at->index);
    } else if (!at->up) {
        n = snprintf(ret + *len, cap - *len, "%s: ", at->name);
    } else {
        bool first = at->up->name && !at->up->up; /* directly beneath the file */
        n = snprintf(ret + *len, cap - *len, "%s%s", first ? "" : ".", at->name);
    }
    *len += n > 0 ? (size_t)n : 0;
}

eg_err eg_policy_refuse(const eg_policy_at *at, eg_problem *p, const char *fmt, ...) {
    eg_problem unused;
    eg_problem *to = p ? p : &unused;
    char message[sizeof to->message];
    char where[sizeof to->where] = "";
    size_t len = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    path_of(at, where, sizeof where, &len);
    eg_fail(to, EG_ERR_POLICY_INVALID, "%s", message);
    return eg_fail_at(to, "%s", where);
}

static bool is_empty(const json_t *v) {
    return json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static const eg_policy_field *find(const eg_policy_field *table, const char *name) {
    for (const eg_policy_field *f = table; f->name; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

eg_err eg_policy_fields(const eg_policy_at *at, const json_t *v, const eg_policy_field *table, eg_problem *p) {
    if (!json_is_object(v)) {
        return eg_policy_refuse(at, p, "An object is expected here.");
    }
    const char *name;
    json_t *member;
    /* The iterator is jansson's and only reads, but takes a pointer that isn't const. */
    json_object_foreach((json_t *)(uintptr_t)v, name, member) {
        eg_policy_at here = {.up = at, .name = name};
        const eg_policy_field *f = find(table, name);
        if (!f) {
            return eg_policy_refuse(&here, p, "This field is not one of Azure's here.");
        }
        if (f->use == EG_FIELD_EMPTY && !is_empty(member)) {
            return eg_policy_refuse(&here, p, "This field would change decisions and is not supported; leaving it unheard would be unsafe.");
        }
    }
    return EG_OK;
}

eg_err eg_policy_text(const eg_policy_at *at, const json_t *obj, const char *name, int bound, eg_str *ret, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = name};
    const json_t *v = json_object_get(obj, name);
    bool required = bound > 0;
    size_t max = (size_t)(required ? bound : -bound);
    if (!v || json_is_null(v)) {
        if (required) {
            return eg_policy_refuse(&here, p, "This field is missing.");
        }
        *ret = (eg_str){NULL, 0};
        return EG_OK;
    }
    if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > max) {
        return eg_policy_refuse(&here, p, "A text of 1 to %zu bytes is expected here.", max);
    }
    *ret = (eg_str){json_string_value(v), json_string_length(v)};
    return EG_OK;
}

eg_err eg_policy_list(const eg_policy_at *at, const json_t *obj, const char *name, size_t max, json_t **ret, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = name};
    json_t *v = json_object_get(obj, name);
    if (!v || json_is_null(v)) {
        *ret = NULL;
        return EG_OK;
    }
    if (!json_is_array(v) || json_array_size(v) > max) {
        return eg_policy_refuse(&here, p, "A list of at most %zu values is expected here.", max);
    }
    *ret = v;
    return EG_OK;
}

eg_err eg_policy_guid_parse(eg_str s, eg_policy_guid *ret) {
    static const struct { uint8_t at, len; } parts[] = {{0, 8}, {9, 4}, {14, 4}, {19, 4}, {24, 12}};
    if (s.len != 36 || s.ptr[8] != '-' || s.ptr[13] != '-' || s.ptr[18] != '-' || s.ptr[23] != '-') {
        return EG_ERR_INVALID;
    }
    eg_policy_guid out;
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t got = 0;
        EG_TRY(eg_unhex((eg_str){s.ptr + parts[i].at, parts[i].len}, out.b + n, sizeof out.b - n, &got));
        n += got;
    }
    *ret = out;
    return EG_OK;
}

int eg_policy_guid_order(const eg_policy_guid *a, const eg_policy_guid *b) {
    return memcmp(a->b, b->b, sizeof a->b);
}

static unsigned char lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int eg_policy_id_order(eg_str a, eg_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        unsigned char x = lower(a.ptr[i]), y = lower(b.ptr[i]);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}
