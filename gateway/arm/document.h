/* Policies as resources: documents of the policy store, read, listed and changed on behalf of a request. */
#ifndef EMBERGATE_ARM_DOCUMENT_H
#define EMBERGATE_ARM_DOCUMENT_H

#include "arm_state.h"
#include "filter.h"

#define EG_ARM_BODY_MAX ((size_t)4 << 20)

/* One type of resource that is a document. A new one is a row in document_types.c and its rows in routes.c. */
typedef struct eg_arm_type {
    eg_policy_kind kind;
    const char *type;                 /* "Microsoft.Network/networkSecurityGroups" */
    eg_err not_found;
    const char *const *read_only;     /* members of properties that clients send back and that aren't kept; ends with NULL */
    bool etags;                       /* answers have one, and If-Match is heard */
    /* Completes and checks what was sent (`doc` has id, name and type already); before: what is there, or NULL. May be NULL. */
    eg_err (*prepare)(eg_request *rq, json_t *doc, const json_t *before);
    /* Adds what answers have. May be NULL. */
    eg_err (*show)(eg_request *rq, json_t *doc);
    /* May it go? May be NULL. */
    eg_err (*leave)(eg_request *rq, const json_t *doc);
    /* Is it in the list that was asked for, at this scope? May be NULL: whatever lies at the scope or below it. */
    bool (*listed)(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f);
} eg_arm_type;
/* Of the request's route; the kind's. NULL = none. */
const eg_arm_type *eg_arm_type_of(const eg_request *rq);
const eg_arm_type *eg_arm_type_named(const char *type);

/* document.c */
/* The resource id that the request's path names, spelled as Azure spells it: the route's literals, the path's names. In the arena. */
eg_err eg_arm_path_id(eg_request *rq, eg_str *ret) EG_MUST_CHECK;
/* The type's not_found. Documents of other tenants aren't found. */
eg_err eg_arm_doc_get(eg_request *rq, const eg_arm_type *t, eg_str id, json_t **ret) EG_MUST_CHECK;
/* All of the request's own tenant, in no order. */
eg_err eg_arm_doc_all(eg_request *rq, eg_policy_kind kind, json_t **ret) EG_MUST_CHECK;
/* The body without what no document keeps: nulls, read-only members. EG_ERR_RESOURCE_BODY. */
eg_err eg_arm_doc_body(eg_request *rq, json_t **ret) EG_MUST_CHECK;
void eg_arm_drop(json_t *from, const char *const *names);
/* If-Match and If-None-Match against what is there (NULL = nothing). EG_ERR_RESOURCE_ETAG. */
eg_err eg_arm_doc_condition(eg_request *rq, const json_t *before) EG_MUST_CHECK;
/* W/"{uuid}", the same for the same content. */
void eg_arm_etag(const json_t *doc, char ret[EG_UUID_LEN + 4]);
/* A GUID that a text always gives. */
void eg_arm_derived_uuid(eg_str text, char ret[EG_UUID_LEN]);

/* One change of one document by the asker; tried again by eg_arm_try when somebody else was faster. */
typedef struct eg_arm_edit {
    const eg_arm_type *type;
    json_t *put;                  /* NULL: delete */
    eg_str id;                    /* of what is deleted */
    uint64_t version;             /* that was read; 0 = any */
    bool part;                    /* a child of the document, to which the route has decided the right already */
    int status;                   /* of the answer */
} eg_arm_edit;
/* *ret_pending: it waits for a second person, and this request was answered so. */
eg_err eg_arm_doc_edit(eg_request *rq, const eg_arm_edit *e, bool *ret_pending) EG_MUST_CHECK;
uint64_t eg_arm_doc_version(const eg_request *rq);
/* Runs attempt until no other change comes between its reading and its writing. */
eg_err eg_arm_try(eg_request *rq, eg_err (*attempt)(eg_request *rq));

/* document_handlers.c: end() of rows. */
eg_err eg_arm_doc_list_end(eg_request *rq);
eg_err eg_arm_doc_get_end(eg_request *rq);
eg_err eg_arm_doc_put_end(eg_request *rq);
eg_err eg_arm_doc_delete_end(eg_request *rq);
/* A copy of a document as an answer has it. */
eg_err eg_arm_doc_shown(eg_request *rq, const eg_arm_type *t, const json_t *doc, json_t **ret) EG_MUST_CHECK;
eg_err eg_arm_doc_respond(eg_request *rq, const eg_arm_type *t, int status, json_t *taken);
/* $filter of the request; an empty one when it has none. */
eg_err eg_arm_filter_of(eg_request *rq, eg_arm_filter *ret) EG_MUST_CHECK;

/* role_definitions.c */
eg_err eg_arm_role_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_role_show(eg_request *rq, json_t *doc);
eg_err eg_arm_role_leave(eg_request *rq, const json_t *doc);
eg_err eg_arm_role_list_end(eg_request *rq);
eg_err eg_arm_role_get_end(eg_request *rq);
/* The role of this GUID, name or resource id as the tenant sees it: built in, or its own. EG_ERR_ROLE_DEFINITION_NOT_FOUND. */
eg_err eg_arm_role_find(eg_request *rq, eg_str name_or_id, json_t **ret) EG_MUST_CHECK;
/* Can the role be given anywhere in the request's tenant? */
bool eg_arm_role_visible(const eg_request *rq, const json_t *role);
/* The GUID that a role's id ends with, or the text itself. */
eg_str eg_arm_role_guid(eg_str id);
/* The id that a role has at a scope: beneath its subscription, as Azure's lists spell it. */
json_t *eg_arm_role_id_at(eg_str scope, eg_str guid);
/* All roles that the tenant sees. */
eg_err eg_arm_role_all(eg_request *rq, json_t **ret) EG_MUST_CHECK;

/* role_assignments.c */
eg_err eg_arm_assignment_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_assignment_show(eg_request *rq, json_t *doc);
bool eg_arm_assignment_listed(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f);
/* Everything for whoever may read it at the scope; for everybody else its own, which must then be asked for: asTarget(), or its own principalId. */
eg_err eg_arm_eligible_list_end(eg_request *rq);
eg_err eg_arm_deny_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_deny_leave(eg_request *rq, const json_t *doc);
bool eg_arm_deny_listed(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f);
/* Is this principal, or a group of the asker when it is the asker, the one of the document? */
bool eg_arm_is_assigned(const eg_request *rq, const json_t *doc, eg_str principal);
/* permissions.c, activation.c */
eg_err eg_arm_permissions(eg_request *rq);
eg_err eg_arm_activate(eg_request *rq);

/* policy_rules.c: definitions and initiatives, built in and own; assignments. */
eg_err eg_arm_rule_list_end(eg_request *rq);
eg_err eg_arm_rule_get_end(eg_request *rq);
eg_err eg_arm_rule_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_rule_show(eg_request *rq, json_t *doc);
eg_err eg_arm_rule_leave(eg_request *rq, const json_t *doc);
eg_err eg_arm_rule_assignment_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_rule_assignment_show(eg_request *rq, json_t *doc);
bool eg_arm_rule_assignment_listed(eg_request *rq, const json_t *doc, eg_str scope, const eg_arm_filter *f);

/* network_groups.c, virtual_networks.c */
eg_err eg_arm_group_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_group_show(eg_request *rq, json_t *doc);
eg_err eg_arm_group_leave(eg_request *rq, const json_t *doc);
json_t *eg_arm_default_rules(const char *group_id);
eg_err eg_arm_vnet_prepare(eg_request *rq, json_t *doc, const json_t *before);
eg_err eg_arm_vnet_show(eg_request *rq, json_t *doc);
eg_err eg_arm_vnet_leave(eg_request *rq, const json_t *doc);

/* child_resources.c: rules of a group, subnets of a network: members of their parent's document. */
eg_err eg_arm_child_list_end(eg_request *rq);
eg_err eg_arm_child_get_end(eg_request *rq);
eg_err eg_arm_child_put_end(eg_request *rq);
eg_err eg_arm_child_delete_end(eg_request *rq);

/* directory.c: of Graph, what az asks for names. */
eg_err eg_arm_directory_by_ids(eg_request *rq);
eg_err eg_arm_directory_service_principals(eg_request *rq);
eg_err eg_arm_directory_users(eg_request *rq);

#endif
