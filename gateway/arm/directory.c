/* Of Microsoft Graph, what az asks to turn names of local principals into object ids and back. */
#include "document.h"

#include "../identity/local_principal.h"

#define IDS_MAX 1000

static json_t *entry(const eg_local_principal *l) {
    const bool user = l->kind == EG_PRINCIPAL_USER;
    json_t *v = json_pack("{s:s,s:s,s:s}", "@odata.type", user ? "#microsoft.graph.user" : "#microsoft.graph.servicePrincipal", "id", l->object_id, "displayName", l->name);
    if (v && user) {
        (void)json_object_set_new(v, "userPrincipalName", json_string(l->name));
    } else if (v) {
        (void)json_object_set_new(v, "appId", json_string(l->client_id));
        (void)json_object_set_new(v, "servicePrincipalType", json_string("Application"));
        (void)json_object_set_new(v, "servicePrincipalNames", json_pack("[s]", l->client_id));
    }
    return v;
}

typedef struct search {
    const eg_request *rq;
    bool (*fits)(const struct search *s, const eg_local_principal *l);
    const eg_arm_filter *filter;
    const json_t *ids;
    json_t *found;
} search;

static eg_err look(void *ctx, const eg_local_principal *l) {
    search *s = ctx;
    if (!eg_str_ieq(eg_str_of(l->tenant), s->rq->tenant) || !s->fits(s, l)) {
        return EG_OK;
    }
    return json_array_append_new(s->found, entry(l)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err respond(eg_request *rq, search *s) {
    const eg_arm *a = rq->room;
    s->rq = rq;
    s->found = json_array();
    eg_err e = !s->found ? EG_ERR_NO_MEMORY : a->o.kv ? eg_local_principal_each(a->o.kv, look, s) : EG_OK;
    if (e != EG_OK) {
        json_decref(s->found);
        return e;
    }
    return eg_respond_json(rq, 200, json_pack("{s:o}", "value", s->found));
}

static bool among_ids(const search *s, const eg_local_principal *l) {
    for (size_t i = 0; i < json_array_size(s->ids); i++) {
        const char *id = json_string_value(json_array_get(s->ids, i));
        if (id && eg_str_ieq(eg_str_of(id), eg_str_of(l->object_id))) {
            return true;
        }
    }
    return false;
}

eg_err eg_arm_directory_by_ids(eg_request *rq) {
    EG_JSON_AUTO body = NULL;
    eg_problem why = {0};
    if (eg_json_parse(eg_bytes_str(rq->body), (size_t)1 << 17, &body, &why) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "%s", why.message);
    }
    const json_t *ids = json_object_get(body, "ids");
    if (!json_is_array(ids) || json_array_size(ids) > IDS_MAX) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "ids: a list of at most %d object ids is expected.", IDS_MAX);
    }
    search s = {.fits = among_ids, .ids = ids};
    return respond(rq, &s);
}

static bool is_service(const search *s, const eg_local_principal *l) {
    const eg_arm_filter *f = s->filter;
    return l->kind == EG_PRINCIPAL_SERVICE && (!f->service_name.ptr || eg_str_ieq(f->service_name, eg_str_of(l->client_id))) &&
           (!f->app_id.ptr || eg_str_ieq(f->app_id, eg_str_of(l->client_id))) && (!f->display_name.ptr || eg_str_ieq(f->display_name, eg_str_of(l->name))) &&
           (!f->object_id.ptr || eg_str_ieq(f->object_id, eg_str_of(l->object_id)));
}

eg_err eg_arm_directory_service_principals(eg_request *rq) {
    eg_arm_filter f;
    EG_TRY(eg_arm_filter_of(rq, &f));
    search s = {.fits = is_service, .filter = &f};
    return respond(rq, &s);
}

static bool is_user(const search *s, const eg_local_principal *l) {
    const eg_arm_filter *f = s->filter;
    return l->kind == EG_PRINCIPAL_USER && (!f->user_name.ptr || eg_str_ieq(f->user_name, eg_str_of(l->name))) &&
           (!f->display_name.ptr || eg_str_ieq(f->display_name, eg_str_of(l->name))) && (!f->object_id.ptr || eg_str_ieq(f->object_id, eg_str_of(l->object_id)));
}

eg_err eg_arm_directory_users(eg_request *rq) {
    eg_arm_filter f;
    EG_TRY(eg_arm_filter_of(rq, &f));
    search s = {.fits = is_user, .filter = &f};
    return respond(rq, &s);
}
