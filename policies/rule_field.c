/* Which fields the rules of Azure Policy may ask for: what embergate's resources have, under Azure's aliases. */
#include "rule.h"

#include <stdio.h>

static const struct { const char *name; eg_rule_place place; } fields[] = {
    {"type", EG_PLACE_TYPE}, {"name", EG_PLACE_NAME}, {"fullName", EG_PLACE_FULL_NAME}, {"id", EG_PLACE_ID}, {"location", EG_PLACE_LOCATION},
};

/* To add one: a row here, its value in gateway/process/serve_policy.c or storage/scope_policy.c, a line in docs/POLICIES.md. */
static const char *const aliases[] = {
    "Microsoft.Storage/storageAccounts/minimumTlsVersion",
    "Microsoft.Storage/storageAccounts/allowSharedKeyAccess",
    "Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly",
    "Microsoft.Storage/storageAccounts/publicNetworkAccess",
    "Microsoft.Storage/storageAccounts/networkAcls.defaultAction",
    "Microsoft.Storage/storageAccounts/allowBlobPublicAccess",
    "Microsoft.Storage/storageAccounts/isHnsEnabled",
    "Microsoft.Storage/storageAccounts/encryption.keySource",
    "Microsoft.Storage/storageAccounts/encryption.services.blob.enabled",
    "Microsoft.Storage/storageAccounts/encryptionScopes/source",
    "Microsoft.Storage/storageAccounts/encryptionScopes/state",
    "Microsoft.Storage/storageAccounts/blobServices/containers/defaultEncryptionScope",
    "Microsoft.Storage/storageAccounts/blobServices/containers/denyEncryptionScopeOverride",
    "Microsoft.HDInsight/clusters/encryptionInTransitProperties.isEncryptionInTransitEnabled",
    "Microsoft.HDInsight/clusters/diskEncryptionProperties.encryptionAtHost",
    "Microsoft.HDInsight/clusters/diskEncryptionProperties.keyName",
    "Microsoft.HDInsight/clusters/minSupportedTlsVersion",
};

/* tags.owner, tags['owner'], tags[owner] */
static bool tag_of(eg_str name, eg_str *ret) {
    eg_str rest = {name.ptr + 4, name.len > 4 ? name.len - 4 : 0};
    if (name.len < 6 || !eg_str_ieq((eg_str){name.ptr, 4}, EG_LIT("tags"))) {
        return false;
    }
    if (rest.ptr[0] == '.') {
        *ret = (eg_str){rest.ptr + 1, rest.len - 1};
    } else if (rest.ptr[0] == '[' && rest.ptr[rest.len - 1] == ']') {
        eg_str in = {rest.ptr + 1, rest.len - 2};
        const bool quoted = in.len > 2 && in.ptr[0] == '\'' && in.ptr[in.len - 1] == '\'';
        *ret = quoted ? (eg_str){in.ptr + 1, in.len - 2} : in;
    } else {
        return false;
    }
    return ret->len > 0 && !memchr(ret->ptr, '[', ret->len) && !memchr(ret->ptr, '\'', ret->len);
}

eg_err eg_rule_field_of(eg_str name, eg_rule_place *ret_place, eg_str *ret_alias) {
    eg_str tag;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (eg_str_ieq(name, eg_str_of(fields[i].name))) {
            *ret_place = fields[i].place;
            *ret_alias = (eg_str){"", 0};
            return EG_OK;
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (eg_str_ieq(name, eg_str_of(aliases[i]))) {
            *ret_place = EG_PLACE_PROPERTY;
            *ret_alias = eg_str_of(aliases[i]);
            return EG_OK;
        }
    }
    if (tag_of(name, &tag)) {
        *ret_place = EG_PLACE_PROPERTY;
        *ret_alias = tag; /* without "tags.": an alias has a slash, a tag's name none */
        return memchr(tag.ptr, '/', tag.len) ? EG_ERR_NOT_FOUND : EG_OK;
    }
    return EG_ERR_NOT_FOUND;
}
