/* Turns what somebody is eligible for into a role assignment with an end, in the person's own right. */
#include "policy_store_state.h"

#include <embergate/clock.h>
#include <stdio.h>

/* The ids that a principal's assignments may name. */
static bool is_mine(const eg_principal *who, eg_str id, eg_str type) {
    if (!eg_str_ieq(type, EG_LIT("Group")) && eg_str_ieq(id, eg_str_of(who->object_id))) {
        return true;
    }
    for (size_t i = 0; !eg_str_ieq(type, EG_LIT("User")) && !eg_str_ieq(type, EG_LIT("ServicePrincipal")) && !who->groups_unknown && i < who->group_count; i++) {
        if (eg_str_ieq(id, eg_str_of(who->groups[i]))) {
            return true;
        }
    }
    return false;
}

static bool covers(eg_str scope, eg_str at) {
    while (scope.len > 1 && scope.ptr[scope.len - 1] == '/') {
        scope.len--;
    }
    return at.len >= scope.len && eg_str_ieq(scope, (eg_str){at.ptr, scope.len}) && (at.len == scope.len || at.ptr[scope.len] == '/');
}

typedef struct search {
    const eg_policy_activation *a;
    const eg_policy *pol;
    const char *role;            /* GUID */
    int64_t now_ns, until_ns;    /* until: asked for */
    json_t *best;                /* the eligibility that lasts longest */
    int64_t best_until_ns;
} search;

static int64_t time_of(const json_t *properties, const char *name, int64_t otherwise) {
    int64_t ns = 0;
    const eg_str s = eg_json_str(properties, name);
    return s.len > 0 && eg_time_parse_rfc3339(s, &ns) == EG_OK ? ns : otherwise;
}

static eg_err look_at(void *ctx, eg_str text) {
    search *q = ctx;
    EG_JSON_AUTO v = NULL;
    char role[EG_UUID_LEN];
    EG_TRY(eg_json_parse(text, EG_POLICY_DOCUMENT_MAX, &v, NULL));
    const json_t *w = json_object_get(v, "properties");
    if (!is_mine(q->a->who, eg_json_str(w, "principalId"), eg_json_str(w, "principalType")) || !covers(eg_json_str(w, "scope"), q->a->scope) ||
        eg_policy_role_id(q->pol, eg_json_str(w, "roleDefinitionId"), role) != EG_OK || strcmp(role, q->role) != 0) {
        return EG_OK;
    }
    const int64_t until = time_of(w, "endDateTime", INT64_MAX);
    if (time_of(w, "startDateTime", 0) > q->now_ns || until <= q->now_ns || until <= q->best_until_ns) {
        return EG_OK;
    }
    json_decref(q->best);
    q->best = json_incref(v);
    q->best_until_ns = until;
    return EG_OK;
}

static json_t *schedule_of(const search *q, const char *name) {
    const json_t *w = json_object_get(q->best, "properties");
    char from[EG_RFC3339_LEN], to[EG_RFC3339_LEN];
    const eg_policy_activation *a = q->a;
    const eg_str type = eg_str_of(a->who->kind == EG_PRINCIPAL_USER ? "User" : "ServicePrincipal"), condition = eg_json_str(w, "condition");
    eg_time_rfc3339(q->now_ns, from);
    eg_time_rfc3339(q->until_ns < q->best_until_ns ? q->until_ns : q->best_until_ns, to);
    json_t *properties = json_pack("{s:s++, s:s, s:s%, s:s%, s:s, s:s, s:s, s:s, s:s%}", "roleDefinitionId", "/providers/Microsoft.Authorization/roleDefinitions/", q->role, "",
                                   "principalId", a->who->object_id, "principalType", type.ptr, type.len, "scope", a->scope.ptr, a->scope.len, "status", "Provisioned",
                                   "assignmentType", "Activated", "startDateTime", from, "endDateTime", to, "justification", a->justification.ptr, a->justification.len);
    if (condition.len > 0) {
        json_object_set(properties, "condition", json_object_get(w, "condition"));
        json_object_set(properties, "conditionVersion", json_object_get(w, "conditionVersion"));
    }
    if (json_is_string(json_object_get(q->best, "id"))) {
        json_object_set(properties, "linkedRoleEligibilityScheduleId", json_object_get(q->best, "id"));
    }
    json_t *id = json_sprintf("%.*s/providers/%s/%s", EG_FMT(a->scope), eg_policy_types[EG_POLICY_SCHEDULES], name);
    return json_pack("{s:o, s:s, s:s, s:o}", "id", id, "name", name, "type", eg_policy_types[EG_POLICY_SCHEDULES], "properties", properties);
}

static eg_err check(const eg_policy_activation *a, eg_problem *p) {
    if (a->seconds < 60 || a->seconds > EG_POLICY_ACTIVATION_MAX_S) {
        return eg_fail(p, EG_ERR_INVALID, "An activation lasts from a minute to %d hours.", EG_POLICY_ACTIVATION_MAX_S / 3600);
    }
    if (a->justification.len == 0) {
        return eg_fail(p, EG_ERR_POLICY_TICKET, "A justification is owed for an activation.");
    }
    if (a->scope.len < 2 || a->scope.len > 1024 || a->scope.ptr[0] != '/' || a->scope.ptr[a->scope.len - 1] == '/' || (a->name.len > 0 && !eg_uuid_valid(a->name))) {
        return eg_fail(p, EG_ERR_INVALID, "A scope without a slash at its end is expected, and a GUID as name.");
    }
    return EG_OK;
}

static eg_err find_eligibility(eg_policy_store *s, search *q, eg_problem *p) {
    const eg_str tenant = eg_policy_store_tenant_of(s, q->a->scope);
    if (tenant.len > 0 && eg_str_ieq(tenant, eg_str_of(q->a->who->tenant))) {
        EG_TRY(eg_policy_store_each(s, EG_POLICY_ELIGIBLE, look_at, q));
    }
    return q->best ? EG_OK
                   : eg_fail(p, EG_ERR_POLICY_NOT_ELIGIBLE, "The principal %s is not eligible for this role at this scope now.", q->a->who->object_id);
}

eg_err eg_policy_store_activate(eg_policy_store *s, const eg_policy_activation *a, const eg_policy_recorder *r, eg_buf *ret_schedule, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_store_snapshot(s);
    EG_CLEANUP(eg_buf_done) eg_buf text;
    char name[EG_UUID_LEN], role[EG_UUID_LEN];
    eg_policy_changed changed;
    eg_buf_init(&text, 65536);
    EG_TRY(check(a, p));
    if (!pol || eg_policy_role_id(pol, a->role, role) != EG_OK) {
        return eg_fail(p, EG_ERR_POLICY_NOT_ELIGIBLE, "The principal %s is not eligible for this role at this scope now.", a->who->object_id);
    }
    search q = {.a = a, .pol = pol, .role = role, .now_ns = eg_wall_ns(s->o.clock)};
    q.until_ns = q.now_ns + a->seconds * 1000000000;
    EG_TRY(find_eligibility(s, &q, p));
    if (a->name.len > 0) {
        snprintf(name, sizeof name, "%.*s", EG_FMT(a->name));
    } else {
        eg_uuid_new(name);
    }
    EG_JSON_AUTO schedule = schedule_of(&q, name);
    json_decref(q.best);
    EG_TRY(schedule && eg_json_write(schedule, &text) == EG_OK ? EG_OK : eg_fail(p, EG_ERR_INVALID, "Texts must be UTF-8."));
    const eg_policy_put put = {EG_POLICY_SCHEDULES, eg_buf_str(&text), NULL};
    const eg_policy_change c = {.author = a->who, .event = "policy.activate", .ticket = a->ticket, .justification = a->justification, .puts = &put, .put_count = 1, .settled = true, .only_new = true};
    EG_TRY(eg_policy_store_change(s, &c, r, &changed, p));
    return eg_buf_add(ret_schedule, text.ptr, text.len);
}
