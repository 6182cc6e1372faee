/* The groups and roles of a token, and the ids that are made of names. */
#include "claim_check.h"

#include <embergate/encoding.h>

#include <stdio.h>
#include <stdlib.h>

void eg_claims_derived_id(eg_str issuer, const char *what, eg_str name, char ret[EG_UUID_LEN]) {
    uint8_t digest[EG_SHA256_LEN];
    uint8_t n[8];
    eg_put_u32(n, (uint32_t)issuer.len);
    eg_put_u32(n + 4, (uint32_t)name.len);
    eg_bytes parts[] = {eg_str_bytes(EG_LIT("embergate derived id v1 ")), eg_str_bytes(eg_str_of(what)), {n, sizeof n}, eg_str_bytes(issuer), eg_str_bytes(name)};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], digest);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80); /* RFC 9562 section 5.8: version 8, made by the vendor's own rule */
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    char hex[33];
    eg_hex((eg_bytes){digest, 16}, hex);
    snprintf(ret, EG_UUID_LEN, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* kind "group": a GUID stays itself; "role": an id of its own, so that a role is no group of the same name. */
static eg_err add_names(eg_claim_check *c, const json_t *names, const char *claimed, const char *kind, eg_problem *p) {
    const bool group = strcmp(kind, "group") == 0;
    size_t i;
    const json_t *g;
    json_array_foreach(names, i, g) {
        eg_str name = {json_string_value(g), json_string_length(g)};
        if (!json_is_string(g) || name.len == 0 || name.len > EG_CLAIM_TEXT_MAX) {
            return eg_claim_refuse(p, claimed, "holds something that is not a name");
        }
        char *to = c->who->groups[c->who->group_count++];
        if (group && eg_claim_guid(name, to)) {
            continue;
        }
        if (group && c->entra) {
            return eg_claim_refuse(p, claimed, "holds something that is not a GUID");
        }
        eg_claims_derived_id(eg_claim(c, "iss"), kind, name, to);
    }
    return EG_OK;
}

static eg_err add_groups(eg_claim_check *c, const json_t *groups, const json_t *roles, eg_problem *p) {
    const size_t n = json_array_size(groups) + json_array_size(roles);
    c->who->groups = n > 0 ? calloc(n, sizeof c->who->groups[0]) : NULL;
    if (n > 0 && !c->who->groups) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(add_names(c, groups, "groups", "group", p));
    EG_TRY(add_names(c, roles, "roles", "role", p));
    eg_principal_index_groups(c->who);
    return EG_OK;
}

/* Entra leaves groups out when there are too many (_claim_names, hasgroups): that is "unknown", never "none". */
eg_err eg_claim_check_groups(eg_claim_check *c, eg_problem *p) {
    const eg_outside_issuer *o = c->rules->outside;
    const json_t *groups = eg_claim_at(c->claims, o && eg_claim_mapped(o->claim_groups) ? o->claim_groups : "groups");
    const json_t *roles = o && eg_claim_mapped(o->claim_roles) ? eg_claim_at(c->claims, o->claim_roles) : NULL;
    if ((groups && !json_is_array(groups)) || (roles && !json_is_array(roles))) {
        return eg_claim_refuse(p, groups && !json_is_array(groups) ? "groups" : "roles", "is not a list");
    }
    const json_t *elsewhere = json_object_get(c->claims, "_claim_names");
    bool overage = json_object_get(elsewhere, "groups") || (elsewhere && !json_is_object(elsewhere)) || json_object_get(c->claims, "hasgroups");
    if (overage || json_array_size(groups) + json_array_size(roles) > EG_PRINCIPAL_GROUPS_MAX) {
        c->who->groups_unknown = true;
        /* Only for Entra's ids; and only where groups are all that there is: without a role that counts as one, the list would be a part. */
        c->out->ask_groups = c->rules->own || (c->entra && o && json_object_get(c->claims, "oid") && !eg_claim_mapped(o->claim_object_id) && !eg_claim_mapped(o->claim_groups) && !eg_claim_mapped(o->claim_roles));
        return EG_OK;
    }
    return groups || roles ? add_groups(c, groups, roles, p) : EG_OK;
}
