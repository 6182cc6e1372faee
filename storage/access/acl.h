/* POSIX access control lists as Azure has them: text, evaluation, inheritance, change. Pure functions over plain values. */
#ifndef EG_STORAGE_ACL_H
#define EG_STORAGE_ACL_H

#include <embergate/principal.h>

enum {
    EG_ACL_R = 4,
    EG_ACL_W = 2,
    EG_ACL_X = 1,
    EG_ACL_ENTRIES_MAX = 32,   /* of one scope, the four that every list may have included: Azure's bound */
    EG_ACL_ID_MAX = 128,
    EG_ACL_TEXT_MAX = 4096,    /* = EG_ATTR_MAX */
};
#define EG_ACL_STICKY 01000
#define EG_ACL_SUPERUSER EG_LIT("$superuser")

/* In the order in which a list is written. */
typedef enum eg_acl_tag {
    EG_ACL_NONE = 0,
    EG_ACL_OWNER,              /* "user::" */
    EG_ACL_USER,               /* "user:{id}:" */
    EG_ACL_OWNING_GROUP,       /* "group::" */
    EG_ACL_GROUP,              /* "group:{id}:" */
    EG_ACL_MASK,               /* "mask::" */
    EG_ACL_OTHER,              /* "other::" */
} eg_acl_tag;

typedef struct eg_acl_entry {
    eg_acl_tag tag;
    uint8_t rights;            /* of EG_ACL_R, _W, _X */
    eg_str id;                 /* of USER and GROUP; borrowed from the text */
} eg_acl_entry;

/* One scope; no two entries of one tag and id. */
typedef struct eg_acl_list {
    size_t n;
    eg_acl_entry v[EG_ACL_ENTRIES_MAX];
} eg_acl_list;

typedef struct eg_acl {
    eg_acl_list access;
    eg_acl_list dflt;          /* "default:…"; n 0 = none */
    bool sticky;               /* not part of the text */
} eg_acl;

/* What a caller wrote: "[default:]{user|group|mask|other}:[id]:{rwx}", by commas; borrowed from text. Any subset of entries.
 * EG_ERR_HTTP_HEADER, with the reason in p (may be NULL): malformed, twice the same, too many. */
eg_err eg_acl_parse(eg_str text, eg_acl *ret, eg_problem *p) EG_MUST_CHECK;
/* The same without rights ("mask,default:user,user:{id}"), for removal; rights are 0. */
eg_err eg_acl_parse_removal(eg_str text, eg_acl *ret, eg_problem *p) EG_MUST_CHECK;
/* Canonical text of both scopes; what eg_acl_parse reads back. EG_ERR_LIMIT beyond EG_ACL_TEXT_MAX (ret was begun with that maximum or less). */
eg_err eg_acl_text(const eg_acl *a, eg_buf *ret) EG_MUST_CHECK;

/* An inode's list: from its mode, and its stored text when it has one (which then decides; the mode says the sticky bit alone).
 * Text that can't be read gives EG_ERR_CORRUPT. Rights that no entry names are none. */
eg_err eg_acl_of(uint16_t mode, eg_str stored, eg_acl *ret) EG_MUST_CHECK;
/* What is stored beside it: owner, mask (without one: owning group) and other, and the sticky bit. */
uint16_t eg_acl_mode(const eg_acl *a);
/* More than the mode can say: then its text is stored, and a '+' shown behind the permissions. */
bool eg_acl_extended(const eg_acl *a);

/* Changes of *a, which is untouched on failure; entries are borrowed from both afterwards. EG_ERR_HTTP_HEADER.
 * Each completes and recalculates the mask where the change doesn't name one, and gives a default scope its missing base entries. */
eg_err eg_acl_replace(eg_acl *a, const eg_acl *spec, eg_problem *p) EG_MUST_CHECK;  /* setAccessControl: user, group and other must be named */
eg_err eg_acl_update(eg_acl *a, const eg_acl *spec, eg_problem *p) EG_MUST_CHECK;   /* modify */
eg_err eg_acl_remove(eg_acl *a, const eg_acl *spec, eg_problem *p) EG_MUST_CHECK;   /* what isn't there is no error */
/* x-ms-permissions: owner, mask (or owning group), other, sticky bit; named entries stay. */
void eg_acl_chmod(eg_acl *a, uint16_t mode);

/* The list of what is made beneath a directory. Without a default scope on it: mode & ~umask. With one: the default scope narrowed by
 * mode, the umask ignored; a directory also keeps it as its own. Borrowed from the parent's. `mode` is before umask. */
typedef struct eg_acl_birth {
    uint16_t mode;
    uint16_t umask;
    bool directory;
} eg_acl_birth;
void eg_acl_inherit(const eg_acl *parent, const eg_acl_birth *b, eg_acl *ret);

/* Who asks. */
typedef struct eg_acl_who {
    eg_str id;                       /* object id; len 0 = nobody: fits no owner and no entry */
    const eg_principal *member;      /* whose groups count; NULL = there are none */
    bool groups_unknown;             /* then what is said of any group may be said of the asker: others' rights are narrowed by it */
} eg_acl_who;

/* A thing with an owner. */
typedef struct eg_acl_item {
    const eg_acl *acl;
    eg_str owner;
    eg_str group;
} eg_acl_item;

/* Azure's access check: the first class of entries that fits decides (owner; named user; groups together; other). Ids are
 * compared without case. `want` 0 is granted to all. The superuser isn't looked at here. */
bool eg_acl_allows(const eg_acl_item *item, const eg_acl_who *who, unsigned want);
bool eg_acl_is_owner(const eg_acl_item *item, const eg_acl_who *who);
bool eg_acl_in_group(const eg_acl_who *who, eg_str group);

/* Kept in the order of tags; entries of one tag in the order in which they came. EG_ERR_HTTP_HEADER when it is full. */
eg_err eg_acl_list_insert(eg_acl_list *l, eg_acl_entry e, eg_problem *p) EG_MUST_CHECK;

#endif
