/* Encryption scopes, and what containers say of them, as resources that Azure Policy judges. */
#ifndef EG_STORAGE_SCOPE_POLICY_H
#define EG_STORAGE_SCOPE_POLICY_H

#include "scope.h"

#include <embergate/compliance.h>

typedef struct eg_container_asked {
    eg_str name;
    eg_str scope;    /* its default; len 0 = none, the account's own key */
    bool deny;       /* allows no other */
} eg_container_asked;

/* EG_ERR_DISALLOWED_POLICY when an assignment denies such a scope. EG_OK where nobody judges, or the account is none that the configuration names. Never blocks. */
eg_err eg_scope_comply(eg_storage *s, const eg_account *a, const eg_scope *x, eg_compliance_found *ret_found, eg_problem *p) EG_MUST_CHECK;
/* The same of a container. One without a default scope is judged both as having none, which is how Azure sees the request that makes it, and as having
 * "$account-encryption-key", which is how Azure shows it: a definition that asks for either finds it. */
eg_err eg_scope_comply_container(eg_storage *s, const eg_account *a, const eg_container_asked *c, eg_compliance_found *ret_found, eg_problem *p) EG_MUST_CHECK;

#endif
