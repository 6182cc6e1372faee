/* Parsing and printing of permissions and access control lists. */
#include "permissions.h"

#include <stdio.h>

#define STICKY 01000

static bool triplet(const char *s, uint16_t *ret) {
    const char letters[] = {'r', 'w', 'x'};
    uint16_t bits = 0;
    for (int i = 0; i < 3; i++) {
        if (s[i] == letters[i]) {
            bits |= (uint16_t)(4 >> i);
        } else if (s[i] != '-') {
            return false;
        }
    }
    *ret = bits;
    return true;
}

static eg_err parse_octal(eg_str s, uint16_t *ret_mode) {
    uint16_t mode = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '7') {
            return EG_ERR_HTTP_HEADER;
        }
        mode = (uint16_t)(mode * 8 + (s.ptr[i] - '0'));
    }
    if (mode > 01777) {
        return EG_ERR_HTTP_HEADER;
    }
    *ret_mode = mode;
    return EG_OK;
}

eg_err eg_permissions_parse(eg_str s, uint16_t *ret_mode) {
    if (s.len == 3 || s.len == 4) {
        return parse_octal(s, ret_mode);
    }
    /* A '+' at the end says that there is a longer list; Azure prints and ignores it. */
    if (s.len != 9 && !(s.len == 10 && s.ptr[9] == '+')) {
        return EG_ERR_HTTP_HEADER;
    }
    char text[9];
    memcpy(text, s.ptr, sizeof text);
    uint16_t sticky = 0;
    if (text[8] == 't' || text[8] == 'T') {
        sticky = STICKY;
        text[8] = text[8] == 't' ? 'x' : '-';
    }
    uint16_t user;
    uint16_t group;
    uint16_t other;
    if (!triplet(text, &user) || !triplet(text + 3, &group) || !triplet(text + 6, &other)) {
        return EG_ERR_HTTP_HEADER;
    }
    *ret_mode = (uint16_t)(sticky | user << 6 | group << 3 | other);
    return EG_OK;
}

void eg_permissions_text(uint16_t mode, char ret[EG_PERMISSIONS_LEN]) {
    static const char letters[] = "rwxrwxrwx";
    for (int i = 0; i < 9; i++) {
        ret[i] = mode & (0400 >> i) ? letters[i] : '-';
    }
    if (mode & STICKY) {
        ret[8] = mode & 1 ? 't' : 'T';
    }
    ret[9] = '\0';
}

void eg_permissions_acl(uint16_t mode, char ret[EG_PERMISSIONS_ACL_LEN]) {
    char text[EG_PERMISSIONS_LEN];
    eg_permissions_text(mode & 0777, text);
    snprintf(ret, EG_PERMISSIONS_ACL_LEN, "user::%.3s,group::%.3s,other::%.3s", text, text + 3, text + 6);
}
