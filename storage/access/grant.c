/* Decides what roles left open: access control lists along a path, ownership, and the bounds of a shared access signature. */
#include "grant.h"

#include <stdarg.h>
#include <stdio.h>

#define SUBTREE_MAX 100000   /* entries looked at for one delete */
#define WX (EG_ACL_W | EG_ACL_X)

const eg_grant eg_grant_all = {.way = EG_WAY_ROLE, .superuser = true};

/* Azure's tables "Levels of permission" and "Permissions table", and for signatures "Create a service SAS". */
static const struct {
    unsigned item;             /* rights on it, when it is there */
    bool entry;                /* -wx on the directory that it is or will be in */
    bool leaves;               /* the sticky bit of that directory counts */
    bool owner;
    const char *letters;       /* any of them, when it isn't there */
    const char *existing;      /* any of them, when it is */
} needs[EG_NEED_COUNT] = {
    [EG_NEED_STATUS] = {.letters = "re", .existing = "re"},
    [EG_NEED_READ_ACL] = {.letters = "re", .existing = "re"},
    [EG_NEED_READ] = {.item = EG_ACL_R, .letters = "r", .existing = "r"},
    [EG_NEED_LIST] = {.item = EG_ACL_R | EG_ACL_X, .letters = "l", .existing = "l"},
    [EG_NEED_APPEND] = {.item = EG_ACL_R | EG_ACL_W, .letters = "wa", .existing = "wa"},
    [EG_NEED_WRITE] = {.item = EG_ACL_W, .letters = "w", .existing = "w"},
    [EG_NEED_CREATE] = {.entry = true, .letters = "cw", .existing = "w"},
    [EG_NEED_DELETE] = {.entry = true, .leaves = true, .letters = "d", .existing = "d"},
    [EG_NEED_MOVE_FROM] = {.entry = true, .leaves = true, .letters = "md", .existing = "md"},
    [EG_NEED_MOVE_TO] = {.entry = true, .letters = "mcw", .existing = "mw"},
    [EG_NEED_PERMISSIONS] = {.owner = true, .letters = "p", .existing = "p"},
    [EG_NEED_OWNERSHIP] = {.owner = true, .letters = "o", .existing = "o"},
    [EG_NEED_CHECK] = {.letters = "e", .existing = "e"},
};

bool eg_sas_letters_any(uint32_t have, const char *any) {
    for (; *any; any++) {
        if (have & eg_sas_letter(*any)) {
            return true;
        }
    }
    return false;
}

EG_PRINTF(2, 3)
static void say(const eg_grant *g, const char *fmt, ...) {
    va_list args;
    if (!g->rule) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(g->rule, g->rule_size, fmt, args);
    va_end(args);
}

static eg_err refuse(eg_problem *p) {
    return eg_fail(p, EG_ERR_DENIED_DATA, "This request is not authorized to perform this operation using this permission.");
}

static const char *rights_text(unsigned rights, char ret[4]) {
    ret[0] = rights & EG_ACL_R ? 'r' : '-';
    ret[1] = rights & EG_ACL_W ? 'w' : '-';
    ret[2] = rights & EG_ACL_X ? 'x' : '-';
    ret[3] = '\0';
    return ret;
}

/* Of a path long enough the end says more than the beginning. */
static eg_str shown(eg_str path) {
    const size_t max = 120;
    if (path.len > max) {
        path = (eg_str){path.ptr + path.len - max, max};
        while (path.len > 0 && ((unsigned char)path.ptr[0] & 0xc0) == 0x80) { /* not in the middle of a character */
            path = (eg_str){path.ptr + 1, path.len - 1};
        }
    }
    return path;
}

static eg_err item_allows(const eg_grant *g, const eg_inode *i, unsigned want, bool *ret) {
    eg_acl acl;
    EG_TRY(eg_acl_of(i->mode, eg_bytes_str(i->attr[EG_ATTR_ACL]), &acl));
    const eg_acl_item item = {&acl, eg_bytes_str(i->attr[EG_ATTR_OWNER]), eg_bytes_str(i->attr[EG_ATTR_GROUP])};
    *ret = eg_acl_allows(&item, &g->who, want);
    return EG_OK;
}

static bool owns(const eg_grant *g, const eg_inode *i) {
    const eg_acl_item item = {NULL, eg_bytes_str(i->attr[EG_ATTR_OWNER]), eg_bytes_str(i->attr[EG_ATTR_GROUP])};
    return eg_acl_is_owner(&item, &g->who);
}

static eg_err ask(const eg_grant *g, const eg_inode *i, unsigned want, eg_str path, eg_problem *p) {
    bool allowed = false;
    char text[4];
    EG_TRY(item_allows(g, i, want, &allowed));
    if (!allowed) {
        say(g, "acl: no %s on /%.*s", rights_text(want, text), EG_FMT(shown(path)));
        return refuse(p);
    }
    return EG_OK;
}

/* What stands at the end of a path, as far as it is there. */
typedef struct footing {
    bool exists;
    bool root;
    eg_inode item;             /* when it exists */
    eg_inode parent;           /* unless root: the deepest directory that is there */
    eg_str parent_path;
} footing;

/* Follows the path; with lists, each directory on the way must let the asker through. */
static eg_err walk(eg_kv_txn *t, const eg_grant *g, const eg_where *w, footing *ret, eg_problem *p) {
    eg_container c;
    footing f = {.root = w->path.len == 0};
    eg_str rest = w->path;
    EG_TRY(eg_ns_container_get(t, w->account, w->container, &c));
    EG_TRY(eg_ns_inode_get(t, w->account, &c.root, &f.item));
    f.exists = true;
    while (!f.root && rest.ptr) {
        f.parent = f.item;
        f.parent_path = (eg_str){w->path.ptr, rest.ptr > w->path.ptr ? (size_t)(rest.ptr - w->path.ptr) - 1 : 0};
        const eg_str name = eg_str_cut(&rest, '/');
        if (g->way == EG_WAY_ACL) {
            EG_TRY(ask(g, &f.parent, EG_ACL_X, f.parent_path, p));
        }
        eg_entry e;
        const eg_err err = f.parent.kind != EG_KIND_DIRECTORY ? EG_ERR_NOT_FOUND : eg_ns_entry_get(t, w->account, &f.parent.id, name, &e);
        if (err == EG_ERR_NOT_FOUND) {
            f.exists = false;
            break;
        }
        EG_TRY(err);
        EG_TRY(eg_ns_inode_get(t, w->account, &e.child, &f.item));
    }
    *ret = f;
    return EG_OK;
}

static bool within(const eg_sas_bounds *b, eg_str container, eg_str path) {
    if (b->container.len == 0) {
        return true;
    }
    if (!eg_str_eq(b->container, container)) {
        return false;
    }
    if (!b->beneath) {
        return eg_str_eq(b->path, path);
    }
    return b->path.len == 0 || (path.len >= b->path.len && memcmp(path.ptr, b->path.ptr, b->path.len) == 0 &&
        (path.len == b->path.len || path.ptr[b->path.len] == '/'));
}

static eg_err check_bounds(const eg_grant *g, const eg_where *w, eg_need need, bool exists, eg_problem *p) {
    const char *letters = exists ? needs[need].existing : needs[need].letters;
    if (!within(g->bounds, w->container, w->path)) {
        say(g, "sas: signed for another resource");
        return refuse(p);
    }
    if (!letters || !eg_sas_letters_any(g->bounds->letters, letters)) {
        say(g, "sas: needs the permission %s", letters ? letters : "of another way in");
        return refuse(p);
    }
    return EG_OK;
}

/* POSIX: who may write a sticky directory still takes away only what is its own. */
static eg_err check_sticky(const eg_grant *g, const footing *f, eg_problem *p) {
    if (!(f->parent.mode & EG_ACL_STICKY) || owns(g, &f->item) || owns(g, &f->parent)) {
        return EG_OK;
    }
    say(g, "acl: sticky bit of /%.*s", EG_FMT(shown(f->parent_path)));
    return refuse(p);
}

static eg_err check_lists(const eg_grant *g, const footing *f, const eg_where *w, eg_need need, eg_problem *p) {
    unsigned want = need == EG_NEED_CHECK ? g->want : needs[need].item;
    if (need == EG_NEED_NONE || (needs[need].entry && f->root)) {
        say(g, "acl: no list grants this");
        return refuse(p);
    }
    if (needs[need].entry) {
        EG_TRY(ask(g, &f->parent, WX, f->parent_path, p));
    }
    if (!f->exists) {
        return EG_OK;
    }
    const bool replaces = f->item.kind == EG_KIND_FILE && (need == EG_NEED_CREATE || need == EG_NEED_MOVE_TO);
    if (needs[need].leaves || replaces) {
        EG_TRY(check_sticky(g, f, p));
    }
    if (replaces) {
        want = EG_ACL_W; /* its content goes */
    }
    if (f->root && want == 0) {
        want = EG_ACL_X; /* the root has no ancestor that would be asked */
    }
    return ask(g, &f->item, want, w->path, p);
}

static eg_err check_owner(const eg_grant *g, const footing *f, eg_need need, eg_problem *p) {
    if (g->superuser || (need == EG_NEED_PERMISSIONS && (g->permits || !f->exists || owns(g, &f->item)))) {
        return EG_OK;
    }
    say(g, need == EG_NEED_OWNERSHIP ? "acl: only a superuser gives things away" : "acl: neither owner nor superuser");
    return refuse(p);
}

eg_err eg_grant_check(eg_kv_txn *t, const eg_grant *g, const eg_where *w, eg_need need, eg_problem *p) {
    footing f;
    if (!g || g->way == EG_WAY_NONE || (unsigned)need >= EG_NEED_COUNT) {
        return refuse(p);
    }
    if (g->asked) {
        *g->asked = true;
    }
    if (g->way != EG_WAY_ACL && !g->bounds && (g->superuser || !needs[need].owner)) {
        return EG_OK;
    }
    EG_TRY(walk(t, g, w, &f, p));
    if (g->bounds) {
        EG_TRY(check_bounds(g, w, need, f.exists, p));
    }
    if (g->way == EG_WAY_ACL) {
        EG_TRY(check_lists(g, &f, w, need, p));
    }
    if (needs[need].owner) {
        EG_TRY(check_owner(g, &f, need, p));
    }
    if (g->way == EG_WAY_ACL) {
        say(g, "acl: grants it on /%.*s", EG_FMT(shown(w->path)));
    }
    return EG_OK;
}

eg_err eg_grant_check_own(eg_kv_txn *t, const eg_grant *g, const eg_where *w, eg_problem *p) {
    return eg_grant_check(t, g, w, g ? g->need : EG_NEED_NONE, p);
}

eg_err eg_grant_item(const eg_grant *g, const eg_inode *i, unsigned want, eg_problem *p) {
    if (!g || g->way == EG_WAY_NONE) {
        return refuse(p);
    }
    return g->way == EG_WAY_ACL ? ask(g, i, want, EG_LIT("(beneath the directory)"), p) : EG_OK;
}

typedef struct subtree {
    eg_kv_txn *t;
    const eg_grant *g;
    const eg_account *account;
    size_t left;
    unsigned depth;
} subtree;

/* Depth is bounded as paths are; a cycle or a deeper tree ends in EG_ERR_LIMIT. */
static eg_err check_beneath(subtree *s, const eg_id *directory, eg_problem *p) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(s->t, EG_DB_FS_ENTRY, eg_id_bytes(directory), &c));
    for (bool first = true;; first = false) {
        eg_bytes k;
        eg_bytes v;
        eg_str name;
        eg_entry entry;
        eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_OK) {
            e = eg_ns_entry_decode(s->account, directory, k, v, &name, &entry);
        }
        if (e == EG_ERR_NOT_FOUND) {
            return EG_OK;
        }
        EG_TRY(e);
        if (first) {
            eg_inode i;
            EG_TRY(eg_ns_inode_get(s->t, s->account, directory, &i));
            EG_TRY(eg_grant_item(s->g, &i, EG_ACL_R | WX, p));
        }
        if (s->left-- == 0 || s->depth > 2 * EG_PATH_DEPTH_MAX) {
            return eg_fail(p, EG_ERR_LIMIT, "There is more beneath the directory than can be checked at once without a role that grants it: delete its parts.");
        }
        if (entry.kind == EG_KIND_DIRECTORY) {
            s->depth++;
            EG_TRY(check_beneath(s, &entry.child, p));
            s->depth--;
        }
    }
}

eg_err eg_grant_subtree(eg_kv_txn *t, const eg_grant *g, const eg_account *a, const eg_inode *directory, eg_problem *p) {
    if (!g || g->way == EG_WAY_NONE) {
        return refuse(p);
    }
    if (g->way != EG_WAY_ACL || directory->kind != EG_KIND_DIRECTORY) {
        return EG_OK;
    }
    subtree s = {t, g, a, SUBTREE_MAX, 0};
    return check_beneath(&s, &directory->id, p);
}

eg_err eg_grant_chown(const eg_grant *g, const eg_inode *i, eg_str owner, eg_str group, eg_problem *p) {
    const bool moves = owner.len > 0 && !eg_str_ieq(owner, eg_bytes_str(i->attr[EG_ATTR_OWNER]));
    const bool regroups = group.len > 0 && !eg_str_ieq(group, eg_bytes_str(i->attr[EG_ATTR_GROUP]));
    if (!g || g->way == EG_WAY_NONE) {
        return refuse(p);
    }
    if (g->bounds && (moves || regroups) && !eg_sas_letters_any(g->bounds->letters, "o")) {
        say(g, "sas: needs the permission o");
        return refuse(p);
    }
    if (g->superuser || (!moves && (!regroups || (owns(g, i) && eg_acl_in_group(&g->who, group))))) {
        return EG_OK;
    }
    say(g, moves ? "acl: only a superuser changes the owner" : "acl: the group is changed by an owner who is in it");
    return refuse(p);
}
