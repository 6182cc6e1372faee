/* Network security groups from Azure's JSON shape. */
#include "policy_model.h"

#include <stdlib.h>

#define RULES_MAX 1000
#define VALUES_MAX 4000

static const eg_policy_field group_fields[] = {
    {"id", EG_FIELD_USED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_USED}, {"properties", EG_FIELD_USED},
    {"location", EG_FIELD_TOLERATED}, {"tags", EG_FIELD_TOLERATED}, {"etag", EG_FIELD_TOLERATED}, {"systemData", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field group_property_fields[] = {
    {"securityRules", EG_FIELD_USED},
    /* Azure's default rules are the same in every group and are built in. */
    {"defaultSecurityRules", EG_FIELD_TOLERATED}, {"networkInterfaces", EG_FIELD_TOLERATED}, {"subnets", EG_FIELD_TOLERATED},
    {"flowLogs", EG_FIELD_TOLERATED}, {"flushConnection", EG_FIELD_TOLERATED}, {"resourceGuid", EG_FIELD_TOLERATED},
    {"provisioningState", EG_FIELD_TOLERATED}, {NULL, 0},
};

static const eg_policy_field rule_fields[] = {
    {"id", EG_FIELD_TOLERATED}, {"name", EG_FIELD_USED}, {"type", EG_FIELD_TOLERATED}, {"etag", EG_FIELD_TOLERATED}, {"properties", EG_FIELD_USED}, {NULL, 0},
};

static const eg_policy_field rule_property_fields[] = {
    {"protocol", EG_FIELD_USED}, {"access", EG_FIELD_USED}, {"direction", EG_FIELD_USED}, {"priority", EG_FIELD_USED},
    {"sourcePortRange", EG_FIELD_USED}, {"sourcePortRanges", EG_FIELD_USED},
    {"destinationPortRange", EG_FIELD_USED}, {"destinationPortRanges", EG_FIELD_USED},
    {"sourceAddressPrefix", EG_FIELD_USED}, {"sourceAddressPrefixes", EG_FIELD_USED},
    {"destinationAddressPrefix", EG_FIELD_USED}, {"destinationAddressPrefixes", EG_FIELD_USED},
    {"sourceApplicationSecurityGroups", EG_FIELD_EMPTY}, {"destinationApplicationSecurityGroups", EG_FIELD_EMPTY},
    {"description", EG_FIELD_TOLERATED}, {"provisioningState", EG_FIELD_TOLERATED}, {NULL, 0},
};

typedef struct choice { const char *name; int value; } choice;
static const choice protocols[] = {{"Tcp", 1}, {"*", 1}, {"Udp", 0}, {"Icmp", 0}, {"Esp", 0}, {"Ah", 0}, {NULL, 0}};
static const choice accesses[] = {{"Allow", 1}, {"Deny", 0}, {NULL, 0}};
static const choice directions[] = {{"Inbound", 1}, {"Outbound", 0}, {NULL, 0}};
static const choice tags[] = {
    {"*", EG_SOURCE_ANY}, {"VirtualNetwork", EG_SOURCE_VNET}, {"Internet", EG_SOURCE_INTERNET},
    {"AzureLoadBalancer", EG_SOURCE_NONE}, /* nothing here is one */
    {NULL, 0},
};

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

static const choice *choose(const choice *table, eg_str s) {
    for (; table->name; table++) {
        if (eg_str_ieq(s, eg_str_of(table->name))) {
            return table;
        }
    }
    return NULL;
}

static eg_err read_choice(const eg_policy_at *at, const json_t *v, const char *name, const choice *table, bool *ret, eg_problem *p) {
    eg_str s;
    EG_TRY(eg_policy_text(at, v, name, 32, &s, p));
    const choice *c = choose(table, s);
    if (!c) {
        eg_policy_at here = {.up = at, .name = name};
        return eg_policy_refuse(&here, p, "%s, %s%s is expected here.", table[0].name, table[1].name, table[2].name ? " or another of Azure's" : "");
    }
    *ret = c->value;
    return EG_OK;
}

static eg_err read_prefix(const eg_policy_at *at, eg_str s, void *out, eg_problem *p) {
    eg_policy_prefix *ret = out;
    const choice *tag = choose(tags, s);
    *ret = (eg_policy_prefix){.kind = tag ? (eg_policy_source)tag->value : EG_SOURCE_CIDR};
    if (!tag && eg_policy_cidr_parse(s, &ret->cidr) != EG_OK) {
        return eg_policy_refuse(at, p, "An address, a prefix without bits behind it (10.0.0.0/24), *, VirtualNetwork, Internet or AzureLoadBalancer is expected here.");
    }
    return EG_OK;
}

typedef struct port_range { uint16_t low, high; } port_range;

static eg_err read_ports(const eg_policy_at *at, eg_str s, void *out, eg_problem *p) {
    port_range *ret = out;
    if (eg_str_is(s, "*")) {
        *ret = (port_range){0, 65535};
        return EG_OK;
    }
    eg_str rest = s;
    eg_str first = eg_str_cut(&rest, '-');
    uint64_t low = 0, high = 0;
    bool fine = eg_str_u64(first, 65535, &low) == EG_OK;
    high = low;
    if (!fine || (rest.ptr && (eg_str_u64(rest, 65535, &high) != EG_OK || high < low))) {
        return eg_policy_refuse(at, p, "A port, a range such as 8000-8443, or * is expected here.");
    }
    *ret = (port_range){(uint16_t)low, (uint16_t)high};
    return EG_OK;
}

typedef struct values {
    const char *one;    /* the member that holds one value */
    const char *many;   /* the one that holds a list */
    size_t size;        /* of an element */
    eg_err (*read)(const eg_policy_at *at, eg_str s, void *ret, eg_problem *p);
} values;

/* Azure has each list twice, as a single value and as an array; both are taken together, and at least one must be there. */
static eg_err read_values(eg_arena *a, const eg_policy_at *at, const json_t *v, const values *what, void **ret_v, size_t *ret_n, eg_problem *p) {
    json_t *list;
    eg_str single;
    const json_t *one = json_object_get(v, what->one);
    bool has_one = one && !json_is_null(one) && !(json_is_string(one) && json_string_length(one) == 0);
    single = (eg_str){NULL, 0};
    if (has_one) {
        EG_TRY(eg_policy_text(at, v, what->one, 128, &single, p));
    }
    EG_TRY(eg_policy_list(at, v, what->many, VALUES_MAX, &list, p));
    size_t n = json_array_size(list) + (has_one ? 1 : 0), k = 0;
    eg_policy_at at_one = {.up = at, .name = what->one}, at_many = {.up = at, .name = what->many};
    if (n == 0) {
        return eg_policy_refuse(&at_one, p, "This field is missing.");
    }
    char *out = eg_arena_alloc(a, n * what->size);
    if (!out) {
        return no_memory(p);
    }
    if (has_one) {
        EG_TRY(what->read(&at_one, single, out + what->size * k++, p));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_policy_at here = {.up = &at_many, .index = i};
        const json_t *s = json_array_get(list, i);
        if (!json_is_string(s)) {
            return eg_policy_refuse(&here, p, "A text is expected here.");
        }
        EG_TRY(what->read(&here, (eg_str){json_string_value(s), json_string_length(s)}, out + what->size * k++, p));
    }
    *ret_v = out;
    *ret_n = n;
    return EG_OK;
}

static eg_err read_matches(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_rule *out, eg_problem *p) {
    static const values kinds[] = {
        {"sourceAddressPrefix", "sourceAddressPrefixes", sizeof(eg_policy_prefix), read_prefix},
        {"destinationAddressPrefix", "destinationAddressPrefixes", sizeof(eg_policy_prefix), read_prefix},
        {"sourcePortRange", "sourcePortRanges", sizeof(port_range), read_ports},
        {"destinationPortRange", "destinationPortRanges", sizeof(port_range), read_ports},
    };
    void *got[4];
    size_t n[4];
    for (size_t i = 0; i < 4; i++) {
        EG_TRY(read_values(a, at, v, &kinds[i], &got[i], &n[i], p));
    }
    _Static_assert(sizeof(port_range) == sizeof *out->source_ports.v, "both are two ports");
    out->sources = (eg_policy_prefixes){got[0], n[0]};
    out->destinations = (eg_policy_prefixes){got[1], n[1]};
    out->source_ports.v = got[2];
    out->source_ports.n = n[2];
    out->destination_ports.v = got[3];
    out->destination_ports.n = n[3];
    return EG_OK;
}

static eg_err read_rule(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_rule *ret, eg_problem *p) {
    eg_policy_rule out = {0};
    eg_str name;
    EG_TRY(eg_policy_fields(at, v, rule_fields, p));
    EG_TRY(eg_policy_text(at, v, "name", 80, &name, p));
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, rule_property_fields, p));
    EG_TRY(read_choice(&here, properties, "protocol", protocols, &out.tcp, p));
    EG_TRY(read_choice(&here, properties, "access", accesses, &out.allow, p));
    EG_TRY(read_choice(&here, properties, "direction", directions, &out.inbound, p));
    const json_t *priority = json_object_get(properties, "priority");
    if (!json_is_integer(priority) || json_integer_value(priority) < 100 || json_integer_value(priority) > 4096) {
        eg_policy_at at_priority = {.up = &here, .name = "priority"};
        return eg_policy_refuse(&at_priority, p, "An integer from 100 to 4096 is expected here.");
    }
    out.priority = (unsigned)json_integer_value(priority);
    EG_TRY(read_matches(a, &here, properties, &out, p));
    out.name = eg_arena_str(a, name);
    if (!out.name.ptr) {
        return no_memory(p);
    }
    *ret = out;
    return EG_OK;
}

static int by_priority(const void *x, const void *y) {
    const eg_policy_rule *a = x, *b = y;
    return a->priority == b->priority ? 0 : a->priority < b->priority ? -1 : 1;
}

static eg_err read_rules(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_group *out, eg_problem *p) {
    json_t *list;
    EG_TRY(eg_policy_list(at, v, "securityRules", RULES_MAX, &list, p));
    size_t n = json_array_size(list);
    if (n > 0 && !(out->rules = eg_arena_alloc(a, n * sizeof *out->rules))) {
        return no_memory(p);
    }
    eg_policy_at member = {.up = at, .name = "securityRules"};
    bool used[2][4097] = {{false}};
    for (size_t i = 0; i < n; i++) {
        eg_policy_at here = {.up = &member, .index = i};
        eg_policy_rule rule;
        EG_TRY(read_rule(a, &here, json_array_get(list, i), &rule, p));
        if (used[rule.inbound][rule.priority]) {
            return eg_policy_refuse(&here, p, "Another rule of the same direction has the priority %u.", rule.priority);
        }
        used[rule.inbound][rule.priority] = true;
        if (rule.inbound && rule.tcp) {
            out->rules[out->rule_count++] = rule;
        }
    }
    if (out->rule_count > 1) {
        qsort(out->rules, out->rule_count, sizeof *out->rules, by_priority);
    }
    return EG_OK;
}

eg_err eg_policy_group_read(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_group *ret, eg_problem *p) {
    eg_policy_group out = {0};
    eg_str id, name, type;
    EG_TRY(eg_policy_fields(at, v, group_fields, p));
    EG_TRY(eg_policy_text(at, v, "type", -128, &type, p));
    if (type.ptr && !eg_str_ieq(type, EG_LIT("Microsoft.Network/networkSecurityGroups"))) {
        eg_policy_at here = {.up = at, .name = "type"};
        return eg_policy_refuse(&here, p, "\"Microsoft.Network/networkSecurityGroups\" is expected in this folder.");
    }
    EG_TRY(eg_policy_text(at, v, "id", 512, &id, p));
    EG_TRY(eg_policy_text(at, v, "name", 80, &name, p));
    if (eg_policy_scope_parse(id, &id) != EG_OK) {
        eg_policy_at here = {.up = at, .name = "id"};
        return eg_policy_refuse(&here, p, "A resource id is expected here.");
    }
    const json_t *properties = json_object_get(v, "properties");
    eg_policy_at here = {.up = at, .name = "properties"};
    EG_TRY(eg_policy_fields(&here, properties, group_property_fields, p));
    EG_TRY(read_rules(a, &here, properties, &out, p));
    out.id = eg_arena_str(a, id);
    out.name = eg_arena_str(a, name);
    if (!out.id.ptr || !out.name.ptr) {
        return no_memory(p);
    }
    *ret = out;
    return EG_OK;
}
