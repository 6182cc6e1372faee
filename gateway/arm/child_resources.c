/* Rules of a security group and subnets of a virtual network: resources of their own in the API, members of their parent's document here. */
#include "document.h"

#include <stdio.h>

/* Which member of which parent a row's path means. */
typedef struct child_type {
    const char *segment;        /* of the path */
    const char *parent;         /* type */
    const char *member;         /* of the parent's properties, as answers have them */
} child_type;

static const child_type children[] = {
    {"/securityRules", "Microsoft.Network/networkSecurityGroups", "securityRules"},
    {"/defaultSecurityRules", "Microsoft.Network/networkSecurityGroups", "defaultSecurityRules"},
    {"/subnets", "Microsoft.Network/virtualNetworks", "subnets"},
};

static const child_type *child_of(const eg_request *rq) {
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
        if (strstr(rq->route->pattern, children[i].segment)) {
            return &children[i];
        }
    }
    return NULL;
}

/* subscription, group, parent[, child]: the row's parameters. */
static eg_str child_name(const eg_request *rq) {
    return rq->params[3];
}

static eg_err parent_id(eg_request *rq, eg_str *ret) {
    EG_TRY(eg_arm_path_id(rq, ret));
    *ret = eg_arm_first_segments(*ret, 8);
    return EG_OK;
}

/* The parent as it is stored. */
static eg_err get_parent(eg_request *rq, const child_type *c, json_t **ret) {
    eg_str id;
    EG_TRY(parent_id(rq, &id));
    return eg_arm_doc_get(rq, eg_arm_type_named(c->parent), id, ret);
}

static json_t *list_of(const json_t *parent, const char *member) {
    return json_object_get(json_object_get(parent, "properties"), member);
}

static size_t position(const json_t *list, eg_str name) {
    size_t i = 0;
    while (i < json_array_size(list) && !eg_str_ieq(eg_json_str(json_array_get(list, i), "name"), name)) {
        i++;
    }
    return i;
}

static eg_err child_not_found(eg_request *rq, const child_type *c) {
    return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "The resource '%s/%s/%.*s' was not found.", c->parent, c->member, EG_FMT(child_name(rq)));
}

static eg_err shown_list(eg_request *rq, const child_type *c, const json_t *parent, json_t **ret) {
    EG_JSON_AUTO v = NULL;
    EG_TRY(eg_arm_doc_shown(rq, eg_arm_type_named(c->parent), parent, &v));
    *ret = json_incref(list_of(v, c->member));
    return *ret ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err respond_child(eg_request *rq, const child_type *c, int status, const json_t *parent) {
    EG_JSON_AUTO list = NULL;
    EG_TRY(shown_list(rq, c, parent, &list));
    json_t *child = json_array_get(list, position(list, child_name(rq)));
    return child ? eg_respond_json(rq, status, json_incref(child)) : child_not_found(rq, c);
}

eg_err eg_arm_child_list_end(eg_request *rq) {
    const child_type *c = child_of(rq);
    EG_JSON_AUTO parent = NULL;
    json_t *list = NULL;
    EG_TRY(get_parent(rq, c, &parent));
    EG_TRY(shown_list(rq, c, parent, &list));
    return eg_arm_respond_list(rq, list);
}

eg_err eg_arm_child_get_end(eg_request *rq) {
    const child_type *c = child_of(rq);
    EG_JSON_AUTO parent = NULL;
    EG_TRY(get_parent(rq, c, &parent));
    return respond_child(rq, c, 200, parent);
}

/* The parent with the child put into it; true in *ret_new when it wasn't there. */
static eg_err put_into(const eg_request *rq, const child_type *c, json_t *parent, json_t *child, bool *ret_new) {
    json_t *properties = json_object_get(parent, "properties"), *list = json_object_get(properties, c->member);
    const eg_str name = child_name(rq);
    if (!list && json_object_set_new(properties, c->member, list = json_array()) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    const size_t at = position(list, name);
    *ret_new = at == json_array_size(list);
    /* What is there keeps the spelling of its name. */
    json_t *kept = json_object_get(json_array_get(list, at), "name");
    int failed = kept ? json_object_set(child, "name", kept) : json_object_set_new(child, "name", json_stringn(name.ptr, name.len));
    (void)json_object_del(child, "id");
    failed |= *ret_new ? json_array_append(list, child) : json_array_set(list, at, child);
    return failed ? EG_ERR_NO_MEMORY : EG_OK;
}

static eg_err attempt_put(eg_request *rq) {
    const child_type *c = child_of(rq);
    const eg_arm_type *t = eg_arm_type_named(c->parent);
    const uint64_t version = eg_arm_doc_version(rq);
    EG_JSON_AUTO before = NULL;
    EG_JSON_AUTO child = NULL;
    bool is_new = false, pending = false;
    EG_TRY(eg_arm_doc_body(rq, &child));
    EG_TRY(get_parent(rq, c, &before));
    EG_TRY(eg_arm_doc_condition(rq, before));
    EG_JSON_AUTO after = json_deep_copy(before);
    EG_TRY(put_into(rq, c, after, child, &is_new));
    EG_TRY(t->prepare(rq, after, before));
    const eg_arm_edit edit = {.type = t, .put = after, .version = version, .part = true, .status = is_new ? 201 : 200};
    EG_TRY(eg_arm_doc_edit(rq, &edit, &pending));
    return pending ? EG_OK : respond_child(rq, c, edit.status, after);
}

eg_err eg_arm_child_put_end(eg_request *rq) {
    return eg_arm_try(rq, attempt_put);
}

static eg_err attempt_delete(eg_request *rq) {
    const child_type *c = child_of(rq);
    const eg_arm_type *t = eg_arm_type_named(c->parent);
    const uint64_t version = eg_arm_doc_version(rq);
    EG_JSON_AUTO before = NULL;
    bool pending = false;
    eg_err e = get_parent(rq, c, &before);
    if (e != EG_OK && e != t->not_found) {
        return e;
    }
    const size_t at = position(list_of(before, c->member), child_name(rq));
    if (e != EG_OK || at == json_array_size(list_of(before, c->member))) {
        return eg_respond_empty(rq, 204);
    }
    EG_TRY(eg_arm_doc_condition(rq, before));
    EG_JSON_AUTO after = json_deep_copy(before);
    if (json_array_remove(list_of(after, c->member), at) != 0) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(t->prepare(rq, after, before));
    const eg_arm_edit edit = {.type = t, .put = after, .version = version, .part = true, .status = 200};
    EG_TRY(eg_arm_doc_edit(rq, &edit, &pending));
    return pending ? EG_OK : eg_respond_empty(rq, 200);
}

eg_err eg_arm_child_delete_end(eg_request *rq) {
    return eg_arm_try(rq, attempt_delete);
}
