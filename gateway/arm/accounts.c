/* Storage accounts of the configuration as resources of Microsoft.Storage; who reaches them over the network is a document of the policies. */
#include "document.h"

#include <stdio.h>

static void account_id(const eg_config_account *c, char ret[EG_ARM_ID_MAX]) {
    snprintf(ret, EG_ARM_ID_MAX, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s", c->subscription, c->resource_group, c->name);
}

/* "https://{account}.blob.{domain}:{port}/", or path style where there is no domain. */
static json_t *endpoint(const eg_config *c, const char *account, const char *service) {
    eg_str port = eg_str_of(c->public_url);
    (void)eg_str_cut(&port, ':');
    if (port.ptr && memchr(port.ptr, ']', port.len)) {
        (void)eg_str_cut(&port, ']');
    }
    (void)eg_str_cut(&port, ':');
    return c->domain[0] ? json_sprintf("https://%s.%s.%s%s%.*s/", account, service, c->domain, port.ptr ? ":" : "", EG_FMT(port))
                        : json_sprintf("%s/%s/", c->public_url, account);
}

static json_t *service(void) {
    return json_pack("{s:b,s:s}", "enabled", 1, "keyType", "Account");
}

/* Everything is always sealed under the account's own key. */
static json_t *account(const eg_arm *a, const eg_config_account *c, const char *id) {
    json_t *properties = json_pack("{s:s,s:b,s:b,s:s,s:b,s:b,s:s,s:s,s:{s:s,s:{s:o}},s:{s:o,s:o}}", "provisioningState", "Succeeded", "isHnsEnabled", 1,
                                   "supportsHttpsTrafficOnly", c->https_only, "minimumTlsVersion", c->minimum_tls, "allowSharedKeyAccess", c->allow_shared_key,
                                   "allowBlobPublicAccess", 0, "primaryLocation", EG_ARM_LOCATION, "statusOfPrimary", "available", "encryption", "keySource",
                                   "Microsoft.Storage", "services", "blob", service(), "primaryEndpoints", "blob", endpoint(a->o.config, c->name, "blob"), "dfs",
                                   endpoint(a->o.config, c->name, "dfs"));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s},s:{},s:o}", "id", id, "name", c->name, "type", "Microsoft.Storage/storageAccounts", "location", EG_ARM_LOCATION, "kind",
                     "StorageV2", "sku", "name", "Standard_LRS", "tier", "Standard", "tags", "properties", properties);
}

#define TYPE "Microsoft.Storage/storageAccounts"
#define READ TYPE "/read"

/* The two properties that are policy, as Azure has them where nobody said anything. */
static eg_err add_network(eg_request *rq, const char *id, json_t *properties) {
    json_t *doc = NULL;
    const eg_err e = eg_arm_doc_get(rq, eg_arm_type_named(TYPE), eg_str_of(id), &doc);
    rq->problem = (eg_problem){0};
    if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
        return e;
    }
    EG_JSON_AUTO held = doc;
    json_t *stored = json_object_get(held, "properties"), *acls = json_object_get(stored, "networkAcls"), *access = json_object_get(stored, "publicNetworkAccess");
    int failed = json_object_set_new(properties, "networkAcls", acls ? json_deep_copy(acls)
                                     : json_pack("{s:s,s:s,s:[],s:[]}", "bypass", "AzureServices", "defaultAction", "Allow", "ipRules", "virtualNetworkRules"));
    failed |= json_object_set_new(properties, "publicNetworkAccess", access ? json_copy(access) : json_string("Enabled"));
    return failed ? EG_ERR_NO_MEMORY : EG_OK;
}

static eg_err whole(eg_request *rq, const eg_config_account *c, const char *id, json_t **ret) {
    json_t *v = account(rq->room, c, id);
    const eg_err e = v ? add_network(rq, id, json_object_get(v, "properties")) : EG_ERR_NO_MEMORY;
    if (e != EG_OK) {
        json_decref(v);
        return e;
    }
    *ret = v;
    return EG_OK;
}

eg_err eg_arm_account_list(eg_request *rq) {
    const eg_arm *a = rq->room;
    const eg_str scope = eg_arm_first_segments(rq->path, rq->params[1].ptr ? 4 : 2);
    json_t *list = json_array();
    for (size_t i = 0; list && i < a->o.config->account_count; i++) {
        const eg_config_account *c = &a->o.config->accounts[i];
        char id[EG_ARM_ID_MAX];
        account_id(c, id);
        if (eg_str_ieq(eg_str_of(c->tenant), rq->tenant) && eg_arm_within(scope, eg_str_of(id)) && eg_arm_may(rq, READ, id)) {
            json_t *one = NULL;
            const eg_err e = whole(rq, c, id, &one);
            if (e != EG_OK || json_array_append_new(list, one) != 0) {
                json_decref(list);
                return e == EG_OK ? EG_ERR_NO_MEMORY : e;
            }
        }
    }
    return eg_arm_respond_list(rq, list);
}

/* Of the path, in the request's tenant. */
static eg_err find(eg_request *rq, const eg_config_account **ret, char id[EG_ARM_ID_MAX]) {
    const eg_arm *a = rq->room;
    for (size_t i = 0; i < a->o.config->account_count; i++) {
        const eg_config_account *c = &a->o.config->accounts[i];
        account_id(c, id);
        if (eg_str_ieq(eg_str_of(c->tenant), rq->tenant) && eg_str_ieq(eg_str_of(id), rq->path)) {
            *ret = c;
            return EG_OK;
        }
    }
    return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "The resource '" TYPE "/%.*s' was not found.", EG_FMT(rq->params[2]));
}

eg_err eg_arm_account_get(eg_request *rq) {
    const eg_config_account *c = NULL;
    char id[EG_ARM_ID_MAX];
    json_t *v = NULL;
    EG_TRY(find(rq, &c, id));
    EG_TRY(whole(rq, c, id, &v));
    return eg_respond_json(rq, 200, v);
}

/* Says nothing that isn't so. Bodies are at most 64 levels deep. */
static bool repeats(const json_t *given, const json_t *shown) {
    const char *name;
    json_t *member;
    if (!json_is_object(given)) {
        return json_equal(given, shown);
    }
    json_object_foreach((json_t *)(uintptr_t)given, name, member) {
        if (!repeats(member, json_object_get(shown, name))) {
            return false;
        }
    }
    return true;
}

/* What comes from the configuration may be repeated and not changed: az sends it along. */
static eg_err check_rest(eg_request *rq, const json_t *given, const json_t *shown, bool properties) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)given, name, value) {
        const bool taken = properties ? strcmp(name, "networkAcls") == 0 || strcmp(name, "publicNetworkAccess") == 0 : strcmp(name, "properties") == 0;
        if (!taken && !repeats(value, json_object_get(shown, name))) {
            return eg_fail(&rq->problem, EG_ERR_RESOURCE_BODY, "%s%s: this comes from the server's configuration; networkAcls and publicNetworkAccess can be changed here.",
                           properties ? "properties." : "", name);
        }
    }
    return EG_OK;
}

static eg_err check_subnets(eg_request *rq, const json_t *acls) {
    const json_t *rules = json_object_get(acls, "virtualNetworkRules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const eg_str id = eg_json_str(json_array_get(rules, i), "id");
        if (!eg_arm_own_scope(rq, id)) {
            return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "The subnet '%.*s' was not found.", EG_FMT(id));
        }
    }
    return EG_OK;
}

static eg_err attempt_patch(eg_request *rq) {
    static const char *const members[] = {"networkAcls", "publicNetworkAccess"};
    const eg_arm_type *t = eg_arm_type_named(TYPE);
    const uint64_t version = eg_arm_doc_version(rq);
    const eg_config_account *c = NULL;
    char id[EG_ARM_ID_MAX];
    bool pending = false;
    EG_JSON_AUTO body = NULL;
    EG_JSON_AUTO shown = NULL;
    EG_TRY(find(rq, &c, id));
    EG_TRY(whole(rq, c, id, &shown));
    EG_TRY(eg_arm_doc_body(rq, &body));
    const json_t *given = json_object_get(body, "properties"), *now = json_object_get(shown, "properties");
    EG_TRY(check_rest(rq, body, shown, false));
    EG_TRY(check_rest(rq, given, now, true));
    EG_TRY(check_subnets(rq, json_object_get(given, "networkAcls")));
    EG_JSON_AUTO doc = json_pack("{s:s,s:s,s:s,s:{}}", "id", id, "name", c->name, "type", TYPE, "properties");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *value = json_object_get(given, members[i]);
        if (json_object_set(json_object_get(doc, "properties"), members[i], value ? value : json_object_get(now, members[i])) != 0) {
            return EG_ERR_NO_MEMORY;
        }
    }
    const eg_arm_edit edit = {.type = t, .put = doc, .version = version, .part = true, .status = 200};
    EG_TRY(eg_arm_doc_edit(rq, &edit, &pending));
    return pending ? EG_OK : eg_arm_account_get(rq);
}

/* Who reaches the account over the network. */
eg_err eg_arm_account_patch(eg_request *rq) {
    return eg_arm_try(rq, attempt_patch);
}
