/* Reading, listing, making and deleting of whatever is a document, by the table of types. */
#include "document.h"

#include <stdio.h>

/* By what the route's pattern names; whatever else is listed knows no clause. */
static unsigned lists_of(const char *pattern) {
    static const struct { const char *part; unsigned lists; } table[] = {
        {"/v1.0/", EG_ARM_FILTER_GRAPH}, {"/policyStates/", EG_ARM_FILTER_STATES}, {"Microsoft.Authorization/policy", EG_ARM_FILTER_POLICIES}, {"Microsoft.Authorization/", EG_ARM_FILTER_ROLES},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strstr(pattern, table[i].part)) {
            return table[i].lists;
        }
    }
    return 0;
}

eg_err eg_arm_filter_of(eg_request *rq, eg_arm_filter *ret) {
    eg_str text = {"", 0};
    eg_err e = eg_request_query(rq, "$filter", &text);
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    EG_TRY(eg_arm_filter_parse(rq->arena, text, ret, &rq->problem));
    return text.len == 0 || (ret->lists & lists_of(rq->route->pattern)) ? EG_OK
                                                                        : eg_fail(&rq->problem, EG_ERR_RESOURCE_FILTER, "The $filter is not supported: it has a name that this list does not know.");
}

eg_err eg_arm_doc_shown(eg_request *rq, const eg_arm_type *t, const json_t *doc, json_t **ret) {
    EG_JSON_AUTO v = json_deep_copy(doc);
    char etag[EG_UUID_LEN + 4];
    if (!v || json_object_set_new(v, "type", json_string(t->type)) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    if (t->etags) {
        eg_arm_etag(doc, etag);
        (void)json_object_set_new(v, "etag", json_string(etag));
    }
    if (t->show) {
        EG_TRY(t->show(rq, v));
    }
    *ret = json_incref(v);
    return EG_OK;
}

eg_err eg_arm_doc_respond(eg_request *rq, const eg_arm_type *t, int status, json_t *taken) {
    EG_JSON_AUTO doc = taken;
    json_t *v = NULL;
    EG_TRY(eg_arm_doc_shown(rq, t, doc, &v));
    if (t->etags) {
        eg_str etag = eg_json_str(v, "etag");
        eg_err e = eg_response_header(rq, "ETag", "%.*s", EG_FMT(etag));
        if (e != EG_OK) {
            json_decref(v);
            return e;
        }
    }
    return eg_respond_json(rq, status, v);
}

/* Where a list was asked for: what stands before "/providers/{type}" in its path, "/subscriptions/{s}[/resourceGroups/{g}]" or any resource. */
static eg_str list_scope(const eg_request *rq) {
    const size_t tail = sizeof "/providers/Microsoft.Network/" - 1;
    if (eg_str_starts(eg_str_of(rq->route->pattern), "/{*")) {
        return rq->params[0];
    }
    size_t at = rq->path.len;
    for (size_t i = 0; i + tail < rq->path.len; i++) {
        if (eg_str_ieq((eg_str){rq->path.ptr + i, sizeof "/providers/" - 1}, EG_LIT("/providers/"))) {
            at = i;
        }
    }
    return (eg_str){rq->path.ptr, at};
}

/* A list that any principal of the tenant may ask for shows what the asker may read; else the route has decided, or the type's own way of listing. */
static bool may_see(eg_request *rq, const eg_arm_type *t, const json_t *doc) {
    char action[160];
    if (!(rq->route->flags & EG_ROUTE_ANY_PRINCIPAL) || t->listed) {
        return true;
    }
    snprintf(action, sizeof action, "%s/read", t->type);
    return eg_arm_may(rq, action, json_string_value(json_object_get(doc, "id")));
}

eg_err eg_arm_doc_list_end(eg_request *rq) {
    const eg_arm_type *t = eg_arm_type_of(rq);
    EG_JSON_AUTO all = NULL;
    EG_JSON_AUTO list = json_array();
    eg_arm_filter f;
    const eg_str scope = list_scope(rq);
    EG_TRY(eg_arm_filter_of(rq, &f));
    EG_TRY(eg_arm_doc_all(rq, t->kind, &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *doc = json_array_get(all, i);
        const bool listed = t->listed ? t->listed(rq, doc, scope, &f) : eg_arm_within(scope, eg_json_str(doc, "id"));
        json_t *v = NULL;
        if (!listed || !may_see(rq, t, doc)) {
            continue;
        }
        EG_TRY(eg_arm_doc_shown(rq, t, doc, &v));
        if (json_array_append_new(list, v) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    return eg_arm_respond_list(rq, json_incref(list));
}

eg_err eg_arm_doc_get_end(eg_request *rq) {
    const eg_arm_type *t = eg_arm_type_of(rq);
    json_t *doc = NULL;
    eg_str id;
    EG_TRY(eg_arm_path_id(rq, &id));
    EG_TRY(eg_arm_doc_get(rq, t, id, &doc));
    return eg_arm_doc_respond(rq, t, 200, doc);
}

static eg_err set_text(json_t *v, const char *name, eg_str text) {
    return json_object_set_new(v, name, json_stringn(text.ptr, text.len)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

/* The document under the id that it has, or that its path gives it; what is there keeps its spelling. */
static eg_err complete(eg_request *rq, const eg_arm_type *t, json_t *doc, const json_t *before, eg_str id) {
    const eg_str kept = eg_json_str(before, "id");
    id = kept.len > 0 ? kept : id;
    EG_TRY(set_text(doc, "id", id));
    EG_TRY(set_text(doc, "name", eg_arm_last_segment(id)));
    EG_TRY(set_text(doc, "type", eg_str_of(t->type)));
    eg_arm_drop(json_object_get(doc, "properties"), t->read_only);
    return t->prepare ? t->prepare(rq, doc, before) : EG_OK;
}

static eg_err attempt_put(eg_request *rq) {
    const eg_arm_type *t = eg_arm_type_of(rq);
    const uint64_t version = eg_arm_doc_version(rq);
    EG_JSON_AUTO doc = NULL;
    EG_JSON_AUTO before = NULL;
    bool pending = false;
    eg_str id;
    EG_TRY(eg_arm_path_id(rq, &id));
    EG_TRY(eg_arm_doc_body(rq, &doc));
    eg_err e = eg_arm_doc_get(rq, t, id, &before);
    if (e != EG_OK && e != t->not_found) {
        return e;
    }
    rq->problem = (eg_problem){0};
    if (t->etags) {
        EG_TRY(eg_arm_doc_condition(rq, before));
    }
    EG_TRY(complete(rq, t, doc, before, id));
    const int status = before && t->etags ? 200 : 201;
    const eg_arm_edit edit = {.type = t, .put = doc, .version = version, .status = status};
    EG_TRY(eg_arm_doc_edit(rq, &edit, &pending));
    return pending ? EG_OK : eg_arm_doc_respond(rq, t, status, json_incref(doc));
}

eg_err eg_arm_doc_put_end(eg_request *rq) {
    return eg_arm_try(rq, attempt_put);
}

static eg_err attempt_delete(eg_request *rq) {
    const eg_arm_type *t = eg_arm_type_of(rq);
    const uint64_t version = eg_arm_doc_version(rq);
    EG_JSON_AUTO doc = NULL;
    bool pending = false;
    eg_str id;
    EG_TRY(eg_arm_path_id(rq, &id));
    eg_err e = eg_arm_doc_get(rq, t, id, &doc);
    if (e == t->not_found) {
        return eg_respond_empty(rq, 204);
    }
    EG_TRY(e);
    if (t->etags) {
        EG_TRY(eg_arm_doc_condition(rq, doc));
    }
    if (t->leave) {
        EG_TRY(t->leave(rq, doc));
    }
    const eg_arm_edit edit = {.type = t, .id = id, .version = version, .status = 200};
    EG_TRY(eg_arm_doc_edit(rq, &edit, &pending));
    if (pending) {
        return EG_OK;
    }
    /* Microsoft.Authorization answers with what was deleted, Microsoft.Network with nothing. */
    return t->etags ? eg_respond_empty(rq, 200) : eg_arm_doc_respond(rq, t, 200, json_incref(doc));
}

eg_err eg_arm_doc_delete_end(eg_request *rq) {
    return eg_arm_try(rq, attempt_delete);
}
