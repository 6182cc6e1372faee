/* Pure decisions over an immutable snapshot: role assignments, network security rules. policies/ implements it. */
#ifndef EMBERGATE_POLICY_H
#define EMBERGATE_POLICY_H

#include <embergate/pace.h>
#include <embergate/principal.h>

typedef struct eg_policy eg_policy;  /* immutable snapshot, reference-counted */

/* The kinds of documents, in the order in which they are read: what is referred to comes first. X(identifier, folder of a policy directory, Azure's type).
 * A new kind is one row here and one in policies/policy_builder.c. */
#define EG_POLICY_KIND_LIST(X)                                                                            \
    X(ROLES, "roleDefinitions", "Microsoft.Authorization/roleDefinitions")                                \
    X(ASSIGNMENTS, "roleAssignments", "Microsoft.Authorization/roleAssignments")                          \
    X(SCHEDULES, "roleAssignmentSchedules", "Microsoft.Authorization/roleAssignmentSchedules")            \
    X(ELIGIBLE, "roleEligibilitySchedules", "Microsoft.Authorization/roleEligibilitySchedules")           \
    X(DENIES, "denyAssignments", "Microsoft.Authorization/denyAssignments")                               \
    X(GROUPS, "networkSecurityGroups", "Microsoft.Network/networkSecurityGroups")                         \
    X(VNETS, "virtualNetworks", "Microsoft.Network/virtualNetworks")                                      \
    X(ACCOUNTS, "storageAccounts", "Microsoft.Storage/storageAccounts")                                   \
    X(RULES, "policyDefinitions", "Microsoft.Authorization/policyDefinitions")                            \
    X(INITIATIVES, "policySetDefinitions", "Microsoft.Authorization/policySetDefinitions")                \
    X(RULE_ASSIGNMENTS, "policyAssignments", "Microsoft.Authorization/policyAssignments")

typedef enum eg_policy_kind {
#define X(id, folder, type) EG_POLICY_##id,
    EG_POLICY_KIND_LIST(X)
#undef X
    EG_POLICY_KIND_COUNT
} eg_policy_kind;
extern const char *const eg_policy_folders[EG_POLICY_KIND_COUNT];
extern const char *const eg_policy_types[EG_POLICY_KIND_COUNT];
eg_err eg_policy_kind_of(eg_str folder, eg_policy_kind *ret) EG_MUST_CHECK;  /* EG_ERR_NOT_FOUND */

/* Reads every *.json beneath dir (roleDefinitions/, roleAssignments/, denyAssignments/, …: docs/POLICIES.md), in Azure's shapes,
 * over the built-in roles. Bounded in files, bytes and rows. Any invalid file refuses the whole directory (the old
 * snapshot stays in force): EG_ERR_POLICY_INVALID, the problem names file and field. `version` is the snapshot's number. */
eg_err eg_policy_load(const char *dir, uint64_t version, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;
/* The same, with rests between the documents. */
eg_err eg_policy_load_paced(const char *dir, uint64_t version, eg_pace *pace, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;

/* Puts the line into a problem that names file and key of a directory: "roleAssignments/a.json: properties.scope" → "roleAssignments/a.json:7: properties.scope". eg_policy_load does
 * it itself. */
void eg_policy_line(const char *dir, eg_problem *p);

/* One document: an object in Azure's shape. The text is borrowed until the next is asked for. */
typedef struct eg_policy_document {
    eg_policy_kind kind;
    const char *name;    /* for problems: "roleAssignments/{guid}" */
    eg_str text;
    const uint8_t *id;   /* EG_SHA256_LEN bytes that stand for its id; NULL = it can't be replaced alone */
} eg_policy_document;
/* Documents from elsewhere than a directory, in the order of their kinds; EG_ERR_NOT_FOUND is the end. */
typedef struct eg_policy_documents {
    eg_err (*next)(void *ctx, eg_policy_document *ret, eg_problem *p);
    void *ctx;
    eg_pace *pace;       /* of the reading, and of what is made of it; NULL = in one go */
} eg_policy_documents;
/* As eg_policy_load. */
eg_err eg_policy_load_from(const eg_policy_documents *s, uint64_t version, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;
/* A change of few documents of a snapshot whose documents all had ids. */
typedef struct eg_policy_touched { eg_policy_kind kind; const uint8_t *id; } eg_policy_touched;
typedef struct eg_policy_upon {
    const eg_policy *base;
    const eg_policy_touched *v;              /* new, different or gone; by kind and id */
    size_t n, bytes;                         /* of the new texts */
    bool again[EG_POLICY_KIND_COUNT];        /* kinds of which all documents have to be read; of the others those that are new or different */
} eg_policy_upon;
/* Fills `again`. false: all has to be read, by eg_policy_load_from. */
bool eg_policy_upon_plan(eg_policy_upon *u);
/* The same snapshot, to its digest, as eg_policy_load_from would make of all documents; s gives only those that `again` asks for, and what changed of the other kinds. */
eg_err eg_policy_load_upon(const eg_policy_upon *u, const eg_policy_documents *s, uint64_t version, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;
/* Gives each document of a directory's files, lists taken apart; it doesn't validate them. `file` is for problems; text is compact JSON. */
typedef struct eg_policy_sink {
    eg_err (*take)(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p);
    void *ctx;
} eg_policy_sink;
eg_err eg_policy_read_dir(const char *dir, eg_policy_sink to, eg_problem *p) EG_MUST_CHECK;
/* The same for one file's text: an object, {"value":[…]} or a list. */
eg_err eg_policy_read_text(eg_policy_kind kind, const char *file, eg_str text, eg_policy_sink to, eg_problem *p) EG_MUST_CHECK;
/* The resource id that a document goes by: its own, or "{scope}/providers/{type}/{name}"; of a role always "/providers/Microsoft.Authorization/roleDefinitions/{guid}",
 * as the same role is named at every scope. At most EG_POLICY_ID_MAX bytes. EG_ERR_POLICY_INVALID. */
#define EG_POLICY_ID_MAX 1400
eg_err eg_policy_document_id(const eg_policy_document *d, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
/* {"value":[…]} of the built-in role definitions; of the built-in policy definitions. */
eg_str eg_policy_builtin_text(void);
eg_str eg_policy_builtin_rules_text(void);
eg_policy *eg_policy_ref(eg_policy *p);
/* Whether somebody else has a reference, as long as no new one can be had. NULL: false. */
bool eg_policy_is_shared(const eg_policy *p);
void eg_policy_unref(eg_policy *p);
uint64_t eg_policy_version(const eg_policy *p);
/* Of a snapshot that nobody else has yet: its number was not known when it was read. */
void eg_policy_number(eg_policy *p, uint64_t version);
/* Of such a snapshot too: whether who writes policies may use no data. Not part of the digest. */
void eg_policy_separate_duties(eg_policy *p, bool on);
bool eg_policy_separates_duties(const eg_policy *p);
/* Digest of all that was read: equal digests mean equal decisions. */
void eg_policy_digest(const eg_policy *p, uint8_t ret[EG_SHA256_LEN]);
EG_DEFINE_CLEANUP(eg_policy, eg_policy_unref)

typedef struct eg_access {
    const eg_principal *who;
    eg_str resource_tenant;   /* tenant that owns the resource */
    eg_str action;            /* "Microsoft.HDInsight/clusters/jobs/submit/action" */
    bool data_action;
    eg_str scope;             /* resource id; compared without case, segment by segment */
    int64_t now_ns;           /* wall clock; 0 = not known: then nothing that begins or ends at a time grants, and all of it denies */
    /* What conditions ask about; ptr NULL = the request has no such attribute, and a condition that needs it doesn't grant. */
    eg_str account, container, path;  /* the path without a slash at its beginning */
    eg_str prefix;            /* of a listing */
    eg_str encryption_scope;
    eg_str sub_operation;     /* "Blob.List" */
    eg_str subnet;            /* resource id of the subnet that the request came in by */
} eg_access;

/* 0 is deny. */
typedef struct eg_decision {
    bool allowed;
    bool forbidden;           /* by a deny assignment, because of the tenant, or of separated duties: no access control list may allow it either */
    eg_err error;             /* why not: EG_ERR_DENIED_ROLE, _DATA, _TENANT, _DUTIES, _NETWORK, _ACCOUNT_NETWORK; EG_OK when allowed */
    char rule[192];           /* "roleAssignment {name} ({role name}) at {scope}", "denyAssignment {name} at {scope}", "separationOfDuties {name} ({role name}) at {scope}", "securityRule {nsg}/{rule}", "default deny" */
    char reason[256];         /* a sentence for a person */
    uint64_t policy_version;
} eg_decision;

/* Pure: no allocation, no clock, no I/O. Default deny; a principal of another tenant than the resource's is always denied
 * (EG_ERR_DENIED_TENANT). Azure semantics: Actions minus NotActions within one role, union over assignments; wildcards;
 * inheritance from scope to what lies below; assignments to the principal's object id or to one of its groups. A deny assignment goes before every grant;
 * an assignment counts within its time and where its condition holds; what can't be known of a request never grants, and always denies. With separated duties
 * nobody uses data where it could write policies (duties.c). */
void eg_policy_decide(const eg_policy *pol, const eg_access *a, eg_decision *ret);

typedef struct eg_flow {
    eg_str source_address;    /* text */
    uint16_t source_port;
    uint16_t destination_port;
    eg_str destination_address;
    eg_str subnet;            /* resource id of the subnet the listener sits in */
} eg_flow;

/* Inbound TCP through the network security group of the subnet: rules by priority, then Azure's default rules
 * (AllowVnetInBound, AllowAzureLoadBalancerInBound, DenyAllInBound). A subnet without a group, or no subnet: allowed by "no network security group". An
 * unknown subnet is denied. */
void eg_policy_network(const eg_policy *pol, const eg_flow *f, eg_decision *ret);

/* A request to a storage account, as its networkAcls and publicNetworkAccess see it. */
typedef struct eg_account_flow {
    eg_str account_id;        /* resource id */
    eg_str source_address;    /* text */
    eg_str cluster_subnet;    /* resource id of the subnet of the cluster whose job asks, on this machine; len 0 = none, or nobody knows yet */
} eg_account_flow;

/* Azure's semantics: publicNetworkAccess Disabled closes the account; defaultAction Allow opens it; else an ipRule that holds the source address, or a
 * virtualNetworkRule whose subnet holds it or is the cluster's. An account that no document names is open. EG_ERR_DENIED_ACCOUNT_NETWORK. */
void eg_policy_account_network(const eg_policy *pol, const eg_account_flow *f, eg_decision *ret);
/* Whether a cluster's subnet could change a denial: whose job asks is known only after authentication. */
bool eg_policy_account_asks_subnet(const eg_policy *pol, eg_str account_id);

/* What policies take of the room that all tenants share. */
typedef struct eg_policy_room {
    size_t rows;       /* assignments, rules, subnets, … */
    size_t roles;      /* among them */
    size_t defined;    /* policy definitions and initiatives */
    size_t in_force;   /* policy definitions that are assigned */
    size_t weight;     /* what these compare with a resource */
} eg_policy_room;
extern const eg_policy_room eg_policy_room_max; /* defined: of each of the two */
eg_policy_room eg_policy_room_of(const eg_policy *pol); /* all, what is built in included */
/* Adds that whose scope or id is the scope or lies below it. */
void eg_policy_room_within(const eg_policy *pol, eg_str scope, eg_policy_room *ret);

/* GUID of the role that has this name, GUID or resource id. EG_ERR_NOT_FOUND. */
eg_err eg_policy_role_id(const eg_policy *pol, eg_str name_or_id, char ret[EG_UUID_LEN]) EG_MUST_CHECK;

/* Who may do what: writes, for people, each assignment that grants `action` at `scope` (check access), with what it depends on, and each deny assignment that goes before them.
 * Without a principal all are told, and a deny assignment with whom it names; without a clock those too that are over. */
eg_err eg_policy_explain(const eg_policy *pol, const eg_access *a, eg_buf *ret);

/* Separation of duties: writes the object ids, separated by blanks, of those who hold a role that writes policies and one with data actions in `newer`, and not both in
 * `older` (NULL = nothing). EG_ERR_NO_MEMORY, EG_ERR_LIMIT. */
eg_err eg_policy_duties(const eg_policy *older, const eg_policy *newer, eg_buf *ret) EG_MUST_CHECK;

/* A role that somebody has. Text is borrowed for the call. */
typedef struct eg_policy_held {
    eg_str role, scope, assignment;   /* names; the scope as written */
    const char *group;                /* id of the group that it is assigned to; "" = the principal itself */
    int64_t ends_ns;                  /* wall clock; 0 = never */
    bool conditional;
    bool eligible;                    /* grants nothing until it is activated */
} eg_policy_held;
typedef struct eg_policy_held_question {
    const eg_principal *who;
    eg_str within;                    /* a scope: what is assigned above or beneath it is told */
    int64_t now_ns;                   /* wall clock: what is over, or not yet begun, is left out */
    eg_err (*fn)(void *ctx, const eg_policy_held *held); /* an error ends it */
    void *ctx;
} eg_policy_held_question;
/* For people: decisions go by eg_policy_decide alone. */
eg_err eg_policy_roles_of(const eg_policy *pol, const eg_policy_held_question *q) EG_MUST_CHECK;

typedef enum eg_proof_verdict {
    EG_PROOF_UNDECIDED = 0,  /* too large, or a condition compares two attributes: `text` says which */
    EG_PROOF_HOLDS,
    EG_PROOF_FAILS,          /* `text` is a request that only the new policy allows */
} eg_proof_verdict;

typedef struct eg_policy_proof {
    eg_proof_verdict verdict;
    uint64_t decisions;      /* that were compared */
    char text[2048];
} eg_policy_proof;

/* Does `newer` allow anything that `older` denies? Decided over all requests: actions, scopes, principals with any groups, times, attributes, addresses and
 * ports are divided into the finitely many classes that the two policies can tell apart, and one request of each is asked. docs/POLICIES.md has the argument.
 * EG_ERR_NO_MEMORY. */
eg_err eg_policy_prove_no_new_access(const eg_policy *older, const eg_policy *newer, eg_policy_proof *ret, eg_problem *p) EG_MUST_CHECK;

/* What changes from `older` to `newer`, a line each, in words; nothing when they grant and deny the same. EG_ERR_NO_MEMORY, EG_ERR_LIMIT. */
eg_err eg_policy_what_if(const eg_policy *older, const eg_policy *newer, eg_buf *ret) EG_MUST_CHECK;

/* A role assignment in Azure's shape, as a file of the policy directory: written whole or not at all, and taken back when the
 * directory would then be refused. The file's name follows from role, principal and scope, so that assigning twice is one assignment. */
typedef struct eg_policy_grant {
    const char *role;            /* name, GUID or resource id */
    const char *principal;       /* object id */
    const char *principal_type;  /* "User", "ServicePrincipal", "Group" */
    const char *scope;           /* resource id of a subscription or of what lies below it */
} eg_policy_grant;
/* The document alone, of a role that pol has. */
eg_err eg_policy_grant_text(const eg_policy *pol, const eg_policy_grant *g, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_grant_write(const char *dir, const eg_policy_grant *g, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_grant_remove(const char *dir, const eg_policy_grant *g, eg_problem *p) EG_MUST_CHECK;

#endif
