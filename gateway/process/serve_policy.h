/* What the configuration says of quotas, balancers and properties that policies look at, in the shapes of the rooms that use it. */
#ifndef EMBERGATE_SERVE_POLICY_H
#define EMBERGATE_SERVE_POLICY_H

#include "serve_plan.h"

#include "../door/door.h"
#include "../pipeline/compliance_watch.h"
#include "../pipeline/quota.h"

#include <embergate/storage.h>
#include <stdatomic.h>

/* All live as long as the arena. */
eg_err eg_serve_job_quotas(const eg_config *c, eg_arena *arena, const eg_job_quota **ret, eg_problem *p) EG_MUST_CHECK;
/* *ret NULL: no quota bounds requests or bytes. */
eg_err eg_serve_quotas(const eg_config *c, eg_arena *arena, eg_quotas **ret, eg_problem *p) EG_MUST_CHECK;
/* One for each account, with what bounds it and its tenant. */
eg_err eg_serve_stored_quotas(const eg_config *c, eg_arena *arena, const eg_stored_quota **ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_serve_proxies(const eg_config_listener *l, eg_arena *arena, eg_door_listener *ret, eg_problem *p) EG_MUST_CHECK;
/* Where clients are asked for certificates, as they see it: public_url when its port does so, else the same host at the first port that does. NULL = nowhere. */
eg_err eg_serve_certificate_url(const eg_config *c, eg_arena *arena, const char **ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_serve_compliance(const eg_serve_plan *plan, eg_policy_watch *policies, eg_storage *storage, eg_arena *arena, eg_compliance_watch **ret, eg_problem *p) EG_MUST_CHECK;

/* Storage is open before policies are known: until then whatever would be judged is refused. */
typedef _Atomic(eg_compliance_watch *) eg_compliance_slot;
/* eg_compliance_gate.check, whose ctx is a slot. EG_ERR_UNAVAILABLE while it is empty. */
eg_err eg_serve_judge(void *slot, const eg_resource *r, eg_compliance_found *ret_found, eg_problem *p) EG_MUST_CHECK;

/* eg_compliance_gate.judges: true while it is empty, so that it is asked and refuses. */
bool eg_serve_judges(void *slot) EG_MUST_CHECK;

#endif
