/* Policies as documents in the store: every change is one transaction with its version and its audit record, and in force when the call returns.
 * gateway/policy/ implements it. */
#ifndef EMBERGATE_POLICY_STORE_H
#define EMBERGATE_POLICY_STORE_H

#include <embergate/audit.h>
#include <embergate/json.h>
#include <embergate/policy.h>

typedef struct eg_policy_store eg_policy_store;  /* thread-safe */

/* Which tenant a subscription is of: a change is made for the tenant of the scopes that it touches. */
typedef struct eg_policy_subscription { eg_str subscription, tenant; } eg_policy_subscription;

typedef struct eg_policy_store_options {
    eg_kv *kv;
    eg_committer *committer;
    eg_audit *audit;           /* NULL: changes without a recorder are recorded when the store is next opened with one */
    const eg_clock *clock;
    bool files;                /* policies.source is files: the store mirrors the directory, and refuses all other changes with EG_ERR_POLICY_FILES */
    bool require_ticket;       /* ticket and justification are owed */
    bool two_person;           /* a change waits for a second person who may make it too */
    bool separation_of_duties; /* whoever may write policies anywhere holds no data actions */
    const eg_policy_subscription *subscriptions; /* borrowed for the store's life */
    size_t subscription_count;
    eg_policy_room tenant_room; /* what a tenant's own people may fill; 0 = an equal share of all that there may be */
} eg_policy_store_options;

/* Reads the newest version. Without `files`: EG_ERR_POLICY_INVALID when it can't be loaded. With `files` nothing is in force until eg_policy_store_mirror. */
eg_err eg_policy_store_open(const eg_policy_store_options *o, eg_policy_store **ret, eg_problem *p) EG_MUST_CHECK;
void eg_policy_store_close(eg_policy_store *s);  /* NULL is harmless */

/* The policy in force, whole; a reference for the caller. Any thread, never blocks on a change. NULL only before the first mirror. */
eg_policy *eg_policy_store_snapshot(eg_policy_store *s);
/* Frees the policies that were replaced and that nobody asks any more: called now and then, by a thread that no client waits for. */
void eg_policy_store_sweep(eg_policy_store *s);
uint64_t eg_policy_store_version(eg_policy_store *s);

/* One document's compact JSON. The id as eg_policy_document_id gives it, compared without case; of a role, whatever ends in its GUID. EG_ERR_NOT_FOUND. */
eg_err eg_policy_store_get(eg_policy_store *s, eg_policy_kind kind, eg_str id, eg_buf *ret) EG_MUST_CHECK;
/* Each document of a kind, of one version, in no order that means anything; built-in roles are not among them (eg_policy_builtin_text has them). `each` must not call
 * the store; its error ends the walk and is returned. */
eg_err eg_policy_store_each(eg_policy_store *s, eg_policy_kind kind, eg_err (*each)(void *ctx, eg_str text), void *ctx) EG_MUST_CHECK;

typedef struct eg_policy_put {
    eg_policy_kind kind;
    eg_str text;               /* JSON object */
    const char *name;          /* for problems; NULL = its kind */
} eg_policy_put;

typedef struct eg_policy_delete {
    eg_policy_kind kind;
    eg_str id;
} eg_policy_delete;

/* Everything is borrowed for the call. */
typedef struct eg_policy_change {
    const eg_principal *author;  /* NULL: nobody with a token; then `by` says who */
    const char *by;              /* "operator", "init", "files" */
    const char *event;           /* of the audit record and the version: "policy.change", "policy.rollback", … NULL = "policy.change" */
    eg_str ticket, justification;
    const eg_policy_put *puts;
    size_t put_count;
    const eg_policy_delete *deletes;  /* of what isn't there: EG_ERR_NOT_FOUND */
    size_t delete_count;
    uint64_t expected_version;   /* 0 = any; else EG_ERR_POLICY_VERSION when it isn't the one in force */
    bool settled;                /* waits for nobody and needs no ticket: an activation of what was granted before, the making of an installation */
    bool only_new;               /* a put of what is there already: EG_ERR_EXISTS */
    bool dry_run;                /* everything but the commit */
    eg_buf *what_if;             /* NULL, or gets what it changes, in words, also when it is then refused or waits */
} eg_policy_change;

/* The change's audit record as a step of its transaction. `details` (ticket, justification, version, digest, changed ids) is borrowed for the call.
 * op NULL or recorder NULL: the store records the change itself. */
typedef struct eg_policy_recorder {
    eg_txn_op (*op)(void *ctx, const json_t *details);
    void *ctx;
} eg_policy_recorder;
/* For handlers: the record of this request, answered with `status`. *state lives as long as the recorder. */
typedef struct eg_policy_request_record { eg_request *rq; int status; } eg_policy_request_record;
eg_policy_recorder eg_policy_request_recorder(eg_policy_request_record *state);

typedef struct eg_policy_changed {
    uint64_t version;            /* in force now; with dry_run: that it would be */
    size_t changes;              /* documents that are new, different or gone; 0: nothing was to be done, and nothing was recorded */
    char pending[EG_UUID_LEN];   /* not "": it waits for a second person under this id, and nothing has changed */
} eg_policy_changed;

/* One change: validated as a whole snapshot, committed with version and record, swapped, and then returned. Blocks: not on a worker.
 * EG_ERR_POLICY_INVALID (names document and field), _POLICY_VERSION, _POLICY_FILES, _POLICY_TICKET, _POLICY_DUTIES, EG_ERR_NOT_FOUND. */
eg_err eg_policy_store_change(eg_policy_store *s, const eg_policy_change *c, const eg_policy_recorder *r, eg_policy_changed *ret, eg_problem *p) EG_MUST_CHECK;

/* May this principal make the change: right to write (or delete) each document that it touches, at its scope, in its own tenant. EG_ERR_DENIED_ROLE names the first that it may
 * not. */
eg_err eg_policy_store_may_change(eg_policy_store *s, const eg_principal *who, const eg_policy_change *c, eg_problem *p) EG_MUST_CHECK;
/* Where the right to a document is asked for (may be several: the assignable scopes of a role), and the action, such as
 * "Microsoft.Authorization/roleAssignments/write". */
#define EG_POLICY_SCOPES_MAX 32
eg_err eg_policy_document_scopes(const eg_policy_document *d, eg_arena *a, eg_str ret[EG_POLICY_SCOPES_MAX], size_t *ret_n, eg_problem *p) EG_MUST_CHECK;
/* The tenant of a scope's subscription; len 0 = nobody's. */
eg_str eg_policy_store_tenant_of(const eg_policy_store *s, eg_str scope);

/* The directory that the files' snapshot was loaded from, taken over as a version when it differs. The reference is taken on EG_OK. pace may be NULL. */
eg_err eg_policy_store_mirror(eg_policy_store *s, const char *dir, eg_policy *taken, eg_pace *pace, eg_problem *p) EG_MUST_CHECK;

/* History, newest first: {"version","time","author","event","ticket","justification","digest","changes"}. `before` 0 = the newest. New references. */
eg_err eg_policy_store_history(eg_policy_store *s, uint64_t before, size_t limit, json_t **ret) EG_MUST_CHECK;
/* The same of one version, with "documents":[{"type","id","before","after"}]; "before" and "after" are null where there was none. EG_ERR_NOT_FOUND. */
eg_err eg_policy_store_show(eg_policy_store *s, uint64_t version, json_t **ret, eg_problem *p) EG_MUST_CHECK;
/* What has to be put and deleted for the documents to be those of `version` again; as long as all later versions still have their content (docs/LIMITS.md).
 * *ret: {"puts":[{"type","document"}],"deletes":[{"type","id"}]}. EG_ERR_NOT_FOUND. */
eg_err eg_policy_store_way_back(eg_policy_store *s, uint64_t version, json_t **ret, eg_problem *p) EG_MUST_CHECK;

/* Changes that wait for a second person: [{"id","time","expires","author","ticket","justification","baseVersion","puts","deletes"}]. */
eg_err eg_policy_store_pending(eg_policy_store *s, json_t **ret) EG_MUST_CHECK;
/* Makes the change, as of now: EG_ERR_POLICY_VERSION when the policies have changed since it was proposed. EG_ERR_POLICY_SECOND_PERSON for the proposer,
 * EG_ERR_DENIED_ROLE for whoever may not make it. */
eg_err eg_policy_store_approve(eg_policy_store *s, eg_str id, const eg_principal *approver, const eg_policy_recorder *r, eg_policy_changed *ret, eg_problem *p) EG_MUST_CHECK;
/* By whoever may make the change, and by its proposer. */
eg_err eg_policy_store_reject(eg_policy_store *s, eg_str id, const eg_principal *by, const eg_policy_recorder *r, eg_problem *p) EG_MUST_CHECK;

/* SelfActivate of Azure's roleAssignmentScheduleRequests: a roleAssignmentSchedule for what a roleEligibilitySchedule allows this principal (or a group of its token),
 * from now for `seconds`, at most until the eligibility ends and EG_POLICY_ACTIVATION_MAX_S. EG_ERR_POLICY_NOT_ELIGIBLE, EG_ERR_INVALID. */
#define EG_POLICY_ACTIVATION_MAX_S (8 * 3600)
typedef struct eg_policy_activation {
    const eg_principal *who;
    eg_str name;               /* GUID of the request and of the schedule; len 0 = a new one */
    eg_str role;               /* name, GUID or resource id */
    eg_str scope;              /* the eligibility's or below it */
    int64_t seconds;
    eg_str ticket, justification; /* the latter is owed */
} eg_policy_activation;
/* *ret_schedule: the new document's JSON. */
eg_err eg_policy_store_activate(eg_policy_store *s, const eg_policy_activation *a, const eg_policy_recorder *r, eg_buf *ret_schedule, eg_problem *p) EG_MUST_CHECK;

#endif
