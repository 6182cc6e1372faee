/* Documents of policies on their own: their kinds, the ids that they go by, and lists of them taken apart. */
#include "policy_model.h"

#include "policy_builtin.h"

const char *const eg_policy_folders[EG_POLICY_KIND_COUNT] = {
#define X(id, folder, type) folder,
    EG_POLICY_KIND_LIST(X)
#undef X
};

const char *const eg_policy_types[EG_POLICY_KIND_COUNT] = {
#define X(id, folder, type) type,
    EG_POLICY_KIND_LIST(X)
#undef X
};

eg_err eg_policy_kind_of(eg_str folder, eg_policy_kind *ret) {
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        if (eg_str_ieq(folder, eg_str_of(eg_policy_folders[k]))) {
            *ret = k;
            return EG_OK;
        }
    }
    return EG_ERR_NOT_FOUND;
}

eg_str eg_policy_builtin_text(void) {
    return (eg_str){(const char *)eg_policy_builtin_roles, eg_policy_builtin_roles_len};
}

eg_str eg_policy_builtin_rules_text(void) {
    return (eg_str){(const char *)eg_policy_builtin_rules, eg_policy_builtin_rules_len};
}

static eg_err give(eg_policy_kind kind, const char *file, const json_t *v, eg_policy_sink to, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_POLICY_FILE_BYTES_MAX);
    if (eg_json_write(v, &text) != EG_OK) {
        eg_policy_at at = {.name = file};
        return eg_policy_refuse(&at, p, "One document may have %u MiB.", EG_POLICY_FILE_BYTES_MAX >> 20);
    }
    return to.take(to.ctx, kind, file, eg_buf_str(&text), p);
}

eg_err eg_policy_read_text(eg_policy_kind kind, const char *file, eg_str text, eg_policy_sink to, eg_problem *p) {
    eg_policy_at at = {.name = file};
    EG_JSON_AUTO json = NULL;
    eg_problem why = {0};
    if (eg_json_parse(text, EG_POLICY_FILE_BYTES_MAX, &json, &why) != EG_OK) {
        return eg_policy_refuse(&at, p, "%s", why.message);
    }
    const json_t *list = json_is_array(json) ? json : json_object_get(json, "value");
    if (!list) {
        return give(kind, file, json, to, p);
    }
    if (!json_is_array(list) || json_array_size(list) > EG_POLICY_ROWS_MAX) {
        return eg_policy_refuse(&at, p, "A list of at most %d documents is expected in \"value\".", EG_POLICY_ROWS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        EG_TRY(give(kind, file, json_array_get(list, i), to, p));
    }
    return EG_OK;
}

static eg_err composed(const eg_policy_document *d, const json_t *v, eg_str scope, eg_buf *ret, eg_problem *p) {
    eg_policy_at at = {.name = d->name}, here = {.up = &at, .name = "name"};
    const eg_str name = eg_json_str(v, "name");
    if (name.len == 0 || name.len > 128 || memchr(name.ptr, '/', name.len)) {
        return eg_policy_refuse(&here, p, "A name of 1 to 128 characters without a slash is expected here.");
    }
    return eg_buf_addf(ret, "%.*s/providers/%s/%.*s", EG_FMT(scope), eg_policy_types[d->kind], EG_FMT(name));
}

eg_err eg_policy_document_id(const eg_policy_document *d, eg_buf *ret, eg_problem *p) {
    eg_policy_at at = {.name = d->name}, here = {.up = &at, .name = "id"};
    EG_JSON_AUTO v = NULL;
    eg_problem why = {0};
    if (eg_json_parse(d->text, EG_POLICY_FILE_BYTES_MAX, &v, &why) != EG_OK) {
        return eg_policy_refuse(&at, p, "%s", why.message);
    }
    if (d->kind == EG_POLICY_ROLES) {
        return composed(d, v, (eg_str){"", 0}, ret, p);
    }
    eg_str id = eg_json_str(v, "id"), scope = eg_json_str(json_object_get(v, "properties"), "scope");
    while (scope.len > 0 && scope.ptr[scope.len - 1] == '/') {
        scope.len--;
    }
    if (!id.ptr && scope.len > 0 && scope.len <= 1024) {
        return composed(d, v, scope, ret, p);
    }
    while (id.len > 0 && id.ptr[id.len - 1] == '/') {
        id.len--; /* of slashes alone nothing is left */
    }
    if (id.len < 2 || id.len > EG_POLICY_ID_MAX || id.ptr[0] != '/') {
        return eg_policy_refuse(&here, p, "The document's resource id is expected here.");
    }
    return eg_buf_add(ret, id.ptr, id.len);
}
