/* Refuses what a policy assignment denies: every request to such a storage account, every new job on such a cluster. */
#include "pipeline_request.h"

#include <embergate/actions.h>

/* Whoever may see the resource is told which definition; jobs that are there already can still be looked at and ended. */
eg_step_verdict eg_pipeline_comply(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    const bool storage = rq->surface == EG_SURFACE_DFS || rq->surface == EG_SURFACE_BLOB;
    const bool submits = rq->surface == EG_SURFACE_LIVY && rq->route->action && strcmp(rq->route->action, EG_ACTION_JOB_SUBMIT) == 0;
    if (!c->pl->o.compliance || !(storage || submits)) {
        return EG_STEP_NEXT;
    }
    const eg_err e = eg_compliance_watch_check(c->pl->o.compliance, rq->scope, rq->decided_by, &rq->problem);
    return e == EG_OK ? EG_STEP_NEXT : eg_pipeline_refuse(c, e);
}
