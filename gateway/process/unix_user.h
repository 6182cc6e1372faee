/* UNIX users of the processes: looked up, made by init, and changed into for good. */
#ifndef GATEWAY_PROCESS_UNIX_USER_H
#define GATEWAY_PROCESS_UNIX_USER_H

#include <embergate/err.h>
#include <sys/types.h>

typedef struct eg_unix_user {
    uid_t uid;
    gid_t gid;
} eg_unix_user;

/* name "" = the user that we are. EG_ERR_NOT_FOUND. */
eg_err eg_unix_user_find(const char *name, eg_unix_user *ret, eg_problem *p) EG_MUST_CHECK;
/* A system user without home or shell, by Debian's useradd; EG_OK when it exists. Needs root. */
eg_err eg_unix_user_ensure(const char *name, eg_problem *p) EG_MUST_CHECK;
/* Changes into the user irrevocably (groups, gid, uid, no_new_privs) and checks that it can't come back. Nothing
 * happens when we are that user already. */
eg_err eg_unix_user_become(const eg_unix_user *u, eg_problem *p) EG_MUST_CHECK;
/* chown of a whole tree beneath path, without following links. */
eg_err eg_unix_user_own_tree(const char *path, const eg_unix_user *u, eg_problem *p) EG_MUST_CHECK;

#endif
