/* Documents of the policy store on behalf of a request: found, told apart by tenant, changed with their record. */
#include "document.h"

#include <embergate/encoding.h>

#include <stdio.h>

#define ATTEMPTS_MAX 16

/* What every resource's answer has and no document keeps. */
static const char *const read_only_members[] = {"etag", "systemData", "managedBy", NULL};

eg_err eg_arm_path_id(eg_request *rq, eg_str *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf id;
    eg_buf_init(&id, EG_ARM_ID_MAX);
    eg_str rest = eg_str_of(rq->route->pattern);
    size_t n = 0;
    (void)eg_str_cut(&rest, '/');
    while (rest.ptr) {
        eg_str segment = eg_str_cut(&rest, '/');
        const bool head = eg_str_starts(segment, "{*");
        eg_str given = segment.ptr[0] == '{' ? rq->params[n++] : segment;
        if (given.len == 0 || (!head && eg_buf_adds(&id, "/") != EG_OK) || eg_buf_add(&id, given.ptr, given.len) != EG_OK) {
            return eg_fail(&rq->problem, EG_ERR_PATH_INVALID, "The resource's id may have at most %d bytes.", EG_ARM_ID_MAX);
        }
    }
    *ret = eg_arena_str(rq->arena, eg_buf_str(&id));
    return ret->ptr ? EG_OK : EG_ERR_LIMIT;
}

static eg_err fail_not_found(eg_request *rq, const eg_arm_type *t, eg_str id) {
    const eg_str name = eg_arm_last_segment(id);
    return eg_fail(&rq->problem, t->not_found, "The resource '%s/%.*s' was not found.", t->type, EG_FMT(name));
}

/* A role's document has no scope in its id: whose it is, its assignable scopes say. */
static bool is_own(const eg_request *rq, eg_policy_kind kind, const json_t *doc, eg_str id) {
    return kind == EG_POLICY_ROLES ? eg_arm_role_visible(rq, doc) : eg_arm_own_scope(rq, id);
}

eg_err eg_arm_doc_get(eg_request *rq, const eg_arm_type *t, eg_str id, json_t **ret) {
    const eg_arm *a = rq->room;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_JSON_AUTO doc = NULL;
    eg_buf_init(&text, EG_ARM_BODY_MAX);
    eg_err e = a->o.policies ? eg_policy_store_get(a->o.policies, t->kind, id, &text) : EG_ERR_NOT_FOUND;
    if (e == EG_OK) {
        EG_TRY(eg_json_parse(eg_buf_str(&text), EG_ARM_BODY_MAX, &doc, NULL));
        e = is_own(rq, t->kind, doc, id) ? EG_OK : EG_ERR_NOT_FOUND;
    }
    if (e == EG_ERR_NOT_FOUND) {
        return fail_not_found(rq, t, id);
    }
    EG_TRY(e);
    *ret = json_incref(doc);
    return EG_OK;
}

typedef struct collecting {
    const eg_request *rq;
    eg_policy_kind kind;
    json_t *list;
} collecting;

static eg_err collect(void *ctx, eg_str text) {
    const collecting *c = ctx;
    EG_JSON_AUTO doc = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf id;
    eg_buf_init(&id, EG_POLICY_ID_MAX);
    EG_TRY(eg_json_parse(text, EG_ARM_BODY_MAX, &doc, NULL));
    EG_TRY(eg_policy_document_id(&(eg_policy_document){.kind = c->kind, .name = "document", .text = text}, &id, NULL));
    if (!is_own(c->rq, c->kind, doc, eg_buf_str(&id))) {
        return EG_OK;
    }
    if (!json_object_get(doc, "id") && json_object_set_new(doc, "id", json_stringn(id.ptr, id.len)) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    return json_array_append(c->list, doc) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_arm_doc_all(eg_request *rq, eg_policy_kind kind, json_t **ret) {
    const eg_arm *a = rq->room;
    EG_JSON_AUTO list = json_array();
    collecting c = {rq, kind, list};
    if (!list) {
        return EG_ERR_NO_MEMORY;
    }
    if (a->o.policies) {
        EG_TRY(eg_policy_store_each(a->o.policies, kind, collect, &c));
    }
    *ret = json_incref(list);
    return EG_OK;
}

void eg_arm_drop(json_t *from, const char *const *names) {
    for (; from && names && *names; names++) {
        (void)json_object_del(from, *names);
    }
}

/* SDKs send null for what they leave out. The parser bounds the depth. */
static void drop_nulls(json_t *v) {
    const char *name;
    json_t *member;
    void *next;
    if (json_is_object(v)) {
        json_object_foreach_safe(v, next, name, member) {
            if (json_is_null(member)) {
                (void)json_object_del(v, name);
            } else {
                drop_nulls(member);
            }
        }
    }
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) {
        drop_nulls(json_array_get(v, i));
    }
}

eg_err eg_arm_doc_body(eg_request *rq, json_t **ret) {
    EG_JSON_AUTO body = NULL;
    eg_problem why = {0};
    if (eg_json_parse(eg_bytes_str(rq->body), EG_ARM_BODY_MAX, &body, &why) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "The request content was invalid and could not be deserialized: %s", why.message);
    }
    if (!json_is_object(body)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "The request content must be an object.");
    }
    drop_nulls(body);
    eg_arm_drop(body, read_only_members);
    if (!json_object_get(body, "properties") && json_object_set_new(body, "properties", json_object()) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    if (!json_is_object(json_object_get(body, "properties"))) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "The member properties must be an object.");
    }
    *ret = json_incref(body);
    return EG_OK;
}

static void uuid_of(eg_bytes in, char ret[EG_UUID_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    char hex[33];
    eg_sha256(in, digest);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80); /* RFC 9562 section 5.8 */
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    eg_hex((eg_bytes){digest, 16}, hex);
    snprintf(ret, EG_UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void eg_arm_derived_uuid(eg_str text, char ret[EG_UUID_LEN]) {
    uuid_of(eg_str_bytes(text), ret);
}

void eg_arm_etag(const json_t *doc, char ret[EG_UUID_LEN + 4]) {
    char uuid[EG_UUID_LEN] = "";
    char *text = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
    if (text) {
        uuid_of(eg_str_bytes(eg_str_of(text)), uuid);
    }
    free(text);
    snprintf(ret, EG_UUID_LEN + 4, "W/\"%s\"", uuid);
}

/* RFC 9110 section 13.1: a list of tags, or any. Weak tags compare, as Azure has no others. */
static bool names_tag(eg_str header, const char *etag) {
    while (header.ptr) {
        eg_str one = eg_str_cut(&header, ',');
        while (one.len > 0 && one.ptr[0] == ' ') {
            one = (eg_str){one.ptr + 1, one.len - 1};
        }
        while (one.len > 0 && one.ptr[one.len - 1] == ' ') {
            one.len--;
        }
        if (eg_str_is(one, "*") || eg_str_is(one, etag) || eg_str_is(one, etag + 2)) {
            return true;
        }
    }
    return false;
}

eg_err eg_arm_doc_condition(eg_request *rq, const json_t *before) {
    const eg_str match = eg_request_header(rq, "If-Match"), none = eg_request_header(rq, "If-None-Match");
    char etag[EG_UUID_LEN + 4] = "";
    if (before) {
        eg_arm_etag(before, etag);
    }
    if (match.ptr && (!before || !names_tag(match, etag))) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_ETAG, "The etag of If-Match is not that of the resource.");
    }
    if (none.ptr && before && names_tag(none, etag)) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_ETAG, "The resource exists, which If-None-Match excludes.");
    }
    return EG_OK;
}

uint64_t eg_arm_doc_version(const eg_request *rq) {
    const eg_arm *a = rq->room;
    return a->o.policies ? eg_policy_store_version(a->o.policies) : 0;
}

/* What the store's refusals lack for somebody who sees only the answer: where. */
static eg_err explain(eg_request *rq, eg_err e) {
    eg_problem *p = &rq->problem;
    return e == EG_ERR_POLICY_INVALID && p->where[0] ? eg_fail(p, e, "%s: %s", p->where, p->message) : e;
}

static eg_err respond_pending(eg_request *rq, const char *id) {
    EG_TRY(eg_response_header(rq, "x-embergate-pending-change", "%s", id));
    return eg_respond_json(rq, 202, json_pack("{s:s,s:{s:s}}", "status", "Accepted", "properties", "pendingChange", id));
}

eg_err eg_arm_doc_edit(eg_request *rq, const eg_arm_edit *e, bool *ret_pending) {
    const eg_arm *a = rq->room;
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_ARM_BODY_MAX);
    if (!a->o.policies) {
        return eg_fail(&rq->problem, EG_ERR_NOT_BUILT, "There is no policy store to write to.");
    }
    if (e->put) {
        EG_TRY(eg_json_write(e->put, &text));
    }
    const eg_policy_put put = {.kind = e->type->kind, .text = eg_buf_str(&text), .name = NULL};
    const eg_policy_delete gone = {.kind = e->type->kind, .id = e->id};
    const eg_policy_change change = {.author = rq->principal, .ticket = eg_request_header(rq, "x-embergate-ticket"),
                                     .justification = eg_request_header(rq, "x-embergate-justification"), .puts = &put, .put_count = e->put ? 1 : 0, .deletes = &gone,
                                     .delete_count = e->put ? 0 : 1, .expected_version = e->version};
    if (!e->part) {
        EG_TRY(explain(rq, eg_policy_store_may_change(a->o.policies, rq->principal, &change, &rq->problem)));
    }
    eg_policy_request_record state = {rq, e->status};
    const eg_policy_recorder recorder = eg_policy_request_recorder(&state);
    eg_policy_changed done = {0};
    EG_TRY(explain(rq, eg_policy_store_change(a->o.policies, &change, &recorder, &done, &rq->problem)));
    *ret_pending = done.pending[0] != '\0';
    return *ret_pending ? respond_pending(rq, done.pending) : EG_OK;
}

eg_err eg_arm_try(eg_request *rq, eg_err (*attempt)(eg_request *rq)) {
    eg_err e = EG_ERR_POLICY_VERSION;
    for (int i = 0; i < ATTEMPTS_MAX && e == EG_ERR_POLICY_VERSION; i++) {
        rq->problem = (eg_problem){0};
        e = attempt(rq);
    }
    return e;
}
