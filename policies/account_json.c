/* What networkAcls and publicNetworkAccess of storage accounts say, from Azure's JSON shape. */
#include "policy_model.h"

#define RULES_MAX 400 /* Azure's own bound, of each kind */

static const eg_policy_field account_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED},
    {"location", EG_FIELD_TOLERATED}, {"tags", EG_FIELD_TOLERATED}, {"sku", EG_FIELD_TOLERATED}, {"kind", EG_FIELD_TOLERATED}, {"etag", EG_FIELD_TOLERATED},
    {"systemData", EG_FIELD_TOLERATED}, {NULL, 0},
};

/* Only these two are taken from here; what the configuration says of an account (allowSharedKeyAccess, …) would be believed to be in force. */
static const eg_policy_field property_fields[] = {
    {"networkAcls", EG_FIELD_USED}, {"publicNetworkAccess", EG_FIELD_USED}, {"provisioningState", EG_FIELD_TOLERATED}, {"creationTime", EG_FIELD_TOLERATED},
    {"primaryLocation", EG_FIELD_TOLERATED}, {"statusOfPrimary", EG_FIELD_TOLERATED}, {"primaryEndpoints", EG_FIELD_TOLERATED},
    {"privateEndpointConnections", EG_FIELD_EMPTY}, {NULL, 0},
};

static const eg_policy_field acl_fields[] = {
    {"defaultAction", EG_FIELD_USED}, {"ipRules", EG_FIELD_USED}, {"virtualNetworkRules", EG_FIELD_USED}, {"bypass", EG_FIELD_USED},
    {"resourceAccessRules", EG_FIELD_EMPTY}, {"ipv6Rules", EG_FIELD_EMPTY}, {NULL, 0},
};

static const eg_policy_field ip_fields[] = {{"value", EG_FIELD_USED}, {"action", EG_FIELD_USED}, {NULL, 0}};
static const eg_policy_field subnet_fields[] = {{"id", EG_FIELD_USED}, {"action", EG_FIELD_USED}, {"state", EG_FIELD_TOLERATED}, {NULL, 0}};

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

/* One of two words, without regard to case as Azure takes them; *ret is whether it is the second. */
static eg_err either(const eg_policy_at *at, const json_t *obj, const char *name, const char *const words[2], bool *ret, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = name};
    eg_str text;
    EG_TRY(eg_policy_text(at, obj, name, 32, &text, p));
    if (!eg_str_ieq(text, eg_str_of(words[0])) && !eg_str_ieq(text, eg_str_of(words[1]))) {
        return eg_policy_refuse(&here, p, "\"%s\" or \"%s\" is expected here.", words[0], words[1]);
    }
    *ret = eg_str_ieq(text, eg_str_of(words[1]));
    return EG_OK;
}

/* Both kinds of rules only allow. */
static eg_err check_action(const eg_policy_at *at, const json_t *rule, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = "action"};
    eg_str text;
    EG_TRY(eg_policy_text(at, rule, "action", -32, &text, p));
    return !text.ptr || eg_str_ieq(text, EG_LIT("Allow")) ? EG_OK : eg_policy_refuse(&here, p, "\"Allow\" is expected here; these rules can't deny.");
}

static eg_err read_addresses(const eg_policy *pol, const eg_policy_at *at, const json_t *acls, eg_policy_account *out, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, acls, "ipRules", RULES_MAX, &list, p));
    const size_t n = json_array_size(list);
    eg_policy_at member = {.up = at, .name = "ipRules"};
    out->addresses.v = eg_arena_alloc(pol->arena, (n + 1) * sizeof *out->addresses.v);
    if (!out->addresses.v) {
        return no_memory(p);
    }
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        eg_policy_at at_value = {.up = &here, .name = "value"};
        const json_t *rule = json_array_get(list, i);
        eg_str value;
        EG_TRY(eg_policy_fields(&here, rule, ip_fields, p));
        EG_TRY(check_action(&here, rule, p));
        EG_TRY(eg_policy_text(&here, rule, "value", 128, &value, p));
        if (eg_policy_cidr_parse(value, &out->addresses.v[out->addresses.n++]) != EG_OK) {
            return eg_policy_refuse(&at_value, p, "An address, or a prefix such as 203.0.113.0/24 without bits behind it, is expected here.");
        }
    }
    return EG_OK;
}

static eg_err read_subnets(const eg_policy *pol, const eg_policy_at *at, const json_t *acls, eg_policy_account *out, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, acls, "virtualNetworkRules", RULES_MAX, &list, p));
    const size_t n = json_array_size(list);
    eg_policy_at member = {.up = at, .name = "virtualNetworkRules"};
    out->subnets = eg_arena_alloc(pol->arena, (n + 1) * sizeof *out->subnets);
    if (!out->subnets) {
        return no_memory(p);
    }
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        eg_policy_at at_id = {.up = &here, .name = "id"};
        const json_t *rule = json_array_get(list, i);
        eg_str id;
        EG_TRY(eg_policy_fields(&here, rule, subnet_fields, p));
        EG_TRY(check_action(&here, rule, p));
        EG_TRY(eg_policy_text(&here, rule, "id", 512, &id, p));
        const eg_policy_subnet *subnet = eg_policy_scope_parse(id, &id) == EG_OK ? eg_policy_subnet_find(pol, id) : NULL;
        if (!subnet) {
            return eg_policy_refuse(&at_id, p, "No virtual network has a subnet of this id.");
        }
        out->subnets[out->subnet_count++] = (uint32_t)(subnet - pol->subnets);
    }
    return EG_OK;
}

static eg_str without_blanks(eg_str s) {
    while (s.len > 0 && s.ptr[0] == ' ') {
        s = (eg_str){s.ptr + 1, s.len - 1};
    }
    while (s.len > 0 && s.ptr[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

/* There are no services here that could be trusted beyond the rules: all of Azure's words are taken, and none lets anybody in. */
static eg_err check_bypass(const eg_policy_at *at, const json_t *acls, eg_problem *p) {
    static const char *const words[] = {"None", "AzureServices", "Logging", "Metrics"};
    eg_policy_at here = {.up = at, .name = "bypass"};
    eg_str rest;
    EG_TRY(eg_policy_text(at, acls, "bypass", -128, &rest, p));
    while (rest.ptr) {
        eg_str word = without_blanks(eg_str_cut(&rest, ','));
        bool known = false;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            known = known || eg_str_ieq(word, eg_str_of(words[i]));
        }
        if (!known) {
            return eg_policy_refuse(&here, p, "\"None\", or some of \"AzureServices\", \"Logging\" and \"Metrics\" with commas between, is expected here.");
        }
    }
    return EG_OK;
}

static eg_err read_acls(const eg_policy *pol, const eg_policy_at *at, const json_t *properties, eg_policy_account *out, eg_problem *p) {
    static const char *const actions[2] = {"Allow", "Deny"};
    const json_t *acls = json_object_get(properties, "networkAcls");
    eg_policy_at here = {.up = at, .name = "networkAcls"};
    if (!acls || json_is_null(acls)) {
        return EG_OK;
    }
    EG_TRY(eg_policy_fields(&here, acls, acl_fields, p));
    EG_TRY(either(&here, acls, "defaultAction", actions, &out->deny, p));
    EG_TRY(check_bypass(&here, acls, p));
    EG_TRY(read_addresses(pol, &here, acls, out, p));
    return read_subnets(pol, &here, acls, out, p);
}

static eg_err read_id(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_account *out, eg_problem *p) {
    eg_policy_at here = {.up = at, .name = "id"};
    eg_str id, name, rest, parts[9];
    size_t n = 0;
    EG_TRY(eg_policy_text(at, v, "id", 512, &id, p));
    bool fits = eg_policy_scope_parse(id, &id) == EG_OK;
    for (rest = id; fits && rest.ptr && n < 9; n++) {
        parts[n] = eg_str_cut(&rest, '/');
    }
    /* "", subscriptions, s, resourceGroups, g, providers, Microsoft.Storage, storageAccounts, name */
    fits = fits && n == 9 && !rest.ptr && eg_str_ieq(parts[1], EG_LIT("subscriptions")) && eg_str_ieq(parts[3], EG_LIT("resourceGroups")) &&
           eg_str_ieq(parts[5], EG_LIT("providers")) && eg_str_ieq(parts[6], EG_LIT("Microsoft.Storage")) && eg_str_ieq(parts[7], EG_LIT("storageAccounts"));
    if (!fits) {
        return eg_policy_refuse(&here, p, "The resource id of a storage account is expected here.");
    }
    EG_TRY(eg_policy_text(at, v, "name", -64, &name, p));
    if (name.ptr && !eg_str_ieq(name, parts[8])) {
        here.name = "name";
        return eg_policy_refuse(&here, p, "This is not the name that the id ends with.");
    }
    out->id = eg_arena_str(pol->arena, id);
    out->name = eg_arena_str(pol->arena, parts[8]);
    return out->id.ptr && out->name.ptr ? EG_OK : no_memory(p);
}

eg_err eg_policy_account_read(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_account *ret, eg_problem *p) {
    static const char *const access[2] = {"Enabled", "Disabled"};
    eg_policy_account out = {.file = NULL};
    EG_TRY(eg_policy_fields(at, v, account_fields, p));
    EG_TRY(eg_policy_type_check(at, v, "Microsoft.Storage/storageAccounts", p));
    EG_TRY(read_id(pol, at, v, &out, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, property_fields, p));
    const json_t *public_access = json_object_get(properties, "publicNetworkAccess");
    if (public_access && !json_is_null(public_access)) {
        EG_TRY(either(&here, properties, "publicNetworkAccess", access, &out.closed, p));
    }
    EG_TRY(read_acls(pol, &here, properties, &out, p));
    *ret = out;
    return EG_OK;
}
