/* What access control lists grant through the real handlers, and that nothing is granted without a grant. covers: grant.c grant_request.c */
#include "storage_fixture.h"

#include "grant_request.h"

#include <embergate/actions.h>

#define ANN "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define TEAM "dddddddd-0000-4000-8000-000000000004"

static void set_acl(store *s, const char *path, const char *acl) {
    /* As the owner: WHO made everything that these tests lay out. */
    assert_int_equal(store_do(s, (call){.method = "PATCH", .path = path, .query = "action=setAccessControl", .headers = {"x-ms-acl", acl}}), EG_OK);
}

/* The root belongs to the superuser, so what is set there is set by hand. */
static void set_root(store *s, const char *acl) {
    eg_path_update u = {.base = {.account = store_account(s), .grant = &eg_grant_all, .container = EG_LIT(FS), .path = EG_LIT("")}};
    u.set[EG_ATTR_ACL] = true;
    u.attr[EG_ATTR_ACL] = eg_str_bytes(eg_str_of(acl));
    const eg_txn_op op = {eg_path_update_apply, &u};
    assert_int_equal(eg_commit(s->committer, &op, 1, NULL), EG_OK);
}

static eg_err as(store *s, const char *who, call c) {
    c.way = EG_WAY_ACL;
    c.who = who;
    return store_do(s, c);
}

#define NAMED(rights) "user::rwx,user:" BOB ":" rights ",group::---,mask::rwx,other::---"
#define PLAIN "user::rwx,group::---,other::---"

typedef struct row {
    const char *root, *dir, *file;   /* what BOB has on /, /d and /d/f */
    call c;
    eg_err owed;
} row;

#define READ {.method = "GET", .path = "/data/d/f"}
#define STATUS {.method = "HEAD", .path = "/data/d/f", .query = "action=getStatus"}
#define TOLD {.method = "HEAD", .path = "/data/d/f"}
#define BLOB_TOLD {.method = "HEAD", .path = "/data/d/f", .surface = EG_SURFACE_BLOB}
#define METADATA {.method = "GET", .path = "/data/d/f", .query = "comp=metadata"}
#define ACCESS {.method = "HEAD", .path = "/data/d/f", .query = "action=getAccessControl"}
#define APPEND {.method = "PATCH", .path = "/data/d/f", .query = "action=append&position=5", .body = "x", .body_len = 1}
#define FLUSH {.method = "PATCH", .path = "/data/d/f", .query = "action=flush&position=5"}
#define PROPERTIES {.method = "PATCH", .path = "/data/d/f", .query = "action=setProperties", .headers = {"x-ms-properties", "a=YQ=="}}
#define LIST {.method = "GET", .path = "/data", .query = "resource=filesystem&directory=d"}
#define DEEP {.method = "GET", .path = "/data", .query = "resource=filesystem&recursive=true"}
#define CREATE {.method = "PUT", .path = "/data/d/new", .query = "resource=file"}
#define OVER {.method = "PUT", .path = "/data/d/f", .query = "resource=file"}
#define MKDIR {.method = "PUT", .path = "/data/d/sub/sub", .query = "resource=directory"}
#define DELETE {.method = "DELETE", .path = "/data/d/f"}
#define DELETE_ALL {.method = "DELETE", .path = "/data/d", .query = "recursive=true"}
#define RENAME {.method = "PUT", .path = "/data/d/g", .headers = {"x-ms-rename-source", "/data/d/f"}}
#define RENAME_UP {.method = "PUT", .path = "/data/g", .headers = {"x-ms-rename-source", "/data/d/f"}}
#define CHMOD {.method = "PATCH", .path = "/data/d/f", .query = "action=setAccessControl", .headers = {"x-ms-permissions", "0777"}}
#define MISSING {.method = "HEAD", .path = "/data/d/nothing", .query = "action=getStatus"}
#define CHECK(letters) {.method = "HEAD", .path = "/data/d/f", .query = "action=checkAccess&fsAction=" letters}
#define NO EG_ERR_DENIED_DATA

static const row rows[] = {
    /* Azure's "Permissions table". */
    {"--x", "--x", "r--", READ, EG_OK},
    {"---", "--x", "r--", READ, NO},
    {"--x", "r--", "r--", READ, NO},
    {"--x", "--x", "-wx", READ, NO},
    {"--x", "--x", "rw-", APPEND, EG_OK},
    {"--x", "--x", "-w-", APPEND, NO},
    {"--x", "--x", "r--", APPEND, NO},
    {"--x", "--x", "-w-", FLUSH, EG_OK},
    {"--x", "--x", "r-x", FLUSH, NO},
    {"--x", "--x", "-w-", PROPERTIES, EG_OK},
    {"--x", "--x", "r-x", PROPERTIES, NO},
    {"--x", "-wx", "---", DELETE, EG_OK},
    {"--x", "-w-", "rwx", DELETE, NO},
    {"--x", "--x", "rwx", DELETE, NO},
    {"--x", "-wx", "---", CREATE, EG_OK},
    {"--x", "--x", "rwx", CREATE, NO},
    {"---", "-wx", "---", CREATE, NO},
    {"--x", "-wx", "-w-", OVER, EG_OK},
    {"--x", "-wx", "r-x", OVER, NO},
    {"--x", "-wx", "---", MKDIR, EG_OK},
    {"--x", "r-x", "---", MKDIR, NO},
    {"--x", "r-x", "---", LIST, EG_OK},
    {"--x", "r--", "---", LIST, NO},
    {"--x", "--x", "---", LIST, NO},
    {"r-x", "r-x", "---", DEEP, EG_OK},
    {"r-x", "--x", "---", DEEP, NO},
    {"--x", "--x", "---", STATUS, EG_OK},
    {"--x", "--x", "-wx", TOLD, NO},
    {"--x", "--x", "r--", TOLD, EG_OK},
    {"--x", "--x", "-wx", BLOB_TOLD, NO},
    {"--x", "--x", "r--", BLOB_TOLD, EG_OK},
    {"--x", "--x", "-wx", METADATA, NO},
    {"--x", "--x", "r--", METADATA, EG_OK},
    {"--x", "rw-", "rwx", STATUS, NO},
    {"--x", "--x", "---", ACCESS, EG_OK},
    {"---", "--x", "rwx", ACCESS, NO},
    {"--x", "--x", "---", MISSING, EG_ERR_PATH_NOT_FOUND},
    {"--x", "rw-", "---", MISSING, NO},             /* nor is it said that it isn't there */
    {"-wx", "rwx", "---", DELETE_ALL, EG_OK},
    {"-wx", "r-x", "rwx", DELETE_ALL, NO},
    {"--x", "rwx", "rwx", DELETE_ALL, NO},
    {"--x", "-wx", "---", RENAME, EG_OK},
    {"--x", "--x", "rwx", RENAME, NO},
    {"-wx", "-wx", "---", RENAME_UP, EG_OK},
    {"--x", "-wx", "rwx", RENAME_UP, NO},           /* destination */
    {"-wx", "--x", "rwx", RENAME_UP, NO},           /* source */
    {"rwx", "rwx", "rwx", CHMOD, NO},               /* not the owner */
    {"--x", "--x", "r-x", CHECK("r-x"), EG_OK},
    {"--x", "--x", "r-x", CHECK("rw-"), NO},
    {"--x", "rw-", "rwx", CHECK("r--"), NO},
};

static void lists(void **state) {
    store *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char acl[256];
        const char *const rights[] = {rows[i].root, rows[i].dir, rows[i].file};
        const char *const paths[] = {"", "/data/d", "/data/d/f"};
        set_root(s, "user::rwx,group::---,other::rwx");
        store_write(s, "/data/d/f", "hello", 5);
        for (size_t k = 0; k < 3; k++) {
            snprintf(acl, sizeof acl, "user::rwx,user:" BOB ":%s,group::---,mask::rwx,other::---", rights[k]);
            if (k == 0) {
                set_root(s, acl);
            } else {
                set_acl(s, paths[k], acl);
            }
        }
        const eg_err e = as(s, BOB, rows[i].c);
        if (e != rows[i].owed) {
            fail_msg("row %zu: %s instead of %s", i, eg_err_code(e), eg_err_code(rows[i].owed));
        }
        assert_int_equal(as(s, ANN, rows[i].c), NO); /* a third person has nothing on the root */
        const eg_err there = store_delete(s, "/data/d", "recursive=true");
        assert_true(there == EG_OK || rows[i].c.method[0] == 'D');
        (void)store_delete(s, "/data/g", NULL);
    }
}

static void owners(void **state) {
    store *s = *state;
    set_root(s, "user::rwx,group::---,other::rwx");
    assert_int_equal(as(s, BOB, (call){.method = "PUT", .path = "/data/d/f", .query = "resource=file"}), EG_OK);
    const call chmod = {.method = "PATCH", .path = "/data/d/f", .query = "action=setAccessControl", .headers = {"x-ms-permissions", "0640"}};
    const call chown = {.method = "PATCH", .path = "/data/d/f", .query = "action=setAccessControl", .headers = {"x-ms-owner", ANN}};
    call chgrp = {.method = "PATCH", .path = "/data/d/f", .query = "action=setAccessControl", .headers = {"x-ms-group", TEAM}};
    assert_int_equal(as(s, BOB, chmod), EG_OK);
    assert_int_equal(as(s, ANN, chmod), NO);
    assert_int_equal(store_do(s, chmod), NO);      /* a role that writes is no owner */
    assert_int_equal(as(s, BOB, chown), NO);       /* and an owner gives nothing away */
    assert_int_equal(store_do(s, chown), NO);
    assert_int_equal(as(s, BOB, chgrp), NO);       /* a group that it isn't in */
    chgrp.group = TEAM;
    assert_int_equal(as(s, BOB, chgrp), EG_OK);
    assert_int_equal(as(s, ANN, chgrp), NO);
    call key = chown;
    key.way = EG_WAY_KEY;
    key.who = "";
    assert_int_equal(store_do(s, key), EG_OK);     /* the account's key may */
    assert_int_equal(as(s, BOB, chmod), NO);
    assert_int_equal(as(s, ANN, chmod), NO);       /* its owner, but /d isn't hers to pass */
}

static void sticky(void **state) {
    store *s = *state;
    set_root(s, "user::rwx,group::---,other::rwx");
    assert_int_equal(store_do(s, (call){.method = "PUT", .path = "/data/tmp", .query = "resource=directory", .headers = {"x-ms-permissions", "1777", "x-ms-umask", "0000"}}), EG_OK);
    assert_int_equal(as(s, BOB, (call){.method = "PUT", .path = "/data/tmp/b", .query = "resource=file", .headers = {"x-ms-permissions", "0777", "x-ms-umask", "0000"}}), EG_OK);
    assert_int_equal(as(s, ANN, (call){.method = "DELETE", .path = "/data/tmp/b"}), NO);
    assert_int_equal(as(s, ANN, (call){.method = "PUT", .path = "/data/tmp/b", .query = "resource=file"}), NO);
    assert_int_equal(as(s, ANN, (call){.method = "PUT", .path = "/data/tmp/c", .headers = {"x-ms-rename-source", "/data/tmp/b"}}), NO);
    assert_int_equal(as(s, ANN, (call){.method = "PUT", .path = "/data/tmp/a", .query = "resource=file"}), EG_OK);
    assert_int_equal(as(s, ANN, (call){.method = "PUT", .path = "/data/tmp/b", .headers = {"x-ms-rename-source", "/data/tmp/a"}}), NO);
    assert_int_equal(as(s, BOB, (call){.method = "PUT", .path = "/data/tmp/c", .headers = {"x-ms-rename-source", "/data/tmp/b"}}), EG_OK);
    assert_int_equal(as(s, WHO, (call){.method = "DELETE", .path = "/data/tmp/c"}), EG_OK); /* the directory's owner */
    assert_int_equal(as(s, ANN, (call){.method = "DELETE", .path = "/data/tmp/a"}), EG_OK);
}

static void groups(void **state) {
    store *s = *state;
    set_root(s, "user::rwx,group::---,other::--x");
    store_write(s, "/data/f", "hello", 5);
    set_acl(s, "/data/f", "user::rwx,group::---,group:" TEAM ":r--,mask::r--,other::---");
    call read = {.method = "GET", .path = "/data/f", .way = EG_WAY_ACL, .who = BOB};
    assert_int_equal(store_do(s, read), NO);
    read.group = TEAM;
    assert_int_equal(store_do(s, read), EG_OK);
}

static void birth(void **state) {
    store *s = *state;
    assert_int_equal(store_mkdir(s, "/data/d"), EG_OK);
    set_acl(s, "/data/d", "user::rwx,group::r-x,other::---,default:user::rwx,default:user:" BOB ":r-x,default:group::r-x,default:mask::r-x,default:other::---");
    assert_int_equal(store_create(s, "/data/d/sub/f"), EG_OK);
    answer a = store_call(s, &(call){.method = "HEAD", .path = "/data/d/sub", .query = "action=getAccessControl"});
    assert_string_equal(answer_header(&a, "x-ms-acl"), "user::rwx,user:" BOB ":r-x,group::r-x,mask::r-x,other::---,default:user::rwx,default:user:" BOB
        ":r-x,default:group::r-x,default:mask::r-x,default:other::---");
    assert_string_equal(answer_header(&a, "x-ms-permissions"), "rwxr-x---+");
    answer_free(&a);
    a = store_call(s, &(call){.method = "HEAD", .path = "/data/d/sub/f", .query = "action=getAccessControl"});
    assert_string_equal(answer_header(&a, "x-ms-acl"), "user::rw-,user:" BOB ":r-x,group::r-x,mask::r--,other::---");
    assert_string_equal(answer_header(&a, "x-ms-permissions"), "rw-r-----+");
    assert_string_equal(answer_header(&a, "x-ms-group"), "$superuser");
    answer_free(&a);
}

/* Beneath a signature: letters and place. */
static void bounds(void **state) {
    store *s = *state;
    store_write(s, "/data/d/f", "hello", 5);
    store_write(s, "/data/dd/f", "hello", 5);
    eg_sas_bounds b = {.container = EG_LIT(FS), .path = EG_LIT("d"), .beneath = true, .letters = eg_sas_letter('r')};
    const eg_grant g = {.way = EG_WAY_SAS, .superuser = true, .bounds = &b};
    const struct {
        const char *path;
        bool beneath;
        const char *letters;
        const char *asked;
        eg_need need;
        eg_err owed;
    } cases[] = {
        {"d", true, "r", "d/f", EG_NEED_READ, EG_OK},
        {"d", true, "r", "d", EG_NEED_STATUS, EG_OK},
        {"d", true, "r", "dd/f", EG_NEED_READ, NO},
        {"d", true, "r", "", EG_NEED_LIST, NO},
        {"d", true, "w", "d/f", EG_NEED_READ, NO},
        {"d/f", false, "r", "d/f", EG_NEED_READ, EG_OK},
        {"d/f", false, "r", "d/f/g", EG_NEED_READ, NO},
        {"d/f", false, "r", "d", EG_NEED_STATUS, NO},
        {"", true, "c", "d/new", EG_NEED_CREATE, EG_OK},
        {"", true, "c", "d/f", EG_NEED_CREATE, NO},      /* creating is not overwriting */
        {"", true, "w", "d/f", EG_NEED_CREATE, EG_OK},
        {"", true, "rwd", "d/f", EG_NEED_PERMISSIONS, NO},
        {"", true, "p", "d/f", EG_NEED_PERMISSIONS, EG_OK},
        {"", true, "rwdlacupmoe", "d/f", EG_NEED_NONE, NO},
        {"", true, "l", "d", EG_NEED_LIST, EG_OK},
        {"", true, "r", "d", EG_NEED_LIST, NO},
        {"", true, "a", "d/f", EG_NEED_APPEND, EG_OK},
        {"", true, "m", "d/f", EG_NEED_MOVE_FROM, EG_OK},
        {"", true, "w", "d/f", EG_NEED_MOVE_FROM, NO},
        {"", true, "w", "d/g", EG_NEED_MOVE_TO, EG_OK},
        {"", true, "r", "d/g", EG_NEED_MOVE_TO, NO},
    };
    eg_kv_txn *t = NULL;
    assert_int_equal(eg_kv_read_begin(s->kv, &t), EG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        b.path = eg_str_of(cases[i].path);
        b.beneath = cases[i].beneath;
        b.letters = 0;
        for (const char *l = cases[i].letters; *l; l++) {
            b.letters |= eg_sas_letter(*l);
        }
        const eg_where w = {store_account(s), EG_LIT(FS), eg_str_of(cases[i].asked)};
        if (eg_grant_check(t, &g, &w, cases[i].need, NULL) != cases[i].owed) {
            fail_msg("case %zu", i);
        }
        const eg_where other = {store_account(s), EG_LIT("other"), eg_str_of(cases[i].asked)};
        assert_int_not_equal(eg_grant_check(t, &g, &other, cases[i].need, NULL), EG_OK);
    }
    const eg_where w = {store_account(s), EG_LIT(FS), EG_LIT("d/f")};
    const eg_grant nothing = {.way = EG_WAY_NONE, .superuser = true};
    for (int n = 0; n < EG_NEED_COUNT; n++) {
        assert_int_equal(eg_grant_check(t, NULL, &w, (eg_need)n, NULL), NO);
        assert_int_equal(eg_grant_check(t, &nothing, &w, (eg_need)n, NULL), NO);
        assert_int_equal(eg_grant_check(t, &eg_grant_all, &w, (eg_need)n, NULL), EG_OK);
    }
    eg_kv_read_end(t);
}

/* Each row that lists may decide says what it needs; one that doesn't is closed to them. */
static void routes(void **state) {
    (void)state;
    size_t n = 0;
    const eg_route *all = eg_storage_routes(&n);
    for (size_t i = 0; i < n; i++) {
        if ((all[i].flags & EG_ROUTE_ACL) && eg_need_of(&all[i]) == EG_NEED_NONE) {
            fail_msg("%s %s has no need", all[i].method, all[i].event);
        }
        if ((all[i].flags & EG_ROUTE_ACL) && !(all[i].flags & EG_ROUTE_DATA_ACTION)) {
            fail_msg("%s %s: lists decide over data alone", all[i].method, all[i].event);
        }
    }
    const eg_route unknown = {.action = EG_ACTION_DELEGATION_KEY, .event = "something.else"};
    assert_int_equal(eg_need_of(&unknown), EG_NEED_NONE);
    assert_int_equal(eg_need_of(NULL), EG_NEED_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, store_open, store_close),  cmocka_unit_test_setup_teardown(owners, store_open, store_close),
        cmocka_unit_test_setup_teardown(sticky, store_open, store_close), cmocka_unit_test_setup_teardown(groups, store_open, store_close),
        cmocka_unit_test_setup_teardown(birth, store_open, store_close),  cmocka_unit_test_setup_teardown(bounds, store_open, store_close),
        cmocka_unit_test(routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
