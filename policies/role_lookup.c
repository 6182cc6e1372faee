/* Finds a role by the name or id that a person typed. */
#include "policy_model.h"

#include <stdio.h>

eg_err eg_policy_role_id(const eg_policy *pol, eg_str name_or_id, char ret[EG_UUID_LEN]) {
    eg_str id = name_or_id;
    for (size_t i = name_or_id.len; i > 0; i--) { /* a whole resource id ends in the GUID */
        if (name_or_id.ptr[i - 1] == '/') {
            id = (eg_str){name_or_id.ptr + i, name_or_id.len - i};
            break;
        }
    }
    for (size_t i = 0; i < pol->role_count; i++) {
        const uint8_t *b = pol->roles[i].id.b;
        char guid[EG_UUID_LEN];
        (void)snprintf(guid, sizeof guid, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
                       b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
        if (eg_str_ieq(pol->roles[i].name, name_or_id) || eg_str_ieq(eg_str_of(guid), id)) {
            memcpy(ret, guid, sizeof guid);
            return EG_OK;
        }
    }
    return EG_ERR_NOT_FOUND;
}
