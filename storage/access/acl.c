/* Evaluation, inheritance and change of access control lists. */
#include "acl.h"

#include <assert.h>

static eg_acl_entry *find(eg_acl_list *l, eg_acl_tag tag, eg_str id) {
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].tag == tag && eg_str_ieq(l->v[i].id, id)) {
            return &l->v[i];
        }
    }
    return NULL;
}

static const eg_acl_entry *base(const eg_acl_list *l, eg_acl_tag tag) {
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].tag == tag) {
            return &l->v[i];
        }
    }
    return NULL;
}

static unsigned rights_of(const eg_acl_list *l, eg_acl_tag tag) {
    const eg_acl_entry *e = base(l, tag);
    return e ? e->rights : 0;
}

static bool has_named(const eg_acl_list *l) { return base(l, EG_ACL_USER) || base(l, EG_ACL_GROUP); }

eg_err eg_acl_list_insert(eg_acl_list *l, eg_acl_entry e, eg_problem *p) {
    if (l->n == EG_ACL_ENTRIES_MAX) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "An access control list has at most %d entries of each scope.", EG_ACL_ENTRIES_MAX);
    }
    size_t i = l->n++;
    for (; i > 0 && l->v[i - 1].tag > e.tag; i--) {
        l->v[i] = l->v[i - 1];
    }
    l->v[i] = e;
    return EG_OK;
}

static eg_err put(eg_acl_list *l, eg_acl_entry e, eg_problem *p) {
    eg_acl_entry *there = find(l, e.tag, e.id);
    if (there) {
        there->rights = e.rights;
        return EG_OK;
    }
    return eg_acl_list_insert(l, e, p);
}

static void drop(eg_acl_list *l, eg_acl_tag tag, eg_str id) {
    eg_acl_entry *e = find(l, tag, id);
    if (e) {
        memmove(e, e + 1, (size_t)(l->v + l->n - (e + 1)) * sizeof *e);
        l->n--;
    }
}

static void set_base(eg_acl_list *l, eg_acl_tag tag, unsigned rights) {
    eg_acl_entry *e = find(l, tag, EG_LIT(""));
    if (e) {
        e->rights = (uint8_t)rights;
        return;
    }
    const eg_err full = eg_acl_list_insert(l, (eg_acl_entry){tag, (uint8_t)rights, EG_LIT("")}, NULL);
    assert(full == EG_OK); /* the base entries are the first */
    (void)full;
}

static void from_mode(eg_acl_list *l, uint16_t mode) {
    l->n = 0;
    set_base(l, EG_ACL_OWNER, mode >> 6 & 7u);
    set_base(l, EG_ACL_OWNING_GROUP, mode >> 3 & 7u);
    set_base(l, EG_ACL_OTHER, mode & 7u);
}

eg_err eg_acl_of(uint16_t mode, eg_str stored, eg_acl *ret) {
    eg_acl a = {.sticky = mode & EG_ACL_STICKY};
    if (stored.len == 0) {
        from_mode(&a.access, mode);
        *ret = a;
        return EG_OK;
    }
    if (eg_acl_parse(stored, &a, NULL) != EG_OK) {
        return EG_ERR_CORRUPT;
    }
    a.sticky = mode & EG_ACL_STICKY;
    *ret = a;
    return EG_OK;
}

uint16_t eg_acl_mode(const eg_acl *a) {
    const eg_acl_entry *mask = base(&a->access, EG_ACL_MASK);
    const unsigned group = mask ? mask->rights : rights_of(&a->access, EG_ACL_OWNING_GROUP);
    return (uint16_t)((a->sticky ? EG_ACL_STICKY : 0) | rights_of(&a->access, EG_ACL_OWNER) << 6 | group << 3 | rights_of(&a->access, EG_ACL_OTHER));
}

bool eg_acl_extended(const eg_acl *a) { return a->dflt.n > 0 || base(&a->access, EG_ACL_MASK) || has_named(&a->access); }

/* What the entries that it narrows would have without it. */
static unsigned calculated_mask(const eg_acl_list *l) {
    unsigned rights = 0;
    for (size_t i = 0; i < l->n; i++) {
        const eg_acl_tag t = l->v[i].tag;
        rights |= t == EG_ACL_USER || t == EG_ACL_OWNING_GROUP || t == EG_ACL_GROUP ? l->v[i].rights : 0u;
    }
    return rights;
}

/* POSIX 1003.1e draft 17, section 23.1.1: a list with named entries has a mask, and without one it needs none. */
static eg_err finish_scope(eg_acl_list *l, const eg_acl_list *spec, eg_problem *p) {
    if (base(spec, EG_ACL_MASK) && base(l, EG_ACL_MASK)) {
        return EG_OK; /* said by the caller */
    }
    if (!has_named(l)) {
        if (spec->n > 0) {
            drop(l, EG_ACL_MASK, EG_LIT(""));
        }
        return EG_OK;
    }
    if (spec->n == 0 && base(l, EG_ACL_MASK)) {
        return EG_OK;
    }
    return put(l, (eg_acl_entry){EG_ACL_MASK, (uint8_t)calculated_mask(l), EG_LIT("")}, p);
}

static const eg_acl_tag bases[] = {EG_ACL_OWNER, EG_ACL_OWNING_GROUP, EG_ACL_OTHER};

static eg_err finish(eg_acl *a, const eg_acl *spec, eg_problem *p) {
    const eg_acl_entry *mask = base(&a->dflt, EG_ACL_MASK);
    if (a->dflt.n == 1 && mask && !base(&spec->dflt, EG_ACL_MASK)) {
        a->dflt.n = 0; /* what a removal left: a mask of nothing */
    }
    for (size_t i = 0; a->dflt.n > 0 && i < sizeof bases / sizeof bases[0]; i++) {
        if (!base(&a->dflt, bases[i])) {
            EG_TRY(eg_acl_list_insert(&a->dflt, (eg_acl_entry){bases[i], (uint8_t)rights_of(&a->access, bases[i]), EG_LIT("")}, p));
        }
    }
    EG_TRY(finish_scope(&a->access, &spec->access, p));
    return finish_scope(&a->dflt, &spec->dflt, p);
}

eg_err eg_acl_replace(eg_acl *a, const eg_acl *spec, eg_problem *p) {
    eg_acl made = *spec;
    made.sticky = a->sticky;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        if (!base(&spec->access, bases[i])) {
            return eg_fail(p, EG_ERR_HTTP_HEADER, "An access control list needs the entries user::, group:: and other::.");
        }
    }
    EG_TRY(finish(&made, spec, p));
    *a = made;
    return EG_OK;
}

static eg_err merge(eg_acl_list *l, const eg_acl_list *spec, eg_problem *p) {
    for (size_t i = 0; i < spec->n; i++) {
        EG_TRY(put(l, spec->v[i], p));
    }
    return EG_OK;
}

eg_err eg_acl_update(eg_acl *a, const eg_acl *spec, eg_problem *p) {
    eg_acl made = *a;
    EG_TRY(merge(&made.access, &spec->access, p));
    EG_TRY(merge(&made.dflt, &spec->dflt, p));
    EG_TRY(finish(&made, spec, p));
    *a = made;
    return EG_OK;
}

eg_err eg_acl_remove(eg_acl *a, const eg_acl *spec, eg_problem *p) {
    eg_acl made = *a;
    for (size_t i = 0; i < spec->access.n; i++) {
        const eg_acl_entry *e = &spec->access.v[i];
        if (e->tag == EG_ACL_OWNER || e->tag == EG_ACL_OWNING_GROUP || e->tag == EG_ACL_OTHER) {
            return eg_fail(p, EG_ERR_HTTP_HEADER, "The entries user::, group:: and other:: can't be removed.");
        }
        drop(&made.access, e->tag, e->id);
    }
    for (size_t i = 0; i < spec->dflt.n; i++) {
        drop(&made.dflt, spec->dflt.v[i].tag, spec->dflt.v[i].id);
    }
    EG_TRY(finish(&made, spec, p));
    *a = made;
    return EG_OK;
}

static void narrow(eg_acl_list *l, uint16_t mode) {
    const bool masked = base(l, EG_ACL_MASK);
    for (size_t i = 0; i < l->n; i++) {
        eg_acl_entry *e = &l->v[i];
        const unsigned bound = e->tag == EG_ACL_OWNER ? mode >> 6 & 7u
            : e->tag == EG_ACL_OTHER                  ? mode & 7u
            : e->tag == (masked ? EG_ACL_MASK : EG_ACL_OWNING_GROUP) ? mode >> 3 & 7u
                                                      : 7u;
        e->rights &= (uint8_t)bound;
    }
}

void eg_acl_chmod(eg_acl *a, uint16_t mode) {
    a->sticky = mode & EG_ACL_STICKY;
    set_base(&a->access, EG_ACL_OWNER, mode >> 6 & 7u);
    set_base(&a->access, base(&a->access, EG_ACL_MASK) ? EG_ACL_MASK : EG_ACL_OWNING_GROUP, mode >> 3 & 7u);
    set_base(&a->access, EG_ACL_OTHER, mode & 7u);
}

void eg_acl_inherit(const eg_acl *parent, const eg_acl_birth *b, eg_acl *ret) {
    eg_acl a = {.sticky = b->mode & EG_ACL_STICKY};
    if (parent->dflt.n == 0) {
        from_mode(&a.access, (uint16_t)(b->mode & ~b->umask));
    } else {
        a.access = parent->dflt;
        narrow(&a.access, b->mode);
        if (b->directory) {
            a.dflt = parent->dflt;
        }
    }
    *ret = a;
}

static bool same_id(eg_str a, eg_str b) { return a.len > 0 && eg_str_ieq(a, b); }

bool eg_acl_in_group(const eg_acl_who *who, eg_str group) {
    return who->member && eg_principal_in_group_named(who->member, group);
}

bool eg_acl_is_owner(const eg_acl_item *item, const eg_acl_who *who) { return same_id(who->id, item->owner); }

/* Rights of all groups of the list that the asker is in; false when there is none. */
static bool of_groups(const eg_acl_item *item, const eg_acl_who *who, unsigned *ret) {
    bool member = false;
    unsigned rights = 0;
    for (size_t i = 0; i < item->acl->access.n; i++) {
        const eg_acl_entry *e = &item->acl->access.v[i];
        const eg_str group = e->tag == EG_ACL_OWNING_GROUP ? item->group : e->id;
        if ((e->tag == EG_ACL_OWNING_GROUP || e->tag == EG_ACL_GROUP) && eg_acl_in_group(who, group)) {
            member = true;
            rights |= e->rights;
        }
    }
    *ret = rights;
    return member;
}

/* What even the group with the fewest rights may do. Nobody is in "$superuser". */
static unsigned of_any_group(const eg_acl_item *item) {
    unsigned rights = 7;
    for (size_t i = 0; i < item->acl->access.n; i++) {
        const eg_acl_entry *e = &item->acl->access.v[i];
        const bool owning = e->tag == EG_ACL_OWNING_GROUP && item->group.len > 0 && !eg_str_eq(item->group, EG_ACL_SUPERUSER);
        rights &= owning || e->tag == EG_ACL_GROUP ? e->rights : 7u;
    }
    return rights;
}

/* "Access check algorithm" of Azure's "Access control lists in Azure Data Lake Storage": there the mask narrows others as well. */
static unsigned rights_for(const eg_acl_item *item, const eg_acl_who *who) {
    const eg_acl_list *l = &item->acl->access;
    const eg_acl_entry *mask = base(l, EG_ACL_MASK);
    const unsigned bound = mask ? mask->rights : 7u;
    unsigned rights = 0;
    if (eg_acl_is_owner(item, who)) {
        return rights_of(l, EG_ACL_OWNER);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].tag == EG_ACL_USER && same_id(who->id, l->v[i].id)) {
            return l->v[i].rights & bound;
        }
    }
    if (of_groups(item, who, &rights)) {
        return rights & bound;
    }
    return rights_of(l, EG_ACL_OTHER) & bound & (who->groups_unknown ? of_any_group(item) : 7u);
}

bool eg_acl_allows(const eg_acl_item *item, const eg_acl_who *who, unsigned want) {
    return (rights_for(item, who) & want) == want;
}
