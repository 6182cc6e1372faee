/* What a request may do in the tree. Roles were asked by the pipeline; what they don't grant is decided here, within the transaction. */
#ifndef EG_STORAGE_GRANT_H
#define EG_STORAGE_GRANT_H

#include "acl.h"
#include "namespace.h"

/* What an operation needs of a path. grant.c has the rights, letters and ownership that each stands for. */
typedef enum eg_need {
    EG_NEED_NONE = 0,          /* of nobody's knowledge: refused to all but roles and the account key */
    EG_NEED_STATUS,            /* system properties */
    EG_NEED_READ_ACL,
    EG_NEED_READ,
    EG_NEED_LIST,
    EG_NEED_APPEND,
    EG_NEED_WRITE,             /* content, properties and metadata of what is there */
    EG_NEED_CREATE,            /* also in the place of what is there */
    EG_NEED_DELETE,
    EG_NEED_MOVE_FROM,
    EG_NEED_MOVE_TO,
    EG_NEED_PERMISSIONS,       /* owner, or a role that grants modifyPermissions */
    EG_NEED_OWNERSHIP,         /* superuser */
    EG_NEED_CHECK,             /* grant.want, of checkAccess */
    EG_NEED_COUNT
} eg_need;

/* What a shared access signature is narrowed to. */
typedef struct eg_sas_bounds {
    uint32_t letters;          /* bit 0 = 'a' */
    eg_str container;          /* len 0 = every one */
    eg_str path;               /* within it; "" = the root */
    bool beneath;              /* the path and all beneath it; else the path alone */
    eg_str checked;            /* suoid of a user delegation: whose lists must allow it as well; len 0 = nobody's */
    const void *sas;           /* eg_sas: what it says of the answer's headers; may be NULL */
} eg_sas_bounds;
static inline uint32_t eg_sas_letter(char c) { return c >= 'a' && c <= 'z' ? (uint32_t)1 << (c - 'a') : 0; }
/* Any of these. */
bool eg_sas_letters_any(uint32_t have, const char *any);

/* {0} is refused everything. Everything is borrowed. */
typedef struct eg_grant {
    eg_way way;
    eg_need need;              /* of eg_path_find and eg_path_update_apply, from the route; other steps ask for their own */
    unsigned want;             /* of EG_NEED_CHECK */
    bool superuser;            /* may do everything and give things away */
    bool permits;              /* a role lets it change the permissions of what others own */
    eg_acl_who who;
    const eg_sas_bounds *bounds; /* NULL = none */
    char *rule;                /* where the rule that decided is written; may be NULL */
    size_t rule_size;
    bool *asked;               /* set once something was asked; may be NULL */
} eg_grant;

/* For what the program does itself, and for tests. */
extern const eg_grant eg_grant_all;

typedef struct eg_where {
    const eg_account *account;
    eg_str container;
    eg_str path;
} eg_where;

/* May g (NULL: refused) do `need` at a path, which need not be there? Whether the ancestors may be passed is asked before anything is said
 * about what is there. EG_ERR_DENIED_DATA; EG_ERR_FILESYSTEM_NOT_FOUND; nothing is said of a path that isn't there but that its
 * ancestors may be passed. Reads only; to be called before the first write of a transaction's step. */
eg_err eg_grant_check(eg_kv_txn *t, const eg_grant *g, const eg_where *w, eg_need need, eg_problem *p) EG_MUST_CHECK;
/* The same for g->need. */
eg_err eg_grant_check_own(eg_kv_txn *t, const eg_grant *g, const eg_where *w, eg_problem *p) EG_MUST_CHECK;
/* Rights on one item whose ancestors were passed: a directory that a walk enters. */
eg_err eg_grant_item(const eg_grant *g, const eg_inode *i, unsigned want, eg_problem *p) EG_MUST_CHECK;
/* All of a directory that is deleted with what lies beneath: by lists alone, each directory that isn't empty must grant rwx.
 * EG_ERR_LIMIT when there are too many to look at in one step. */
eg_err eg_grant_subtree(eg_kv_txn *t, const eg_grant *g, const eg_account *a, const eg_inode *directory, eg_problem *p) EG_MUST_CHECK;
/* A change of owner or group (len 0: not asked for). The owner may give a group that it is in. */
eg_err eg_grant_chown(const eg_grant *g, const eg_inode *i, eg_str owner, eg_str group, eg_problem *p) EG_MUST_CHECK;

#endif
