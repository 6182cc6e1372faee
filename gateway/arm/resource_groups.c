/* Resource groups: there is one wherever a resource is, of the configuration or a document. */
#include "document.h"

#define READ "Microsoft.Resources/subscriptions/resourceGroups/read"

static eg_err add_group(json_t *to, eg_str id) {
    eg_str group = eg_arm_first_segments(id, 4), rest = group;
    (void)eg_str_cut(&rest, '/');
    (void)eg_str_cut(&rest, '/');
    (void)eg_str_cut(&rest, '/');
    if (!rest.ptr || !eg_str_ieq(eg_str_cut(&rest, '/'), EG_LIT("resourceGroups")) || rest.len == 0 || memchr(rest.ptr, '/', rest.len)) {
        return EG_OK; /* directly beneath the subscription */
    }
    for (size_t i = 0; i < json_array_size(to); i++) {
        if (eg_str_ieq(eg_json_str(json_array_get(to, i), "id"), group)) {
            return EG_OK;
        }
    }
    json_t *one = json_pack("{s:s%,s:s%,s:s,s:s,s:{},s:{s:s}}", "id", group.ptr, group.len, "name", rest.ptr, rest.len, "type", "Microsoft.Resources/resourceGroups",
                            "location", EG_ARM_LOCATION, "tags", "properties", "provisioningState", "Succeeded");
    return json_array_append_new(to, one) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err add_configured(const eg_request *rq, json_t *to) {
    const eg_arm *a = rq->room;
    const eg_config *c = a->o.config;
    for (size_t i = 0; i < c->cluster_count + c->account_count; i++) {
        const bool cluster = i < c->cluster_count;
        const eg_config_account *account = cluster ? NULL : &c->accounts[i - c->cluster_count];
        const char *tenant = cluster ? c->clusters[i].tenant : account->tenant;
        if (eg_str_ieq(eg_str_of(tenant), rq->tenant)) {
            const eg_str id = eg_arena_printf(rq->arena, "/subscriptions/%s/resourceGroups/%s", cluster ? c->clusters[i].subscription : account->subscription,
                                              cluster ? c->clusters[i].resource_group : account->resource_group);
            EG_TRY(id.ptr ? add_group(to, id) : EG_ERR_LIMIT);
        }
    }
    return EG_OK;
}

static eg_err groups_of(eg_request *rq, json_t **ret) {
    static const eg_policy_kind kinds[] = {EG_POLICY_GROUPS, EG_POLICY_VNETS};
    EG_JSON_AUTO list = json_array();
    EG_TRY(list ? add_configured(rq, list) : EG_ERR_NO_MEMORY);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        EG_JSON_AUTO all = NULL;
        EG_TRY(eg_arm_doc_all(rq, kinds[k], &all));
        for (size_t i = 0; i < json_array_size(all); i++) {
            EG_TRY(add_group(list, eg_json_str(json_array_get(all, i), "id")));
        }
    }
    *ret = json_incref(list);
    return EG_OK;
}

/* Of this subscription, those that the asker may read. */
eg_err eg_arm_group_list(eg_request *rq) {
    EG_JSON_AUTO all = NULL;
    json_t *list = json_array();
    eg_err e = groups_of(rq, &all);
    for (size_t i = 0; e == EG_OK && list && i < json_array_size(all); i++) {
        json_t *one = json_array_get(all, i);
        if (eg_arm_within(eg_arm_first_segments(rq->path, 2), eg_json_str(one, "id")) && eg_arm_may(rq, READ, json_string_value(json_object_get(one, "id")))) {
            e = json_array_append(list, one) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
        }
    }
    if (e != EG_OK) {
        json_decref(list);
        return e;
    }
    return eg_arm_respond_list(rq, list);
}

eg_err eg_arm_group_get(eg_request *rq) {
    EG_JSON_AUTO all = NULL;
    EG_TRY(groups_of(rq, &all));
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *one = json_array_get(all, i);
        if (eg_str_ieq(eg_json_str(one, "id"), rq->path)) {
            return eg_respond_json(rq, 200, json_incref(one));
        }
    }
    return eg_fail(&rq->problem, EG_ERR_RESOURCE_GROUP_NOT_FOUND, "Resource group '%.*s' could not be found.", EG_FMT(rq->params[1]));
}
