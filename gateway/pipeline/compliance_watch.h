/* Which of the configured clusters and storage accounts, and of what lies in them, a policy assignment denies now. */
#ifndef EMBERGATE_COMPLIANCE_WATCH_H
#define EMBERGATE_COMPLIANCE_WATCH_H

#include "policy_watch.h"

#include <embergate/clock.h>
#include <embergate/compliance.h>
#include <embergate/json.h>

typedef struct eg_compliance_watch eg_compliance_watch;

#define EG_WATCHED_PROPERTIES_MAX 12

typedef struct eg_watched_resource {
    eg_resource resource;            /* its properties are those below */
    eg_property properties[EG_WATCHED_PROPERTIES_MAX]; /* as the configuration fixes them */
    size_t property_count;
    bool account;                    /* a storage account: its network and key source are looked up each time */
} eg_watched_resource;

typedef struct eg_compliance_watch_options {
    eg_policy_watch *policies;
    const eg_clock *clock;
    const eg_watched_resource *resources; /* all borrowed for the life of the watch */
    size_t count;
    /* "Microsoft.Keyvault" when the account's files are sealed under a customer-managed key, else "Microsoft.Storage"; NULL = not known. */
    const char *(*key_source)(void *ctx, eg_str account);
    /* Calls each for every encryption scope of the account; NULL = it has none. */
    void (*scopes)(void *ctx, eg_str account, void (*each)(void *each_ctx, const eg_resource *r), void *each_ctx);
    void *ctx;
} eg_compliance_watch_options;

/* Has looked once when it returns. */
eg_err eg_compliance_watch_new(const eg_compliance_watch_options *o, eg_compliance_watch **ret) EG_MUST_CHECK;
void eg_compliance_watch_free(eg_compliance_watch *w);
/* Looks again when the policies changed, and every 2 s for what changed besides. One thread, ten times a second. */
void eg_compliance_watch_tick(eg_compliance_watch *w);
/* EG_ERR_DISALLOWED_POLICY when the resource of this id is disabled; the problem and `rule` (192 bytes, may be NULL) name the assignment and the definition. Any thread; one
 * atomic look while nothing is disabled. */
eg_err eg_compliance_watch_check(eg_compliance_watch *w, eg_str resource_id, char *rule, eg_problem *p) EG_MUST_CHECK;
/* Judges a resource that is not among those that are watched, by the policies of this moment. eg_compliance_gate.check, whose ctx is the watch. */
eg_err eg_compliance_watch_judge(void *watch, const eg_resource *r, eg_compliance_found *ret_found, eg_problem *p) EG_MUST_CHECK;
/* eg_compliance_gate.judges, likewise. */
bool eg_compliance_watch_judges(void *watch);
/* The policies that are in force; a reference. */
eg_policy *eg_compliance_watch_policy(eg_compliance_watch *w);
/* Calls fn for each resource, encryption scopes too, that is `scope` or lies beneath it, with each definition that concerns it. What fn is given is borrowed, of the policy as long as it lives. */
typedef void (*eg_compliance_fn)(void *ctx, const eg_resource *r, const eg_compliance *c);
void eg_compliance_watch_each(eg_compliance_watch *w, const eg_policy *pol, eg_str scope, eg_compliance_fn fn, void *ctx);
/* What is disabled now: [{resourceId, policyAssignmentId, policyDefinitionId, …}]. NULL without memory. */
json_t *eg_compliance_watch_disabled(eg_compliance_watch *w);

#endif
