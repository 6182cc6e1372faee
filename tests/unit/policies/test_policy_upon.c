/* A snapshot made upon another is the one that reading everything would have given, to its digest, whatever changes one after the other. covers: assignment_index.c assignment_merge.c */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"
#include "seeded.h"

#define NAMES 12 /* documents of a kind */

/* The documents as a store has them: by kind, and by the digest of their ids. */
typedef struct document { char *text; uint8_t id[EG_SHA256_LEN]; } document;
static document all[EG_POLICY_KIND_COUNT][NAMES];

static bool plain; /* nothing that could be refused */

static void make_text(eg_policy_kind kind, unsigned n, char ret[1024]) {
    static const char *const roles[] = {"acdd72a7-3385-48ef-bd42-f606fba81ae7", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"};
    static const char *const scopes[] = {SUB, GROUP, CLUSTER, ACCOUNT_ID};
    const char *who = pick(2) ? ALICE : TEAM, *scope = scopes[pick(4)], *role = roles[pick(2)];
    char name[40], own_role[40];
    if (!plain && pick(3) == 0) { /* one of those that change too; now and then by its name */
        snprintf(own_role, sizeof own_role, pick(12) ? "11111111-1111-4111-8111-%012u" : "Night Operator %u", pick(NAMES));
        role = own_role;
    }
    snprintf(name, sizeof name, "00000000-0000-4000-8000-%08x%04x", (unsigned)kind, n);
    switch (kind) {
    case EG_POLICY_ROLES:
        snprintf(ret, 1024, "{\"name\":\"11111111-1111-4111-8111-%012u\",\"properties\":{\"roleName\":\"Night Operator %u\",\"description\":\"\",\"permissions\":[{\"actions\":[\"Microsoft.HDInsight/%s\"],"
                            "\"dataActions\":[\"Microsoft.Storage/*\"]}],\"assignableScopes\":[\"%s\"]}}", n, plain || pick(8) ? n : 0, pick(2) ? "*" : "clusters/read", plain || pick(3) ? SUB : scope);
        break;
    case EG_POLICY_ASSIGNMENTS:
        snprintf(ret, 1024, "{\"name\":\"%s\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"scope\":\"%s\"%s}}", name, role, who, scope,
                 pick(3) ? "" : ",\"condition\":\"@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'lake'\",\"conditionVersion\":\"2.0\"");
        break;
    case EG_POLICY_SCHEDULES:
    case EG_POLICY_ELIGIBLE:
        snprintf(ret, 1024, "{\"name\":\"%s\",\"properties\":{\"roleDefinitionId\":\"%s\",\"principalId\":\"%s\",\"scope\":\"%s\",\"status\":\"Provisioned\",\"endDateTime\":\"2026-02-0%uT00:00:00Z\"}}",
                 name, role, who, scope, 1 + pick(9));
        break;
    case EG_POLICY_DENIES:
        snprintf(ret, 1024, "{\"name\":\"%s\",\"properties\":{\"permissions\":[{\"actions\":[\"*/read\"]}],\"scope\":\"%s\",\"principals\":[{\"id\":\"%s\",\"type\":\"User\"}]}}", name, scope, who);
        break;
    case EG_POLICY_GROUPS:
        snprintf(ret, 1024, "{\"id\":\"" GROUP "/providers/Microsoft.Network/networkSecurityGroups/g%u\",\"name\":\"g%u\",\"properties\":{\"securityRules\":[{\"name\":\"r\",\"properties\":{\"priority\":%u,"
                            "\"direction\":\"Inbound\",\"access\":\"Allow\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"192.0.2.%u\",\"sourcePortRange\":\"*\",\"destinationAddressPrefix\":\"*\","
                            "\"destinationPortRange\":\"443\"}}]}}", n, n, 100 + pick(100), pick(200));
        break;
    case EG_POLICY_VNETS:
        snprintf(ret, 1024, "{\"id\":\"" GROUP "/providers/Microsoft.Network/virtualNetworks/v%u\",\"name\":\"v%u\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.0.0.0/8\"]},\"subnets\":["
                            "{\"id\":\"" GROUP "/providers/Microsoft.Network/virtualNetworks/v%u/subnets/s\",\"name\":\"s\",\"properties\":{\"addressPrefix\":\"10.%u.0.0/24\",\"networkSecurityGroup\":{\"id\":\"" GROUP "/providers/Microsoft.Network/networkSecurityGroups/g0\"}}}]}}",
                 n, n, n, pick(200));
        break;
    case EG_POLICY_ACCOUNTS:
        snprintf(ret, 1024, "{\"id\":\"" GROUP "/providers/Microsoft.Storage/storageAccounts/lake%u\",\"name\":\"lake%u\",\"properties\":{\"networkAcls\":{\"defaultAction\":\"Deny\",\"ipRules\":[{\"value\":"
                            "\"192.0.2.%u\"}],\"virtualNetworkRules\":[{\"id\":\"" GROUP "/providers/Microsoft.Network/virtualNetworks/v0/subnets/s\"}]}}}", n, n, pick(200));
        break;
    case EG_POLICY_RULE_ASSIGNMENTS:
        snprintf(ret, 1024, "{\"id\":\"" SUB "/providers/Microsoft.Authorization/policyAssignments/a%u\",\"name\":\"a%u\",\"properties\":{\"policyDefinitionId\":"
                            "\"/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9\",\"scope\":\"" SUB "\",\"parameters\":{\"effect\":{\"value\":\"%s\"}}}}",
                 n, n, pick(2) ? "Audit" : "Deny");
        break;
    default:
        fail();
    }
}

static const eg_policy_kind changing[] = {EG_POLICY_ROLES, EG_POLICY_ROLES, EG_POLICY_ASSIGNMENTS, EG_POLICY_ASSIGNMENTS, EG_POLICY_ASSIGNMENTS, EG_POLICY_SCHEDULES, EG_POLICY_ELIGIBLE, EG_POLICY_DENIES,
                                          EG_POLICY_GROUPS, EG_POLICY_VNETS, EG_POLICY_ACCOUNTS, EG_POLICY_RULE_ASSIGNMENTS};

/* What a refused change leaves in place. */
static char *before[EG_POLICY_KIND_COUNT][NAMES];

static void reset(void) {
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        for (unsigned i = 0; i < NAMES; i++) {
            const uint8_t at[] = {(uint8_t)k, (uint8_t)i};
            test_free(all[k][i].text);
            all[k][i].text = NULL;
            test_free(before[k][i]);
            before[k][i] = NULL;
            eg_sha256((eg_bytes){at, sizeof at}, all[k][i].id);
        }
    }
}

static void set(eg_policy_kind kind, unsigned n, const char *text) {
    char *copy = text ? replaced(text, "", "") : NULL;
    test_free(all[kind][n].text);
    all[kind][n].text = copy;
}

static void keep_before(void) {
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        for (unsigned i = 0; i < NAMES; i++) {
            test_free(before[k][i]);
            before[k][i] = all[k][i].text ? replaced(all[k][i].text, "", "") : NULL;
        }
    }
}

static void go_back(void) {
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        for (unsigned i = 0; i < NAMES; i++) {
            set(k, i, before[k][i]);
        }
    }
}

/* What one reading is given: kinds whole, or what is among the touched. */
typedef struct reading {
    const eg_policy_upon *upon;   /* NULL = everything */
    eg_policy_kind kind;
    uint8_t last[EG_SHA256_LEN];
    bool begun;
} reading;

static bool wanted(const reading *r, eg_policy_kind kind, const uint8_t *id) {
    if (!r->upon || r->upon->again[kind]) {
        return true;
    }
    for (size_t i = 0; i < r->upon->n; i++) {
        if (r->upon->v[i].kind == kind && memcmp(r->upon->v[i].id, id, EG_SHA256_LEN) == 0) {
            return true;
        }
    }
    return false;
}

static eg_err next(void *ctx, eg_policy_document *ret, eg_problem *p) {
    reading *r = ctx;
    (void)p;
    for (; r->kind < EG_POLICY_KIND_COUNT; r->kind++, r->begun = false) {
        const document *best = NULL;
        for (unsigned i = 0; i < NAMES; i++) {
            const document *d = &all[r->kind][i];
            if (d->text && wanted(r, r->kind, d->id) && (!r->begun || memcmp(d->id, r->last, EG_SHA256_LEN) > 0) && (!best || memcmp(d->id, best->id, EG_SHA256_LEN) < 0)) {
                best = d;
            }
        }
        if (best) {
            memcpy(r->last, best->id, EG_SHA256_LEN);
            r->begun = true;
            *ret = (eg_policy_document){r->kind, eg_policy_folders[r->kind], eg_str_of(best->text), best->id};
            return EG_OK;
        }
    }
    return EG_ERR_NOT_FOUND;
}

static eg_err read_all(eg_policy **ret, eg_problem *p) {
    reading r = {0};
    return eg_policy_load_from(&(eg_policy_documents){next, &r}, 1, ret, p);
}

static eg_err read_upon(const eg_policy_upon *u, eg_policy **ret, eg_problem *p) {
    reading r = {.upon = u};
    return eg_policy_load_upon(u, &(eg_policy_documents){next, &r}, 1, ret, p);
}

static int touched_order(const void *x, const void *y) {
    const eg_policy_touched *a = x, *b = y;
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : memcmp(a->id, b->id, EG_SHA256_LEN);
}

/* Some documents made, changed or taken away; each once. */
static size_t change_some(eg_policy_touched *ret) {
    size_t n = 0;
    for (unsigned i = 1 + pick(4); i > 0; i--) {
        const eg_policy_kind kind = changing[pick(sizeof changing / sizeof changing[0])];
        const unsigned which = pick(NAMES);
        bool again = false;
        for (size_t k = 0; k < n; k++) {
            again = again || ret[k].id == all[kind][which].id;
        }
        if (again || (which == 0 && kind >= EG_POLICY_GROUPS && kind <= EG_POLICY_VNETS)) {
            continue; /* what others refer to stays */
        }
        char text[1024];
        make_text(kind, which, text);
        set(kind, which, pick(3) ? text : NULL);
        ret[n++] = (eg_policy_touched){kind, all[kind][which].id};
    }
    qsort(ret, n, sizeof *ret, touched_order);
    return n;
}

/* In the same order, of the same documents and roles. */
static void same_assignments(const eg_policy *pa, const eg_policy_assignment *a, size_t a_count, const eg_policy *pb, const eg_policy_assignment *b, size_t b_count) {
    assert_int_equal(a_count, b_count);
    for (size_t i = 0; i < a_count; i++) {
        assert_memory_equal(a[i].document, b[i].document, EG_SHA256_LEN + 1);
        assert_memory_equal(&pa->roles[a[i].role].id, &pb->roles[b[i].role].id, sizeof(eg_policy_guid));
    }
}

static void assert_same(const eg_policy *a, const eg_policy *b) {
    static const struct { const char *action, *scope; } asked[] = {
        {"Microsoft.HDInsight/clusters/read", CLUSTER}, {"Microsoft.Storage/storageAccounts/read", ACCOUNT_ID},
        {"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", ACCOUNT_ID "/blobServices/default/containers/c"}, {"Microsoft.HDInsight/clusters/read", SUB}};
    uint8_t x[EG_SHA256_LEN], y[EG_SHA256_LEN];
    eg_buf words;
    eg_policy_digest(a, x);
    eg_policy_digest(b, y);
    assert_memory_equal(x, y, sizeof x);
    eg_buf_init(&words, 1 << 20);
    assert_int_equal(eg_policy_what_if(a, b, &words), EG_OK);
    assert_int_equal(words.len, 0);
    eg_buf_done(&words);
    same_assignments(a, a->assignments, a->assignment_count, b, b->assignments, b->assignment_count);
    same_assignments(a, a->eligible, a->eligible_count, b, b->eligible, b->eligible_count);
    assert_int_equal(a->role_count, b->role_count);
    assert_int_equal(a->bucket_mask, b->bucket_mask);
    assert_memory_equal(a->buckets, b->buckets, (a->bucket_mask + 1) * sizeof *a->buckets);
    assert_memory_equal(a->scope_buckets, b->scope_buckets, (a->bucket_mask + 1) * sizeof *a->scope_buckets);
    assert_memory_equal(a->present, b->present, EG_POLICY_PRESENT_BITS / 8);
    for (size_t i = 0; i < a->assignment_count; i++) {
        assert_true(a->by_scope[i].hash == b->by_scope[i].hash && a->by_scope[i].assignment == b->by_scope[i].assignment);
    }
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        for (int who = 0; who < 2; who++) {
            eg_principal *person_asking = person(TENANT, who ? ALICE : TEAM);
            const eg_access q = {.who = person_asking, .resource_tenant = EG_LIT(TENANT), .action = eg_str_of(asked[i].action), .data_action = i == 2, .scope = eg_str_of(asked[i].scope),
                                 .account = EG_LIT("lake"), .now_ns = 1770000000 * (int64_t)1000000000};
            eg_decision one, two;
            eg_policy_decide(a, &q, &one);
            eg_policy_decide(b, &q, &two);
            assert_int_equal(one.allowed, two.allowed);
            assert_string_equal(one.rule, two.rule);
            eg_principal_unref(person_asking);
        }
    }
}

static void begin(eg_policy **ret) {
    eg_problem p = {0};
    char text[1024];
    reset();
    plain = true;
    for (unsigned n = 0; n < NAMES; n++) {
        make_text(EG_POLICY_ROLES, n, text);
        set(EG_POLICY_ROLES, n, text);
    }
    for (size_t i = 0; i < sizeof changing / sizeof changing[0]; i++) {
        make_text(changing[i], 0, text);
        set(changing[i], 0, text);
    }
    plain = false;
    if (read_all(ret, &p) != EG_OK) {
        fail_msg("%s at %s", p.message, p.where);
    }
}

/* Each snapshot upon the last, until there are too many or an assignment's role has to be looked for, and all is read again. What is refused is refused alike, with the same words. */
static void is_what_reading_all_gives(void **state) {
    (void)state;
    seeded("policy upon");
    eg_policy *now;
    unsigned upon = 0, whole = 0, refused = 0;
    begin(&now);
    for (int round = 0; round < 400; round++) {
        eg_policy_touched touched[8];
        eg_policy *one = NULL, *two = NULL;
        eg_problem p = {0}, q = {0};
        keep_before();
        eg_policy_upon u = {.base = now, .v = touched, .n = change_some(touched)};
        const eg_err e = read_all(&one, &p);
        const bool planned = eg_policy_upon_plan(&u);
        assert_int_equal(planned ? read_upon(&u, &two, &q) : e, e);
        if (e != EG_OK) {
            assert_int_equal(e, EG_ERR_POLICY_INVALID);
            assert_true(!planned || q.message[0]);
            refused++;
            go_back();
            continue;
        }
        if (planned) {
            assert_same(one, two);
            upon++;
        } else {
            two = eg_policy_ref(one);
            whole++;
        }
        eg_policy_unref(one);
        eg_policy_unref(now); /* what it shares lives on */
        now = two;
    }
    eg_policy_unref(now);
    print_message("%u upon another, %u whole, %u refused\n", upon, whole, refused);
    assert_true(upon > 60 && refused > 5);
    reset();
}

/* What changes leave behind is let go of, whoever makes many. */
static void reads_all_now_and_then(void **state) {
    (void)state;
    eg_policy *now;
    begin(&now);
    for (unsigned n = 1;; n++) {
        char text[1024];
        eg_policy *next_one = NULL;
        eg_problem p = {0};
        const eg_policy_touched touched = {EG_POLICY_ACCOUNTS, all[EG_POLICY_ACCOUNTS][1].id};
        eg_policy_upon u = {.base = now, .v = &touched, .n = 1};
        if (!eg_policy_upon_plan(&u)) {
            assert_int_equal(now->memory_count, EG_POLICY_MEMORIES_MAX);
            break;
        }
        assert_true(n < EG_POLICY_MEMORIES_MAX);
        make_text(EG_POLICY_ACCOUNTS, 1, text);
        set(EG_POLICY_ACCOUNTS, 1, text);
        const size_t laid = now->laid;
        assert_int_equal(read_upon(&u, &next_one, &p), EG_OK);
        assert_true(next_one->laid > laid);
        eg_policy_unref(now);
        now = next_one;
    }
    const eg_policy_touched touched = {EG_POLICY_ACCOUNTS, all[EG_POLICY_ACCOUNTS][1].id};
    eg_policy_upon u = {.base = now, .v = &touched, .n = 1};
    now->memory_count = 1; /* of bytes, however few the changes were */
    assert_true(eg_policy_upon_plan(&u));
    now->laid = EG_POLICY_LAID_MAX;
    assert_false(eg_policy_upon_plan(&u));
    now->memory_count = EG_POLICY_MEMORIES_MAX;
    eg_policy_unref(now);
    reset();
}

/* A role that changes or goes is held against the assignments that stay. */
static void roles_and_what_stays(void **state) {
    (void)state;
    eg_policy *base, *two = NULL;
    eg_problem p = {0}, q = {0};
    begin(&base);
    set(EG_POLICY_ROLES, 1, "{\"name\":\"11111111-1111-4111-8111-000000000001\",\"properties\":{\"roleName\":\"Own\",\"permissions\":[{\"actions\":[\"*/read\"]}],\"assignableScopes\":[\"" SUB "\"]}}");
    set(EG_POLICY_ASSIGNMENTS, 1, "{\"name\":\"x\",\"properties\":{\"roleDefinitionId\":\"11111111-1111-4111-8111-000000000001\",\"principalId\":\"" ALICE "\",\"scope\":\"" SUB "\"}}");
    eg_policy_unref(base);
    assert_int_equal(read_all(&base, &p), EG_OK);
    const eg_policy_touched role = {EG_POLICY_ROLES, all[EG_POLICY_ROLES][1].id};
    eg_policy_upon u = {.base = base, .v = &role, .n = 1};
    char *kept = replaced(all[EG_POLICY_ROLES][1].text, "", "");
    set(EG_POLICY_ROLES, 1, NULL);
    assert_true(eg_policy_upon_plan(&u));
    assert_false(u.again[EG_POLICY_ASSIGNMENTS]);
    assert_int_equal(read_all(&two, &p), EG_ERR_POLICY_INVALID);
    assert_int_equal(read_upon(&u, &two, &q), EG_ERR_POLICY_INVALID);
    assert_string_equal(p.message, q.message);
    assert_string_equal(p.where, q.where);
    char *elsewhere = replaced(kept, "[\"" SUB "\"]", "[\"" GROUP "\"]");
    set(EG_POLICY_ROLES, 1, elsewhere);
    assert_int_equal(read_all(&two, &p), EG_ERR_POLICY_INVALID);
    assert_int_equal(read_upon(&u, &two, &q), EG_ERR_POLICY_INVALID);
    assert_string_equal(p.message, q.message);
    assert_string_equal(p.where, q.where);
    assert_null(two);
    test_free(kept);
    test_free(elsewhere);
    eg_policy_unref(base);
    reset();
}

/* What can't be loaded with all documents can't be loaded upon a snapshot. */
static void refuses_the_same(void **state) {
    (void)state;
    eg_policy *base, *none = NULL;
    eg_problem p = {0};
    begin(&base);
    const eg_policy_touched lost = {EG_POLICY_GROUPS, all[EG_POLICY_GROUPS][0].id}, broken = {EG_POLICY_ASSIGNMENTS, all[EG_POLICY_ASSIGNMENTS][1].id};
    eg_policy_upon u = {.base = base, .v = &lost, .n = 1};
    char *kept = all[EG_POLICY_GROUPS][0].text;
    all[EG_POLICY_GROUPS][0].text = NULL; /* a subnet refers to it */
    assert_true(eg_policy_upon_plan(&u));
    assert_int_equal(read_upon(&u, &none, &p), EG_ERR_POLICY_INVALID);
    assert_int_equal(read_all(&none, &p), EG_ERR_POLICY_INVALID);
    all[EG_POLICY_GROUPS][0].text = kept;
    set(EG_POLICY_ASSIGNMENTS, 1, "{\"name\":\"x\",\"properties\":{\"roleDefinitionId\":\"Reader\",\"principalId\":\"nobody\",\"scope\":\"" SUB "\"}}");
    u.v = &broken;
    assert_true(eg_policy_upon_plan(&u));
    assert_int_equal(read_upon(&u, &none, &p), EG_ERR_POLICY_INVALID);
    assert_null(none);
    eg_policy_unref(base);
    reset();
}

static void plans(void **state) {
    (void)state;
    eg_policy *base, *files = NULL;
    eg_problem p = {0};
    begin(&base);
    const eg_policy_touched role = {EG_POLICY_ROLES, all[EG_POLICY_ROLES][0].id}, network = {EG_POLICY_ACCOUNTS, all[EG_POLICY_ACCOUNTS][0].id};
    const eg_policy_touched twice[] = {network, network};
    eg_policy_upon u = {.base = base, .v = &role, .n = 1};
    assert_true(eg_policy_upon_plan(&u));
    base->roles_named = true; /* of a name that could be another role's by now */
    assert_false(eg_policy_upon_plan(&u));
    base->roles_named = false;
    u.v = &network;
    assert_true(eg_policy_upon_plan(&u));
    assert_true(u.again[EG_POLICY_GROUPS] && u.again[EG_POLICY_VNETS] && u.again[EG_POLICY_ACCOUNTS]);
    assert_false(u.again[EG_POLICY_ASSIGNMENTS] || u.again[EG_POLICY_DENIES] || u.again[EG_POLICY_RULES]);
    u.v = twice;
    u.n = 2;
    assert_false(eg_policy_upon_plan(&u));
    u = (eg_policy_upon){.base = base, .v = &network, .n = 1, .bytes = EG_POLICY_UPON_BYTES_MAX + 1};
    assert_false(eg_policy_upon_plan(&u));
    u = (eg_policy_upon){.base = NULL, .v = &network, .n = 1};
    assert_false(eg_policy_upon_plan(&u));
    assert_int_equal(build(EG_POLICY_KIND_COUNT, NULL, &files, &p), EG_OK);
    u = (eg_policy_upon){.base = files, .v = &network, .n = 1};
    assert_false(eg_policy_upon_plan(&u));
    eg_policy_unref(files);
    eg_policy_unref(base);
    reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_what_reading_all_gives), cmocka_unit_test(reads_all_now_and_then), cmocka_unit_test(roles_and_what_stays), cmocka_unit_test(refuses_the_same), cmocka_unit_test(plans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
