/* What is asked of Microsoft.PolicyInsights/policyStates: where, narrowed to what. */
#ifndef EMBERGATE_ARM_POLICY_STATES_H
#define EMBERGATE_ARM_POLICY_STATES_H

#include "document.h"

#include <embergate/compliance.h>

typedef struct eg_states_question {
    eg_str scope;             /* a subscription, resource group or resource */
    eg_str assignment, set;   /* ids; len 0 = any */
    eg_str definition;        /* id, or of a built-in one its GUID */
    eg_arm_filter filter;
    uint64_t skip, top;       /* rows */
} eg_states_question;

/* The scope of the request, without what narrows it. */
eg_err eg_states_scope(eg_request *rq, eg_str *ret) EG_MUST_CHECK;
/* EG_ERR_RESOURCE_FILTER for options that are not built: leaving them out would show more than was asked for. */
eg_err eg_states_question_of(eg_request *rq, eg_states_question *ret) EG_MUST_CHECK;
bool eg_states_fits(const eg_states_question *q, const eg_resource *r, const eg_compliance *c);

/* policy_states.c, policy_summary.c: end() of rows. */
eg_err eg_states_query(eg_request *rq);
eg_err eg_states_summarize(eg_request *rq);

#endif
