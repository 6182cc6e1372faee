/* Access control lists: text, the access check as Azure documents it, inheritance, change. covers: acl_text.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>

#include <cmocka.h>

#include "acl.h"

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define CAT "cccccccc-0000-4000-8000-000000000003"
#define TEAM "dddddddd-0000-4000-8000-000000000004"
#define CREW "eeeeeeee-0000-4000-8000-000000000005"

static eg_acl list_of(const char *text) {
    eg_acl a;
    assert_int_equal(eg_acl_parse(eg_str_of(text), &a, NULL), EG_OK);
    return a;
}

static void assert_text(const eg_acl *a, const char *want) {
    eg_buf b;
    eg_buf_init(&b, EG_ACL_TEXT_MAX);
    assert_int_equal(eg_acl_text(a, &b), EG_OK);
    assert_string_equal(b.ptr, want);
    eg_buf_done(&b);
}

static void text(void **state) {
    (void)state;
    const struct {
        const char *in;
        const char *out;
    } good[] = {
        {"user::rwx,group::r-x,other::---", "user::rwx,group::r-x,other::---"},
        {"other::--x,group::---,user:" BOB ":r--,user::rwx,mask::rw-", "user::rwx,user:" BOB ":r--,group::---,mask::rw-,other::--x"},
        {"default:user::rwx,group:" TEAM ":r-x,default:other::---", "group:" TEAM ":r-x,default:user::rwx,default:other::---"},
        {"user:ann@example.org:rw-", "user:ann@example.org:rw-"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const eg_acl a = list_of(good[i].in);
        assert_text(&a, good[i].out);
    }
    const char *const bad[] = {"", ",", "user", "user::", "user::rwxr", "users::rwx", "user::rwx,", ":user::rwx", "user::wrx", "user::RWX", "mask:" BOB ":rwx",
        "other:x:rwx", "default:default:user::rwx", "user::rwx,user::r--", "user:" BOB ":rwx,user:BBBBBBBB-0000-4000-8000-000000000002:rwx", "user:a b:rwx",
        "user:a\nb:rwx", "user:\xff:rwx", "user:a\"b:rwx", "user:" BOB ":rwx:r--"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        eg_acl a = {.sticky = true};
        assert_int_equal(eg_acl_parse(eg_str_of(bad[i]), &a, NULL), EG_ERR_HTTP_HEADER);
        assert_true(a.sticky);
    }
    eg_acl a;
    assert_int_equal(eg_acl_parse_removal(EG_LIT("mask,default:user,user:" BOB ",group:" TEAM ":,default:mask:"), &a, NULL), EG_OK);
    assert_int_equal(a.access.n, 3);
    assert_int_equal(a.dflt.n, 2);
    const char *const not_removals[] = {"user:" BOB ":rwx", "mask::rwx", "", "nobody", "default:"};
    for (size_t i = 0; i < sizeof not_removals / sizeof not_removals[0]; i++) {
        assert_int_equal(eg_acl_parse_removal(eg_str_of(not_removals[i]), &a, NULL), EG_ERR_HTTP_HEADER);
    }
}

static void bounds(void **state) {
    (void)state;
    eg_buf b;
    eg_acl a;
    eg_problem p = {0};
    eg_buf_init(&b, 1 << 16);
    assert_int_equal(eg_buf_adds(&b, "user::rwx,group::rwx,other::rwx"), EG_OK);
    for (int i = 0; i < 28; i++) {
        assert_int_equal(eg_buf_addf(&b, ",user:00000000-0000-4000-8000-0000000000%02d:r-x", i), EG_OK);
    }
    assert_int_equal(eg_acl_parse(eg_buf_str(&b), &a, NULL), EG_OK);
    eg_acl whole = {.sticky = false};
    assert_int_equal(eg_acl_replace(&whole, &a, NULL), EG_OK);
    assert_int_equal(whole.access.n, EG_ACL_ENTRIES_MAX); /* the mask is the 32nd */
    assert_int_equal(eg_buf_adds(&b, ",user:one-more:r-x"), EG_OK);
    assert_int_equal(eg_acl_parse(eg_buf_str(&b), &a, NULL), EG_OK);
    assert_int_equal(eg_acl_replace(&whole, &a, &p), EG_ERR_HTTP_HEADER); /* no room for the mask */
    assert_int_equal(p.code, EG_ERR_HTTP_HEADER);
    assert_int_equal(eg_buf_adds(&b, ",user:and-another:r-x"), EG_OK);
    assert_int_equal(eg_acl_parse(eg_buf_str(&b), &a, NULL), EG_ERR_HTTP_HEADER);
    eg_buf_done(&b);
    eg_buf_init(&b, 1 << 16);
    assert_int_equal(eg_buf_adds(&b, "user::rwx"), EG_OK);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(eg_buf_addf(&b, ",user:%0*d:r-x", EG_ACL_ID_MAX, i), EG_OK);
    }
    assert_int_equal(eg_acl_parse(eg_buf_str(&b), &a, NULL), EG_ERR_HTTP_HEADER); /* longer than an attribute may be */
    eg_buf_done(&b);
}

/* Azure's pseudocode, class by class. ann owns, the owning group is TEAM. */
static eg_principal *member_of(const char (*groups)[EG_UUID_LEN], size_t n, bool indexed) {
    eg_principal *p = eg_principal_new();
    assert_non_null(p);
    p->groups = n ? calloc(n, sizeof *p->groups) : NULL;
    for (size_t i = 0; i < n; i++) {
        memcpy(p->groups[i], groups[i], EG_UUID_LEN);
    }
    p->group_count = n;
    if (indexed) {
        eg_principal_index_groups(p);
        assert_true(n == 0 || p->group_ids);
    }
    return p;
}

static void access_check(void **state) {
    (void)state;
    static const char in_team[1][EG_UUID_LEN] = {TEAM};
    static const char in_both[2][EG_UUID_LEN] = {TEAM, CREW};
    const struct {
        const char *acl;
        const char *who;
        const char (*groups)[EG_UUID_LEN];
        size_t n;
        unsigned has;    /* everything more is refused */
    } rows[] = {
        {"user::rw-,group::r--,other::--x", ANN, NULL, 0, 6},
        {"user::rw-,group::r--,other::--x", "AAAAAAAA-0000-4000-8000-000000000001", NULL, 0, 6},
        {"user::rw-,group::r--,other::--x", BOB, NULL, 0, 1},
        {"user::rw-,group::r--,other::--x", BOB, in_team, 1, 4},
        {"user::rw-,group::r--,other::--x", "", NULL, 0, 1},                            /* nobody is other */
        {"user::---,group::rwx,other::rwx", ANN, in_team, 1, 0},                          /* the owner's entry decides alone */
        {"user::---,user:" ANN ":rwx,group::---,mask::rwx,other::---", ANN, NULL, 0, 0},
        {"user::rwx,user:" BOB ":rw-,group::rwx,mask::r-x,other::rwx", BOB, in_team, 1, 4}, /* named user, narrowed; groups don't add */
        {"user::rwx,user:" BOB ":---,group::rwx,mask::rwx,other::rwx", BOB, in_team, 1, 0},
        {"user::rwx,group::r--,group:" CREW ":-w-,mask::rwx,other::rwx", BOB, in_both, 2, 6}, /* groups add up */
        {"user::rwx,group::r--,group:" CREW ":-w-,mask::-wx,other::rwx", BOB, in_both, 2, 2},
        {"user::rwx,group::---,group:" CREW ":rwx,mask::rwx,other::rwx", BOB, in_team, 1, 0}, /* a member never falls to other */
        {"user::---,group::---,mask::--x,other::rwx", CAT, NULL, 0, 1},                   /* Azure narrows others by the mask */
        {"user::rwx,mask::---,group::rwx,other::---", ANN, NULL, 0, 7},                   /* never the owner */
        {"group::rwx", CAT, NULL, 0, 0},                                                  /* what isn't named has nothing */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const eg_acl a = list_of(rows[i].acl);
        const eg_acl_item item = {&a, EG_LIT(ANN), EG_LIT(TEAM)};
        for (int indexed = 0; indexed < 2; indexed++) { /* groups as texts, and as bytes */
            eg_principal *member = member_of(rows[i].groups, rows[i].n, indexed);
            const eg_acl_who who = {.id = eg_str_of(rows[i].who), .member = member};
            for (unsigned want = 0; want < 8; want++) {
                if (eg_acl_allows(&item, &who, want) != ((rows[i].has & want) == want)) {
                    fail_msg("row %zu, want %u", i, want);
                }
            }
            eg_principal_unref(member);
        }
    }
    const eg_acl open = list_of("user::rwx,group::---,other::---");
    const eg_acl_item ownerless = {&open, EG_LIT(""), EG_LIT("")};
    const eg_acl_who nobody = {.id = EG_LIT("")};
    assert_false(eg_acl_is_owner(&ownerless, &nobody));
    assert_false(eg_acl_allows(&ownerless, &nobody, EG_ACL_R));
}

static void rows_of_inodes(void **state) {
    (void)state;
    eg_acl a;
    assert_int_equal(eg_acl_of(01640, EG_LIT(""), &a), EG_OK);
    assert_text(&a, "user::rw-,group::r--,other::---");
    assert_int_equal(eg_acl_mode(&a), 01640);
    assert_false(eg_acl_extended(&a));
    assert_int_equal(eg_acl_of(0777, EG_LIT("user::rwx,user:" BOB ":r--,group::r-x,mask::r--,other::---"), &a), EG_OK);
    assert_int_equal(eg_acl_mode(&a), 0740); /* the text decides, and the mask stands in the group's place */
    assert_true(eg_acl_extended(&a));
    assert_int_equal(eg_acl_of(0777, EG_LIT("rubbish"), &a), EG_ERR_CORRUPT);
    assert_int_equal(eg_acl_of(0750, EG_LIT(""), &a), EG_OK);
    eg_acl_chmod(&a, 01604);
    assert_text(&a, "user::rw-,group::---,other::r--");
    assert_true(a.sticky);
    a = list_of("user::rwx,user:" BOB ":rwx,group::r-x,mask::rwx,other::---,default:user::rwx,default:group::---,default:other::---");
    eg_acl_chmod(&a, 0700);
    assert_text(&a, "user::rwx,user:" BOB ":rwx,group::r-x,mask::---,other::---,default:user::rwx,default:group::---,default:other::---");
    assert_int_equal(eg_acl_mode(&a), 0700);
}

static void birth(void **state) {
    (void)state;
    const char *const none = "user::rwx,group::r-x,other::---";
    const char *const small = "user::rwx,group::r-x,other::---,default:user::rwx,default:group::rw-,default:other::r-x";
    const char *const named = "user::rwx,group::r-x,other::---,default:user::rwx,default:user:" BOB ":rwx,default:group::r-x,default:mask::rwx,default:other::---";
    const struct {
        const char *parent;
        eg_acl_birth b;
        const char *want;
        unsigned mode;
    } rows[] = {
        {none, {0666, 027, false}, "user::rw-,group::r--,other::---", 0640},
        {none, {0777, 027, true}, "user::rwx,group::r-x,other::---", 0750},
        {none, {01777, 0, true}, "user::rwx,group::rwx,other::rwx", 01777},
        {small, {0666, 027, false}, "user::rw-,group::rw-,other::r--", 0664},   /* the umask doesn't count */
        {small, {0600, 027, false}, "user::rw-,group::---,other::---", 0600},
        {small, {0777, 027, true}, "user::rwx,group::rw-,other::r-x,default:user::rwx,default:group::rw-,default:other::r-x", 0765},
        {named, {0666, 027, false}, "user::rw-,user:" BOB ":rwx,group::r-x,mask::rw-,other::---", 0660},
        {named, {0777, 027, true},
            "user::rwx,user:" BOB ":rwx,group::r-x,mask::rwx,other::---,default:user::rwx,default:user:" BOB ":rwx,default:group::r-x,default:mask::rwx,default:other::---", 0770},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const eg_acl parent = list_of(rows[i].parent);
        eg_acl child;
        eg_acl_inherit(&parent, &rows[i].b, &child);
        assert_text(&child, rows[i].want);
        assert_int_equal(eg_acl_mode(&child), rows[i].mode);
    }
}

typedef eg_err (*change)(eg_acl *a, const eg_acl *spec, eg_problem *p);

static void changes(void **state) {
    (void)state;
    const char *const plain = "user::rwx,group::r-x,other::---";
    const char *const bob = "user::rwx,user:" BOB ":-w-,group::r-x,mask::rwx,other::---";
    const struct {
        change run;
        const char *before;
        const char *spec;
        const char *after;   /* NULL: refused */
    } rows[] = {
        {eg_acl_replace, bob, "user::rw-,group::r--,other::r--", "user::rw-,group::r--,other::r--"},
        {eg_acl_replace, plain, "user::rwx,user:" BOB ":-w-,group::r-x,other::---", bob},
        {eg_acl_replace, plain, "user::rwx,user:" BOB ":-w-,group::r-x,mask::---,other::---", "user::rwx,user:" BOB ":-w-,group::r-x,mask::---,other::---"},
        {eg_acl_replace, plain, "user::rwx,group::r-x,other::---,default:user:" BOB ":rwx",
            "user::rwx,group::r-x,other::---,default:user::rwx,default:user:" BOB ":rwx,default:group::r-x,default:mask::rwx,default:other::---"},
        {eg_acl_replace, plain, "user::rwx,group::r-x,other::---,default:mask::--x", /* Hadoop's testModifyAclEntriesWithDefaultMask */
            "user::rwx,group::r-x,other::---,default:user::rwx,default:group::r-x,default:mask::--x,default:other::---"},
        {eg_acl_replace, plain, "user::rwx,group::r-x", NULL},
        {eg_acl_replace, plain, "default:user::rwx", NULL},
        {eg_acl_update, plain, "user:" BOB ":-w-", bob},
        {eg_acl_update, bob, "user:" BOB ":---", "user::rwx,user:" BOB ":---,group::r-x,mask::r-x,other::---"},
        {eg_acl_update, bob, "mask::r--", "user::rwx,user:" BOB ":-w-,group::r-x,mask::r--,other::---"},
        {eg_acl_update, bob, "default:other::r--",
            "user::rwx,user:" BOB ":-w-,group::r-x,mask::rwx,other::---,default:user::rwx,default:group::r-x,default:other::r--"},
        {eg_acl_remove, bob, "user:" BOB, "user::rwx,group::r-x,other::---"},
        {eg_acl_remove, bob, "mask,user:" BOB ",group:" CREW, "user::rwx,group::r-x,other::---"},
        {eg_acl_remove, bob, "mask", "user::rwx,user:" BOB ":-w-,group::r-x,mask::rwx,other::---"},
        {eg_acl_remove, bob, "user", NULL},
        {eg_acl_remove, bob, "other", NULL},
        {eg_acl_remove, "user::rwx,group::r-x,other::---,default:user::r--,default:group::r--,default:other::---", "default:user",
            "user::rwx,group::r-x,other::---,default:user::rwx,default:group::r--,default:other::---"},
        {eg_acl_remove, "user::rwx,group::r-x,other::---,default:user::r--,default:group::r--,default:mask::r--,default:other::---",
            "default:user,default:group,default:other", "user::rwx,group::r-x,other::---"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        eg_acl a = list_of(rows[i].before);
        eg_acl spec;
        assert_int_equal(rows[i].run == eg_acl_remove ? eg_acl_parse_removal(eg_str_of(rows[i].spec), &spec, NULL) : eg_acl_parse(eg_str_of(rows[i].spec), &spec, NULL),
            EG_OK);
        assert_int_equal(rows[i].run(&a, &spec, NULL), rows[i].after ? EG_OK : EG_ERR_HTTP_HEADER);
        assert_text(&a, rows[i].after ? rows[i].after : rows[i].before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(text), cmocka_unit_test(bounds), cmocka_unit_test(access_check),
        cmocka_unit_test(rows_of_inodes), cmocka_unit_test(birth), cmocka_unit_test(changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
