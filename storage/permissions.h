/* POSIX permissions as the Data Lake API writes them. */
#ifndef EG_STORAGE_PERMISSIONS_H
#define EG_STORAGE_PERMISSIONS_H

#include <embergate/bytes.h>

/* "rwxr-x---", with 't' for the sticky bit, or three or four octal digits. EG_ERR_HTTP_HEADER. */
eg_err eg_permissions_parse(eg_str s, uint16_t *ret_mode) EG_MUST_CHECK;
#define EG_PERMISSIONS_LEN 10
void eg_permissions_text(uint16_t mode, char ret[EG_PERMISSIONS_LEN]);
/* "user::rwx,group::r-x,other::---" */
#define EG_PERMISSIONS_ACL_LEN 40
void eg_permissions_acl(uint16_t mode, char ret[EG_PERMISSIONS_ACL_LEN]);

#endif
