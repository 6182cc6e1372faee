/* Stored access policies of a container: what a service SAS may leave to the server (si). */
#ifndef EG_STORAGE_ACCESS_POLICY_H
#define EG_STORAGE_ACCESS_POLICY_H

#include "sas.h"

enum { EG_ACCESS_POLICIES_MAX = 5, EG_ACCESS_POLICY_ID_MAX = 64 };

typedef struct eg_access_policy {
    eg_str id, start, expiry, permission;   /* start, expiry, permission: len 0 = left to the signature */
} eg_access_policy;

typedef struct eg_access_policies {
    size_t n;
    eg_access_policy v[EG_ACCESS_POLICIES_MAX];
} eg_access_policies;

/* <SignedIdentifiers>, as Set Container ACL sends them; borrowed. "" is none. EG_ERR_INVALID. */
eg_err eg_access_policies_parse_xml(eg_str xml, eg_access_policies *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_access_policies_xml(const eg_access_policies *a, eg_buf *ret) EG_MUST_CHECK;
/* As EG_ATTR_ACCESS_POLICIES has them: a line each, four fields by tabs. EG_ERR_CORRUPT. */
eg_err eg_access_policies_parse(eg_str stored, eg_access_policies *ret) EG_MUST_CHECK;
eg_err eg_access_policies_text(const eg_access_policies *a, eg_buf *ret) EG_MUST_CHECK;
/* Fills in what the policy that s names says. A field that stands in both, or a policy that isn't there (any more): EG_ERR_AUTH_FAILED. Nothing to do without si. */
eg_err eg_access_policy_use(eg_storage *s, const eg_account *a, eg_str container, eg_arena *arena, eg_sas *sas, eg_problem *p) EG_MUST_CHECK;

#endif
