/* Evaluates Azure Policy over the configured resources whenever policies or resources change, and keeps what is disabled. */
#include "compliance_watch.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_NS 2000000000

/* Why a resource is disabled; "" = it isn't. */
typedef struct verdict {
    char rule[192];
    char message[384];
} verdict;

struct eg_compliance_watch {
    eg_compliance_watch_options o;
    pthread_mutex_t lock;
    verdict *verdicts;          /* one a resource; guarded */
    atomic_bool any;
    uint8_t digest[EG_SHA256_LEN];
    int64_t looked_ns;
};

/* The properties of a resource as they are now, in `room`. */
static eg_resource now_of(const eg_compliance_watch *w, const eg_policy *pol, const eg_watched_resource *m, eg_property room[EG_WATCHED_PROPERTIES_MAX + 3]) {
    eg_resource r = m->resource;
    size_t n = m->property_count;
    memcpy(room, m->properties, n * sizeof *room);
    if (m->account) {
        const char *action, *access, *source = w->o.key_source ? w->o.key_source(w->o.ctx, r.name) : NULL;
        eg_policy_account_properties(pol, r.id, &action, &access);
        room[n++] = (eg_property){"Microsoft.Storage/storageAccounts/networkAcls.defaultAction", eg_str_of(action)};
        room[n++] = (eg_property){"Microsoft.Storage/storageAccounts/publicNetworkAccess", eg_str_of(access)};
        room[n++] = (eg_property){"Microsoft.Storage/storageAccounts/encryption.keySource", eg_str_of(source)};
    }
    r.properties = room;
    r.property_count = n;
    return r;
}

static void name_rule(const eg_compliance *c, char ret[192]) {
    snprintf(ret, 192, "policyAssignment %.*s (%.*s)", EG_FMT(c->assignment_name), EG_FMT(c->definition_name));
}

static void put_in_words(const eg_resource *r, const eg_compliance *c, verdict *ret) {
    name_rule(c, ret->rule);
    snprintf(ret->message, sizeof ret->message, "Resource '%.*s' was disallowed by policy: \"%.*s\" (policy assignment '%.*s').%s%.*s", EG_FMT(r->name),
             EG_FMT(c->definition_name), EG_FMT(c->assignment_name), c->message.len ? " " : "", EG_FMT(c->message));
}

static void judge(const eg_compliance_watch *w, const eg_policy *pol, const eg_watched_resource *m, verdict *ret) {
    eg_property room[EG_WATCHED_PROPERTIES_MAX + 3];
    const eg_resource r = now_of(w, pol, m, room);
    eg_compliance c;
    *ret = (verdict){""};
    if (eg_policy_resource_denied(pol, &r, &c)) {
        put_in_words(&r, &c, ret);
    }
}

static void tell(const eg_watched_resource *m, const verdict *was, const verdict *is) {
    char id[512];
    snprintf(id, sizeof id, "%.*s", EG_FMT(m->resource.id));
    if (is->rule[0] && strcmp(was->rule, is->rule) != 0) {
        eg_log(EG_LOG_WARN, "resource.disabled", "resource", id, "rule", is->rule, NULL);
    } else if (was->rule[0] && !is->rule[0]) {
        eg_log(EG_LOG_INFO, "resource.enabled", "resource", id, NULL);
    }
}

static void look(eg_compliance_watch *w, const eg_policy *pol) {
    int64_t disabled = 0;
    for (size_t i = 0; i < w->o.count; i++) {
        verdict is;
        judge(w, pol, &w->o.resources[i], &is);
        tell(&w->o.resources[i], &w->verdicts[i], &is); /* only this thread writes them */
        pthread_mutex_lock(&w->lock);
        w->verdicts[i] = is;
        pthread_mutex_unlock(&w->lock);
        disabled += is.rule[0] != '\0';
        if (disabled) {
            atomic_store(&w->any, true); /* before the first request that could slip through */
        }
    }
    atomic_store(&w->any, disabled > 0);
    eg_metric_set(EG_METRIC_RESOURCES_DISABLED, disabled);
    eg_policy_digest(pol, w->digest);
    w->looked_ns = eg_mono_ns(w->o.clock);
}

eg_err eg_compliance_watch_new(const eg_compliance_watch_options *o, eg_compliance_watch **ret) {
    eg_compliance_watch *w = calloc(1, sizeof *w);
    if (!w || !(w->verdicts = calloc(o->count + 1, sizeof *w->verdicts))) {
        free(w);
        return EG_ERR_NO_MEMORY;
    }
    w->o = *o;
    (void)pthread_mutex_init(&w->lock, NULL);
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_watch_get(o->policies);
    look(w, pol);
    *ret = w;
    return EG_OK;
}

void eg_compliance_watch_free(eg_compliance_watch *w) {
    if (w) {
        (void)pthread_mutex_destroy(&w->lock);
        free(w->verdicts);
        free(w);
    }
}

void eg_compliance_watch_tick(eg_compliance_watch *w) {
    uint8_t digest[EG_SHA256_LEN];
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_watch_get(w->o.policies);
    eg_policy_digest(pol, digest);
    if (memcmp(digest, w->digest, sizeof digest) != 0 || eg_mono_ns(w->o.clock) - w->looked_ns > LOOK_NS) {
        look(w, pol);
    }
}

eg_err eg_compliance_watch_check(eg_compliance_watch *w, eg_str resource_id, char *rule, eg_problem *p) {
    if (!w || !atomic_load_explicit(&w->any, memory_order_acquire)) {
        return EG_OK;
    }
    for (size_t i = 0; i < w->o.count; i++) {
        if (!eg_str_ieq(w->o.resources[i].resource.id, resource_id)) {
            continue;
        }
        pthread_mutex_lock(&w->lock);
        const verdict v = w->verdicts[i];
        pthread_mutex_unlock(&w->lock);
        if (v.rule[0] && rule) {
            memcpy(rule, v.rule, sizeof v.rule);
        }
        return v.rule[0] ? eg_fail(p, EG_ERR_DISALLOWED_POLICY, "%s", v.message) : EG_OK;
    }
    return EG_OK;
}

typedef struct judging {
    const eg_resource *resource;
    verdict denied;
    char audited[192];
} judging;

/* The first of each. */
static void judge_one(void *ctx, const eg_compliance *c) {
    judging *j = ctx;
    if (c->denies && !j->denied.rule[0]) {
        put_in_words(j->resource, c, &j->denied);
    } else if (!c->compliant && !c->denies && !j->audited[0]) {
        name_rule(c, j->audited);
    }
}

eg_err eg_compliance_watch_judge(void *watch, const eg_resource *r, eg_compliance_found *ret_found, eg_problem *p) {
    const eg_compliance_watch *w = watch;
    judging j = {.resource = r};
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_watch_get(w->o.policies);
    eg_policy_compliance(pol, r, judge_one, &j);
    *ret_found = (eg_compliance_found){""};
    memcpy(ret_found->denied_by, j.denied.rule, sizeof ret_found->denied_by);
    memcpy(ret_found->audited_by, j.audited, sizeof ret_found->audited_by);
    return j.denied.rule[0] ? eg_fail(p, EG_ERR_DISALLOWED_POLICY, "%s", j.denied.message) : EG_OK;
}

bool eg_compliance_watch_judges(void *watch) {
    const eg_compliance_watch *w = watch;
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_watch_get(w->o.policies);
    return eg_policy_judges(pol);
}

eg_policy *eg_compliance_watch_policy(eg_compliance_watch *w) {
    return eg_policy_watch_get(w->o.policies);
}

typedef struct telling {
    const eg_policy *policy;
    eg_str scope;
    eg_resource resource;        /* the one that is told of */
    size_t told;                 /* resources so far */
    eg_compliance_fn fn;
    void *ctx;
} telling;

static void tell_one(void *ctx, const eg_compliance *c) {
    const telling *t = ctx;
    t->fn(t->ctx, &t->resource, c);
}

static bool lies_at(eg_str id, eg_str scope) {
    return scope.len == 0 || (id.len >= scope.len && eg_str_ieq((eg_str){id.ptr, scope.len}, scope) && (id.len == scope.len || id.ptr[scope.len] == '/'));
}

static void tell_resource(void *ctx, const eg_resource *r) {
    telling *t = ctx;
    t->resource = *r;
    t->resource.number = ++t->told;
    if (lies_at(r->id, t->scope)) {
        eg_policy_compliance(t->policy, &t->resource, tell_one, t);
    }
}

void eg_compliance_watch_each(eg_compliance_watch *w, const eg_policy *pol, eg_str scope, eg_compliance_fn fn, void *ctx) {
    telling t = {.policy = pol, .scope = scope, .fn = fn, .ctx = ctx};
    for (size_t i = 0; i < w->o.count; i++) {
        const eg_watched_resource *m = &w->o.resources[i];
        eg_property room[EG_WATCHED_PROPERTIES_MAX + 3];
        const eg_resource r = now_of(w, pol, m, room);
        tell_resource(&t, &r);
        if (m->account && w->o.scopes) {
            w->o.scopes(w->o.ctx, r.name, tell_resource, &t);
        }
    }
}

static void add_disabled(void *ctx, const eg_resource *r, const eg_compliance *c) {
    if (c->denies) {
        (void)json_array_append_new(ctx, json_pack("{s:s%, s:s%, s:s%, s:s%, s:s%, s:s%, s:s}", "resourceId", r->id.ptr, r->id.len, "resourceType", r->type.ptr, r->type.len,
                                                   "policyAssignmentId", c->assignment_id.ptr, c->assignment_id.len, "policyAssignmentName", c->assignment_name.ptr,
                                                   c->assignment_name.len, "policyDefinitionId", c->definition_id.ptr, c->definition_id.len, "policyDefinitionName",
                                                   c->definition_name.ptr, c->definition_name.len, "policyDefinitionAction", c->effect));
    }
}

json_t *eg_compliance_watch_disabled(eg_compliance_watch *w) {
    json_t *list = json_array();
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_policy_watch_get(w->o.policies);
    if (list) {
        eg_compliance_watch_each(w, pol, (eg_str){"", 0}, add_disabled, list);
    }
    return list;
}
