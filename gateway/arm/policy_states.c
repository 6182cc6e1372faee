/* POST …/policyStates/latest/queryResults, as `az policy state list` asks for it. */
#include "policy_states.h"

#include <embergate/clock.h>

typedef struct page {
    const eg_request *rq;
    const eg_states_question *q;
    json_t *list;
    uint64_t seen;           /* rows that fit */
    char now[EG_RFC3339_LEN];
} page;

static json_t *text(eg_str s) { return json_stringn(s.ptr ? s.ptr : "", s.len); }

static eg_str segment(eg_str id, size_t n) {
    eg_str rest = id, one = {"", 0};
    for (size_t i = 0; i <= n && rest.ptr; i++) {
        one = eg_str_cut(&rest, '/');
    }
    return one;
}

/* Azure's members; disabled and policyDefinitionDisplayName are ours. */
static json_t *row_of(const page *p, const eg_resource *r, const eg_compliance *c) {
    return json_pack("{s:n, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:b, s:b}", "@odata.id", "timestamp", p->now, "resourceId",
                     text(r->id), "resourceType", text(r->type), "resourceLocation", text(r->location), "resourceGroup", text(segment(r->id, 4)), "subscriptionId",
                     text(segment(r->id, 2)), "policyAssignmentId", text(c->assignment_id), "policyAssignmentName", text(c->assignment_name), "policyAssignmentScope",
                     text(c->assignment_scope), "policyDefinitionId", text(c->definition_id), "policyDefinitionName", text(eg_arm_last_segment(c->definition_id)),
                     "policyDefinitionDisplayName", text(c->definition_name), "policyDefinitionAction", c->effect, "policySetDefinitionId", text(c->set_id),
                     "policySetDefinitionName", text(c->set_id.len ? eg_arm_last_segment(c->set_id) : (eg_str){"", 0}), "policyDefinitionReferenceId", text(c->reference),
                     "complianceState", c->compliant ? "Compliant" : "NonCompliant", "isCompliant", c->compliant, "disabled", c->denies);
}

static void add(void *ctx, const eg_resource *r, const eg_compliance *c) {
    page *p = ctx;
    if (!eg_states_fits(p->q, r, c)) {
        return;
    }
    const uint64_t at = p->seen++;
    if (at >= p->q->skip && at - p->q->skip < EG_ARM_PAGE && at < p->q->top) {
        (void)json_array_append_new(p->list, row_of(p, r, c));
    }
}

/* Where the next page is: the request's own address, and how many rows were given already. */
static eg_err add_next(eg_request *rq, const page *p, json_t *body) {
    const eg_arm *a = rq->room;
    const uint64_t next = p->q->skip + EG_ARM_PAGE, all = p->seen < p->q->top ? p->seen : p->q->top;
    EG_CLEANUP(eg_buf_done) eg_buf link;
    eg_buf_init(&link, (size_t)16384);
    if (next >= all) {
        return EG_OK;
    }
    EG_TRY(eg_buf_addf(&link, "%s%.*s?", a->o.config->public_url, EG_FMT(rq->raw_path)));
    EG_TRY(eg_arm_add_query(rq, &link));
    EG_TRY(eg_buf_addf(&link, "$skiptoken=%llu", (unsigned long long)next));
    return json_object_set_new(body, "@odata.nextLink", json_stringn(link.ptr, link.len)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_states_query(eg_request *rq) {
    const eg_arm *a = rq->room;
    eg_states_question q;
    EG_JSON_AUTO list = json_array();
    page p = {.rq = rq, .q = &q, .list = list};
    EG_TRY(eg_states_question_of(rq, &q));
    EG_TRY(list && a->o.compliance ? EG_OK : EG_ERR_NO_MEMORY);
    eg_time_rfc3339(rq->received_ns, p.now);
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = eg_compliance_watch_policy(a->o.compliance);
    eg_compliance_watch_each(a->o.compliance, pol, q.scope, add, &p);
    EG_JSON_AUTO body = json_pack("{s:s, s:I, s:O}", "@odata.context", "policyStates", "@odata.count", (json_int_t)json_array_size(list), "value", list);
    EG_TRY(body ? add_next(rq, &p, body) : EG_ERR_NO_MEMORY);
    return eg_respond_json(rq, 200, json_incref(body));
}
