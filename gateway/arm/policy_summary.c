/* POST …/policyStates/latest/summarize: how many resources and policies don't comply, in all and by assignment. */
#include "policy_states.h"

#include <stdlib.h>

typedef struct counts {
    uint64_t good, bad;        /* resources that comply, and that don't */
    size_t last;               /* number of the resource that was counted last … */
    bool last_bad;             /* … and as what */
} counts;

/* At a definition's index: its own counts; at that of the first of an assignment also the assignment's. */
typedef struct tally {
    eg_compliance about;
    bool used, heads;
    counts own, assignment;
} tally;

typedef struct summing {
    const eg_states_question *q;
    tally *rows;
    size_t cap;
    counts all;
    bool failed;
} summing;

static tally *row_at(summing *s, size_t index) {
    if (index >= s->cap) {
        const size_t cap = index + 64;
        tally *more = realloc(s->rows, cap * sizeof *more);
        if (!more) {
            s->failed = true;
            return NULL;
        }
        memset(more + s->cap, 0, (cap - s->cap) * sizeof *more);
        s->rows = more;
        s->cap = cap;
    }
    return &s->rows[index];
}

/* One resource counts once; it doesn't comply if it doesn't with any. Resources come one after the other. */
static void count(counts *n, const eg_resource *r, bool compliant) {
    if (n->last != r->number) {
        n->last = r->number;
        n->last_bad = false;
        n->good++;
    }
    if (!compliant && !n->last_bad) {
        n->last_bad = true;
        n->good--;
        n->bad++;
    }
}

static void add(void *ctx, const eg_resource *r, const eg_compliance *c) {
    summing *s = ctx;
    tally *row = eg_states_fits(s->q, r, c) ? row_at(s, c->index) : NULL;
    if (!row) {
        return;
    }
    row->about = *c;
    row->used = true;
    count(&row->own, r, c->compliant);
    tally *head = &s->rows[c->first]; /* not behind the index */
    head->heads = true;
    count(&head->assignment, r, c->compliant);
    count(&s->all, r, c->compliant);
}

static json_t *text(eg_str s) { return json_stringn(s.ptr ? s.ptr : "", s.len); }

static json_t *details(uint64_t good, uint64_t bad) {
    json_t *list = json_array();
    if (list && good > 0) {
        (void)json_array_append_new(list, json_pack("{s:s, s:I}", "complianceState", "compliant", "count", (json_int_t)good));
    }
    if (list && bad > 0) {
        (void)json_array_append_new(list, json_pack("{s:s, s:I}", "complianceState", "noncompliant", "count", (json_int_t)bad));
    }
    return list;
}

static json_t *results(const char *uri, const counts *resources, uint64_t good_policies, uint64_t bad_policies) {
    return json_pack("{s:s, s:I, s:I, s:o, s:o, s:[]}", "queryResultsUri", uri, "nonCompliantResources", (json_int_t)resources->bad, "nonCompliantPolicies", (json_int_t)bad_policies,
                     "resourceDetails", details(resources->good, resources->bad), "policyDetails", details(good_policies, bad_policies), "policyGroupDetails");
}

static json_t *definition_of(const char *uri, const tally *row) {
    return json_pack("{s:o, s:o, s:[], s:s, s:o}", "policyDefinitionId", text(row->about.definition_id), "policyDefinitionReferenceId", text(row->about.reference),
                     "policyDefinitionGroupNames", "effect", row->about.effect, "results", results(uri, &row->own, row->own.bad == 0, row->own.bad > 0));
}

/* The assignment whose first definition has this index. */
static json_t *assignment_of(const summing *s, const char *uri, size_t first, uint64_t *good, uint64_t *bad) {
    json_t *list = json_array();
    const eg_compliance *about = NULL;
    uint64_t fine = 0, not_fine = 0;
    for (size_t i = first; list && i < s->cap; i++) {
        if (s->rows[i].used && s->rows[i].about.first == first) {
            about = &s->rows[i].about;
            *(s->rows[i].own.bad ? &not_fine : &fine) += 1;
            (void)json_array_append_new(list, definition_of(uri, &s->rows[i]));
        } else if (s->rows[i].used) {
            break;
        }
    }
    *good += fine;
    *bad += not_fine;
    return json_pack("{s:o, s:o, s:o, s:o, s:[]}", "policyAssignmentId", text(about ? about->assignment_id : (eg_str){"", 0}), "policySetDefinitionId",
                     text(about ? about->set_id : (eg_str){"", 0}), "results", results(uri, &s->rows[first].assignment, fine, not_fine), "policyDefinitions", list, "policyGroups");
}

/* Where the rows behind the numbers are. */
static const char *query_uri(const eg_request *rq) {
    const eg_arm *a = rq->room;
    const size_t tail = sizeof "summarize" - 1;
    const eg_str at = {rq->raw_path.ptr, rq->raw_path.len > tail ? rq->raw_path.len - tail : 0};
    return eg_arena_printf(rq->arena, "%s%.*squeryResults?%.*s", a->o.config->public_url, EG_FMT(at), EG_FMT(rq->query)).ptr;
}

eg_err eg_states_summarize(eg_request *rq) {
    const eg_arm *a = rq->room;
    eg_states_question q;
    EG_JSON_AUTO assignments = json_array();
    uint64_t good = 0, bad = 0;
    EG_TRY(eg_states_question_of(rq, &q));
    summing s = {.q = &q};
    const char *uri = query_uri(rq);
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = a->o.compliance ? eg_compliance_watch_policy(a->o.compliance) : NULL;
    if (!pol || !uri || !assignments) {
        return EG_ERR_NO_MEMORY;
    }
    eg_compliance_watch_each(a->o.compliance, pol, q.scope, add, &s);
    for (size_t i = 0; i < s.cap; i++) {
        if (s.rows[i].heads) {
            (void)json_array_append_new(assignments, assignment_of(&s, uri, i, &good, &bad));
        }
    }
    json_t *body = json_pack("{s:s, s:i, s:[{s:n, s:s, s:o, s:O}]}", "@odata.context", "summary", "@odata.count", 1, "value", "@odata.id", "@odata.context", "summary/latest", "results",
                             results(uri, &s.all, good, bad), "policyAssignments", assignments);
    free(s.rows);
    return s.failed ? (json_decref(body), EG_ERR_NO_MEMORY) : eg_respond_json(rq, 200, body);
}
