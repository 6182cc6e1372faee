/* `embergate policy what-if --replay`: the recorded requests of the audit log through another policy. */
#include "cli.h"

#include "policy_compare.h"

#include <embergate/actions.h>
#include <embergate/clock.h>
#include <embergate/encoding.h>

#define PAGES_MAX 200 /* of 1,000 records */

typedef struct replay {
    const eg_policy *older, *newer;
    const eg_profile *profile;
    json_t *changed;
    size_t asked, left_out, differs;
} replay;

/* Whether a recorded action is a data action: the record names the action alone. */
static bool is_data(eg_str action) {
    static const char *const data[] = {EG_ACTION_JOB_SUBMIT, EG_ACTION_JOB_READ, EG_ACTION_JOB_LOG_READ, EG_ACTION_JOB_DELETE, EG_ACTION_JOB_MANAGE, EG_ACTION_BLOB_READ,
                                       EG_ACTION_BLOB_WRITE, EG_ACTION_BLOB_DELETE, EG_ACTION_BLOB_ADD, EG_ACTION_BLOB_MOVE, EG_ACTION_BLOB_OWN, EG_ACTION_BLOB_PERMISSIONS,
                                       EG_ACTION_AUDIT_READ};
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        if (eg_str_ieq(action, eg_str_of(data[i]))) {
            return true;
        }
    }
    return false;
}

/* A record names storage by account, container and path, and a batch by its cluster and number, all in the resource group that init makes. Records that are older than the account's name
 * are taken to be of the profile's. */
static eg_err place_of(const replay *r, const json_t *record, eg_access *a, eg_buf *scope) {
    eg_str rest = eg_json_str(record, "resource"), job = eg_json_str(record, "job");
    if (rest.len > 0 && rest.ptr[0] == '/') {
        return eg_buf_add(scope, rest.ptr, rest.len);
    }
    if (eg_str_starts(a->action, "Microsoft.HDInsight/")) {
        const eg_str cluster = eg_str_cut(&job, '/');
        return eg_buf_addf(scope, "/subscriptions/%s/resourceGroups/embergate/providers/Microsoft.HDInsight/clusters/%.*s", r->profile->subscription,
                           EG_FMT(cluster.len > 0 ? cluster : eg_str_of(r->profile->cluster)));
    }
    const eg_str account = eg_json_str(record, "account");
    a->account = account.len > 0 ? account : eg_str_of(r->profile->account);
    a->container = eg_str_cut(&rest, '/');
    if (rest.ptr && rest.len > 0) {
        a->path = rest;
    }
    return eg_buf_addf(scope, "/subscriptions/%s/resourceGroups/embergate/providers/Microsoft.Storage/storageAccounts/%.*s%s%.*s", r->profile->subscription, EG_FMT(a->account),
                       a->container.len > 0 ? "/blobServices/default/containers/" : "", EG_FMT(a->container));
}

static void ask(replay *r, const json_t *record) {
    const json_t *actor = json_object_get(record, "actor");
    const eg_str oid = eg_json_str(actor, "oid"), tenant = eg_json_str(actor, "tenant"), action = eg_json_str(record, "action"), rule = eg_json_str(record, "rule");
    EG_CLEANUP(eg_principal_unref_p) eg_principal *who = eg_principal_new();
    eg_decision before = {0}, after = {0};
    eg_access a = {.who = who, .resource_tenant = eg_json_str(record, "tenant"), .action = action, .data_action = is_data(action)};
    EG_CLEANUP(eg_buf_done) eg_buf scope;
    eg_buf_init(&scope, 8192);
    /* By a key, a signature, an access control list or for anybody: no role was asked. */
    const bool by_role = eg_str_starts(rule, "roleAssignment") || eg_str_starts(rule, "default deny") || eg_str_starts(rule, "denyAssignment");
    if (!who || oid.len != EG_UUID_LEN - 1 || tenant.len != EG_UUID_LEN - 1 || action.len == 0 || !by_role || place_of(r, record, &a, &scope) != EG_OK) {
        r->left_out++;
        return;
    }
    who->kind = eg_str_is(eg_json_str(actor, "kind"), "user") ? EG_PRINCIPAL_USER : EG_PRINCIPAL_SERVICE;
    memcpy(who->object_id, oid.ptr, oid.len);
    memcpy(who->tenant, tenant.ptr, tenant.len);
    if (eg_time_parse_rfc3339(eg_json_str(record, "time"), &a.now_ns) != EG_OK) {
        a.now_ns = 0;
    }
    a.scope = eg_buf_str(&scope);
    eg_policy_decide(r->older, &a, &before);
    eg_policy_decide(r->newer, &a, &after);
    const bool was = !eg_str_is(eg_json_str(record, "outcome"), "denied");
    r->asked++;
    r->differs += before.allowed != was;
    if (before.allowed != after.allowed) {
        json_array_append_new(r->changed, json_pack("{s:O?, s:s%, s:s%, s:s%, s:s, s:s, s:s, s:s}", "time", json_object_get(record, "time"), "principal", oid.ptr, oid.len, "action",
                                                    action.ptr, action.len, "resource", a.scope.ptr, a.scope.len, "before", before.allowed ? "allowed" : "denied", "after",
                                                    after.allowed ? "allowed" : "denied", "beforeRule", before.rule, "afterRule", after.rule));
    }
}

static eg_err read_log(replay *r, const char *since, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf path;
    eg_buf_init(&path, 4096);
    EG_TRY(eg_buf_addf(&path, "/audit/%s/records?limit=1000", r->profile->tenant));
    if (since) {
        EG_TRY(eg_buf_adds(&path, "&from="));
        EG_TRY(eg_percent_encode(eg_str_of(since), false, &path));
    }
    const size_t base = path.len;
    for (int page = 0; page < PAGES_MAX; page++) {
        EG_JSON_AUTO v = NULL;
        EG_TRY(eg_cli_get_json(path.ptr, &v, p));
        const json_t *records = json_object_get(v, "records");
        for (size_t i = 0; i < json_array_size(records); i++) {
            ask(r, json_array_get(records, i));
        }
        const eg_str next = eg_json_str(v, "next");
        if (next.len == 0) {
            return EG_OK;
        }
        path.len = base;
        EG_TRY(eg_buf_adds(&path, "&after="));
        EG_TRY(eg_percent_encode(next, false, &path));
    }
    return eg_fail(p, EG_ERR_LIMIT, "there are more than %d records: narrow them with --since", PAGES_MAX * 1000);
}

static void tell(const replay *r) {
    for (size_t i = 0; i < json_array_size(r->changed); i++) {
        const json_t *v = json_array_get(r->changed, i);
        static const char *const parts[] = {"time", "principal", "action", "resource"};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            eg_cli_put_inert(stdout, eg_json_str(v, parts[k]));
            putchar(' ');
        }
        printf("would be %s, was %s\n", json_string_value(json_object_get(v, "after")), json_string_value(json_object_get(v, "before")));
    }
    printf("%zu of %zu recorded requests would be decided otherwise\n", json_array_size(r->changed), r->asked);
    if (r->left_out > 0) {
        printf("%zu records were left out: no role was asked for them (keys, signatures, access control lists, public routes, the server's own), or they name nobody\n", r->left_out);
    }
    if (r->differs > 0) {
        printf("%zu were decided otherwise in their time than the policy in force decides them by what a record carries: records carry neither the groups of a\n"
               "token nor the account of a path (the profile's is taken), listing prefixes and encryption scopes, and the policy may have changed since\n", r->differs);
    }
}

eg_err eg_cli_policy_replay(const eg_policy *older, const char *newer_dir, const char *since, bool json, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *newer = NULL;
    EG_JSON_AUTO changed = json_array();
    EG_TRY(eg_policy_load(newer_dir, 2, &newer, p));
    eg_policy_separate_duties(newer, eg_policy_separates_duties(older));
    EG_CLEANUP(eg_profile_done) eg_profile profile = {0};
    EG_TRY(eg_profile_load(eg_cli_profile_path(), &profile, p));
    replay r = {.older = older, .newer = newer, .profile = &profile, .changed = changed};
    EG_TRY(read_log(&r, since, p));
    if (json) {
        EG_JSON_AUTO v = json_pack("{s:O, s:I, s:I, s:I}", "changed", changed, "asked", (json_int_t)r.asked, "leftOut", (json_int_t)r.left_out, "differed", (json_int_t)r.differs);
        eg_cli_print_json(v);
    } else {
        tell(&r);
    }
    return EG_OK;
}
