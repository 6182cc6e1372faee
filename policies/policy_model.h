/* What a snapshot is made of, and the builder that makes it; for the files of policies/ and their tests alone. */
#ifndef EMBERGATE_POLICIES_MODEL_H
#define EMBERGATE_POLICIES_MODEL_H

#include <embergate/arena.h>
#include <embergate/json.h>
#include <embergate/policy.h>

/* Bounds of a policy directory. docs/POLICIES.md lists them. */
#define EG_POLICY_FILES_MAX 1000
#define EG_POLICY_FILE_BYTES_MAX (4u << 20)
#define EG_POLICY_BYTES_MAX (64u << 20)
#define EG_POLICY_ROWS_MAX 100000
#define EG_POLICY_ROLES_MAX 5000
#define EG_POLICY_DENIES_MAX 2000
#define EG_POLICY_PRESENT_BITS ((size_t)1 << 18)
#define EG_POLICY_MEMORY_MAX (512u << 20)
/* A snapshot is made upon another so often before all is read again: what the changes left behind is let go of then. */
#define EG_POLICY_MEMORIES_MAX 256
#define EG_POLICY_LAID_MAX (8u << 20)    /* bytes of documents that were read for such snapshots since all was read */
#define EG_POLICY_BUILT_IN_ROWS 2        /* roles and policy definitions */
#define EG_POLICY_UPON_MAX 1000          /* changed documents */
#define EG_POLICY_UPON_BYTES_MAX (1u << 20)

typedef struct eg_policy_guid { uint8_t b[16]; } eg_policy_guid;

/* A wildcard pattern of actions, lower case, e.g. "microsoft.hdinsight/{star}/read". */
typedef struct eg_policy_pattern {
    eg_str text;
    size_t literal;  /* bytes before the first '*'; text.len = no wildcard */
    size_t least;    /* bytes after it that are no '*' */
} eg_policy_pattern;

typedef struct eg_policy_patterns {
    eg_policy_pattern *v;
    size_t n;
} eg_policy_patterns;

typedef struct eg_policy_permission {
    eg_policy_patterns actions, not_actions, data_actions, not_data_actions;
} eg_policy_permission;

typedef struct eg_policy_role {
    eg_policy_guid id;
    eg_str name;
    const char *file;
    eg_policy_permission *permissions;
    size_t permission_count;
    size_t work;          /* of EG_CONDITION_WORK_MAX, to ask what it grants: of long lists alone */
    const uint8_t *document; /* digest of the document's id, and its kind; NULL = built in, or it came in a file */
    bool writes;          /* policies: duties.c */
    eg_str *assignable;   /* scopes */
    size_t assignable_count;
} eg_policy_role;

/* Whom an assignment names: a group's id never matches a person's and the other way round, unless the file leaves the type open. */
typedef enum eg_policy_assignee { EG_ASSIGNEE_NOBODY = 0, EG_ASSIGNEE_PRINCIPAL = 1, EG_ASSIGNEE_GROUP = 2, EG_ASSIGNEE_ANY = 3 } eg_policy_assignee;

struct eg_policy_condition;

typedef struct eg_policy_assignment {
    eg_policy_guid principal;
    eg_policy_assignee kind;
    uint32_t role;        /* index */
    eg_str scope;         /* as written, without a slash at its end */
    eg_str name;
    const char *file;
    uint64_t scope_hash;  /* eg_policy_scope_hash */
    int64_t starts_ns;    /* wall clock; 0 = always did */
    int64_t ends_ns;      /* 0 = never */
    const struct eg_policy_condition *condition;  /* NULL = none */
    const uint8_t *document; /* digest of the document's id, and its kind; NULL = it came in a file */
    uint16_t mark;        /* eg_policy_mark of the document, so that most needn't be looked at */
    bool role_named;      /* its role by name, which another role might take or share */
    bool eligible;        /* grants nothing until it is activated: not among what decides */
} eg_policy_assignment;

typedef struct eg_policy_party {
    eg_policy_guid id;
    eg_policy_assignee kind;
} eg_policy_party;

typedef struct eg_policy_parties {
    eg_policy_party *v;
    size_t n;
} eg_policy_parties;

/* Denies whoever is among the principals and not among the excluded. */
typedef struct eg_policy_deny {
    eg_str name, title, scope;
    const char *file;
    bool this_scope_only;
    bool everyone;
    eg_policy_parties principals, excluded;
    eg_policy_permission *permissions;
    const struct eg_policy_condition **conditions;  /* one a permission; NULL = none */
    size_t permission_count;
    uint64_t scope_hash;
} eg_policy_deny;

typedef struct eg_policy_cidr {
    uint8_t address[16];  /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;        /* of 128 */
} eg_policy_cidr;

typedef enum eg_policy_source { EG_SOURCE_NONE = 0, EG_SOURCE_ANY, EG_SOURCE_CIDR, EG_SOURCE_VNET, EG_SOURCE_INTERNET } eg_policy_source;

typedef struct eg_policy_prefix {
    eg_policy_source kind;
    eg_policy_cidr cidr;
} eg_policy_prefix;

typedef struct eg_policy_prefixes {
    eg_policy_prefix *v;
    size_t n;
} eg_policy_prefixes;

typedef struct eg_policy_ports {
    struct { uint16_t low, high; } *v;
    size_t n;
} eg_policy_ports;

typedef struct eg_policy_rule {
    eg_str name;
    unsigned priority;
    bool allow, inbound, tcp;
    eg_policy_prefixes sources, destinations;
    eg_policy_ports source_ports, destination_ports;
} eg_policy_rule;

typedef struct eg_policy_group {
    eg_str id, name;
    const char *file;
    eg_policy_rule *rules;  /* inbound ones that speak of TCP, by priority */
    size_t rule_count;
} eg_policy_group;

typedef struct eg_policy_cidrs {
    eg_policy_cidr *v;
    size_t n;
} eg_policy_cidrs;

typedef struct eg_policy_subnet {
    eg_str id, name;
    const char *file;
    eg_policy_cidrs vnet;      /* the virtual network's address space */
    eg_policy_cidrs prefixes;  /* the subnet's own */
    bool has_group;
    uint32_t group;            /* index */
    struct eg_policy_rule_index *index; /* of the group's rules, for this subnet; NULL = tried one after the other. Owned by the snapshot */
} eg_policy_subnet;

/* What networkAcls and publicNetworkAccess of a storage account say. */
typedef struct eg_policy_account {
    eg_str id, name;
    const char *file;
    bool closed;               /* publicNetworkAccess Disabled: whatever the rules say */
    bool deny;                 /* defaultAction Deny: only whom a rule names */
    eg_policy_cidrs addresses; /* ipRules */
    uint32_t *subnets;         /* virtualNetworkRules: indexes */
    size_t subnet_count;
} eg_policy_account;

/* An assignment by the hash of its scope. */
typedef struct eg_policy_scoped {
    uint64_t hash;
    uint32_t assignment;  /* index */
    uint32_t who;         /* eg_principal_mark of whom it is for: most needn't be looked at */
} eg_policy_scoped;

/* An assignment of a role that writes policies. */
typedef struct eg_policy_writer {
    uint64_t scope_hash;
    uint32_t assignment;  /* index */
} eg_policy_writer;

/* Texts and parts of documents: shared by a snapshot and those that were made upon it. */
typedef struct eg_policy_memory {
    int refs;                           /* atomic */
    eg_arena *arena;
} eg_policy_memory;

/* A document that the snapshot is made of. */
typedef struct eg_policy_row {
    uint8_t id[EG_SHA256_LEN];          /* of its id; all zero when it came in a file */
    uint8_t digest[EG_SHA256_LEN];      /* of kind, name and text */
    uint32_t bytes;
    uint8_t kind;
    bool keyed;                         /* has an id */
} eg_policy_row;

/* The snapshot. Arrays are sorted by what they are looked up by. */
struct eg_policy {
    int refs;
    uint64_t version;
    uint8_t digest[EG_SHA256_LEN];
    eg_policy_memory *memories[EG_POLICY_MEMORIES_MAX];
    size_t memory_count;
    size_t laid;                        /* bytes of the documents that were read since all were */
    eg_arena *arena;                    /* of the last memory, which is its own */
    eg_policy_row *rows;                /* built-in documents first, then in the order in which they were read */
    size_t row_count;
    eg_policy_role *roles;              /* by id */
    size_t role_count;
    eg_policy_assignment *assignments;  /* by principal */
    size_t assignment_count;
    eg_policy_assignment *eligible;     /* by principal */
    size_t eligible_count;
    eg_policy_deny *denies;             /* by scope and name */
    size_t deny_count;
    eg_policy_scoped *by_scope;         /* assignments by the hash of their scope */
    uint32_t *scope_buckets;            /* hash of scope → 1 + index in by_scope of its first; 0 = free. As many as buckets */
    uint64_t *present;                  /* a bit for each hash of a principal that has assignments: most groups have none */
    uint32_t *buckets;                  /* hash of principal → 1 + index of its first assignment; 0 = free */
    size_t bucket_mask;
    eg_policy_group *groups;            /* by id */
    size_t group_count;
    eg_policy_subnet *subnets;          /* by id */
    size_t subnet_count;
    eg_policy_account *accounts;        /* by id */
    size_t account_count;
    struct eg_policy_assigned *assigned; /* Azure Policy's definitions in force (rule.h), by assignment and definition */
    size_t assigned_count;
    eg_str *defined;                    /* ids of definitions and initiatives */
    size_t defined_count;
    eg_policy_writer *writers;          /* by the hash of their scope */
    size_t writer_count;
    bool separate_duties;
    bool replaceable;                   /* all documents have ids, in order: a change of some can be made upon it */
    bool roles_named;                   /* by some assignment */
};

/* The bits of a document's digest by which it is looked up. */
#define EG_POLICY_MARKS 4096
static inline uint16_t eg_policy_mark(const uint8_t digest[EG_SHA256_LEN]) { return (uint16_t)((digest[0] << 8 | digest[1]) % EG_POLICY_MARKS); }

/* policy.c */
eg_policy_memory *eg_policy_memory_new(void);      /* NULL without memory */
void eg_policy_memory_unref(eg_policy_memory *m);  /* NULL is harmless */

/* assignment_index.c: what finds the assignments by principal and by scope, once they are sorted. EG_ERR_NO_MEMORY. */
int eg_policy_assignment_order(const void *x, const void *y);
/* Where the assignments of an older snapshot stand by now, and which came between them: what was sorted there isn't sorted again. */
#define EG_POLICY_GONE UINT32_MAX
typedef struct eg_policy_moves {
    const eg_policy *older;  /* NULL = there is none */
    uint32_t *place;         /* of each of its assignments; EG_POLICY_GONE */
    uint32_t *fresh;         /* indexes of the new ones */
    size_t fresh_count;
} eg_policy_moves;
eg_err eg_policy_index_assignments(eg_policy *pol, const eg_policy_moves *moves) EG_MUST_CHECK;

/* policy_builder.c. A builder takes files in the order of their kinds, then gives the snapshot. */
typedef struct eg_policy_builder eg_policy_builder;
eg_err eg_policy_builder_new(eg_policy_builder **ret, eg_problem *p) EG_MUST_CHECK; /* with the built-in roles */
eg_err eg_policy_builder_new_bare(eg_policy_builder **ret, eg_problem *p) EG_MUST_CHECK; /* without them: for the fuzzer, whose time they'd take */
void eg_policy_builder_free(eg_policy_builder *b);
/* One file's text; `file` ("roleAssignments/a.json") is for problems. EG_ERR_POLICY_INVALID. */
eg_err eg_policy_builder_add(eg_policy_builder *b, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) EG_MUST_CHECK;
/* Consumes what b holds; b is to be freed all the same. */
eg_err eg_policy_builder_finish(eg_policy_builder *b, uint64_t version, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;
EG_DEFINE_CLEANUP(eg_policy_builder, eg_policy_builder_free)
/* The same for one document of a store, of which there may be as many as rows. */
eg_err eg_policy_builder_add_document(eg_policy_builder *b, const eg_policy_document *d, eg_problem *p) EG_MUST_CHECK;
/* Begins with what the change leaves as it is; documents of all other kinds are owed, and those that changed. EG_ERR_NO_MEMORY. */
eg_err eg_policy_builder_new_upon(const eg_policy_upon *u, eg_policy_builder **ret, eg_problem *p) EG_MUST_CHECK;

/* Where in which file a value stands: a chain on the stack, written out only for a problem. */
typedef struct eg_policy_at {
    const struct eg_policy_at *up;
    const char *name;   /* of a member, or of the file in the outermost; NULL = an array's element */
    size_t index;
} eg_policy_at;

/* policy_field.c. All fail with EG_ERR_POLICY_INVALID and name file and field. */
eg_err eg_policy_refuse(const eg_policy_at *at, eg_problem *p, const char *fmt, ...) EG_PRINTF(3, 4);
typedef enum eg_policy_field_use {
    EG_FIELD_USED = 0,
    EG_FIELD_TOLERATED,  /* Azure has it, it decides nothing here */
    EG_FIELD_EMPTY,      /* would change decisions and is not built: refused unless null, "", [] or {} */
} eg_policy_field_use;
typedef struct eg_policy_field { const char *name; eg_policy_field_use use; } eg_policy_field;
/* v must be an object with no other members than the table's (which ends with a NULL name). */
eg_err eg_policy_fields(const eg_policy_at *at, const json_t *v, const eg_policy_field *table, eg_problem *p) EG_MUST_CHECK;
/* A string member, borrowed from obj. bound > 0: required, 1 to bound bytes; bound < 0: may be absent or null ({NULL,0}), else as long. */
eg_err eg_policy_text(const eg_policy_at *at, const json_t *obj, const char *name, int bound, eg_str *ret, eg_problem *p) EG_MUST_CHECK;
/* An array member; absent or null is an empty one (*ret NULL). */
eg_err eg_policy_list(const eg_policy_at *at, const json_t *obj, const char *name, size_t max, json_t **ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_guid_parse(eg_str s, eg_policy_guid *ret) EG_MUST_CHECK;  /* EG_ERR_INVALID */
int eg_policy_guid_order(const eg_policy_guid *a, const eg_policy_guid *b);
int eg_policy_id_order(eg_str a, eg_str b);  /* as memcmp, ASCII case folded */

/* role_json.c */
eg_err eg_policy_permission_read(eg_arena *a, const eg_policy_at *at, const json_t *v, const eg_policy_field *fields, eg_policy_permission *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_type_check(const eg_policy_at *at, const json_t *v, const char *type, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_role_read(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_role *ret, eg_problem *p) EG_MUST_CHECK;
/* assignment_json.c */
typedef enum eg_policy_assignment_form { EG_FORM_ASSIGNMENT = 0, EG_FORM_SCHEDULE, EG_FORM_ELIGIBILITY } eg_policy_assignment_form;
/* That the role may be assigned there; `at` is of the properties. */
eg_err eg_policy_assignable(const eg_policy_at *at, const eg_policy_role *r, eg_str scope, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_role_unknown(const eg_policy_at *at, eg_str role, eg_problem *p);
eg_err eg_policy_assignment_read(const eg_policy *pol, eg_policy_assignment_form form, const eg_policy_at *at, const json_t *v, eg_policy_assignment *ret, eg_problem *p) EG_MUST_CHECK;
/* deny_json.c */
eg_err eg_policy_deny_read(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_deny *ret, eg_problem *p) EG_MUST_CHECK;
/* network_json.c */
eg_err eg_policy_group_read(eg_arena *a, const eg_policy_at *at, const json_t *v, eg_policy_group *ret, eg_problem *p) EG_MUST_CHECK;
/* subnet_json.c: calls add for each subnet. pol gives the security groups that are known. */
typedef struct eg_policy_subnet_sink {
    eg_err (*add)(void *ctx, const eg_policy_at *at, const eg_policy_subnet *s, eg_problem *p);
    void *ctx;
} eg_policy_subnet_sink;
eg_err eg_policy_vnet_read(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_subnet_sink sink, eg_problem *p) EG_MUST_CHECK;

/* account_json.c. pol gives the subnets that are known. */
eg_err eg_policy_account_read(const eg_policy *pol, const eg_policy_at *at, const json_t *v, eg_policy_account *ret, eg_problem *p) EG_MUST_CHECK;

/* Eight bytes of a text as one number, and ASCII's capitals among them made small. */
static inline uint64_t eg_policy_load_8(const char *p) {
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint64_t eg_policy_lower_8(uint64_t w) {
    const uint64_t ones = 0x0101010101010101u, low = w & (0x7f * ones);
    const uint64_t from_a = low + (0x80 - 'A') * ones, beyond_z = low + (0x7f - 'Z') * ones;
    return w | (((from_a ^ beyond_z) & ~w & (0x80 * ones)) >> 2);
}

/* action_pattern.c */
eg_err eg_policy_pattern_make(eg_arena *a, eg_str text, eg_policy_pattern *ret) EG_MUST_CHECK; /* EG_ERR_INVALID, EG_ERR_NO_MEMORY */
bool eg_policy_pattern_matches(const eg_policy_pattern *pat, eg_str action);
/* resource_scope.c */
eg_err eg_policy_scope_parse(eg_str text, eg_str *ret) EG_MUST_CHECK;  /* EG_ERR_INVALID; *ret is a part of text */
bool eg_policy_scope_covers(eg_str scope, eg_str resource);
uint64_t eg_policy_scope_hash(eg_str scope);  /* without regard to case */
/* The scopes that lie above a resource, and itself: what covers it, without comparing texts for each assignment. */
#define EG_POLICY_LEVELS_MAX 64
typedef struct eg_policy_levels {
    uint64_t hashes[EG_POLICY_LEVELS_MAX];
    uint64_t seen[4];    /* a bit for each hash: most assignments of other scopes are told apart by it */
    size_t n;
    bool all;            /* more levels than fit: nothing is ruled out */
} eg_policy_levels;
void eg_policy_levels_of(eg_str resource, eg_policy_levels *ret);
/* false: certainly none of the levels. */
bool eg_policy_levels_may_hold(const eg_policy_levels *l, uint64_t scope_hash);
/* address_prefix.c */
eg_err eg_policy_address_parse(eg_str text, eg_policy_cidr *ret) EG_MUST_CHECK; /* one address: 128 bits */
eg_err eg_policy_cidr_parse(eg_str text, eg_policy_cidr *ret) EG_MUST_CHECK;    /* address or prefix; EG_ERR_INVALID */
bool eg_policy_cidr_contains(const eg_policy_cidr *outer, const eg_policy_cidr *inner);
/* decide.c */
size_t eg_policy_guid_hash(const eg_policy_guid *id);
/* The first assignment of a principal or group, behind which its others stand; NULL = none. */
const eg_policy_assignment *eg_policy_first_of(const eg_policy *pol, const eg_policy_guid *id);
const eg_policy_role *eg_policy_role_find(const eg_policy *pol, const eg_policy_guid *id);
bool eg_policy_permission_grants(const eg_policy_permission *m, eg_str action, bool data_action);
bool eg_policy_role_grants(const eg_policy_role *r, eg_str action, bool data_action);
/* The deny assignment that forbids it; NULL = none. deny.c */
const eg_policy_deny *eg_policy_deny_find(const eg_policy *pol, const eg_access *a, const eg_policy_levels *levels);
/* duties.c */
/* Sets what roles are said to write, and which assignments are of such. EG_ERR_NO_MEMORY. */
eg_err eg_policy_duties_index(eg_policy *pol) EG_MUST_CHECK;
/* Actions that are as good as data actions there: in lower case, ends with NULL. */
extern const char *const eg_policy_means[];
/* With separated duties: the assignment by which who asks could write policies at the scope, where what is asked uses data or gives the means to; NULL = none. Times and groups
 * that aren't known count as held, and conditions are not looked at. */
const eg_policy_assignment *eg_policy_duties_find(const eg_policy *pol, const eg_access *a);
/* network.c */
/* Whether the rule may concern the subnet at all, its destination not being known: see there. */
bool eg_policy_rule_reaches(const eg_policy_rule *r, const eg_policy_subnet *subnet);
bool eg_policy_rule_from(const eg_policy_rule *r, const eg_policy_subnet *subnet, const eg_policy_cidr *source);
/* rule_index.c. *ret NULL: the group is small, or *budget (bytes of the policy's indexes so far) would be too large. EG_ERR_NO_MEMORY. */
typedef struct eg_policy_rule_index eg_policy_rule_index;
eg_err eg_policy_rule_index_new(const eg_policy_group *g, const eg_policy_subnet *subnet, size_t *budget, eg_policy_rule_index **ret) EG_MUST_CHECK;
eg_policy_rule_index *eg_policy_rule_index_ref(eg_policy_rule_index *x);  /* NULL is harmless */
void eg_policy_rule_index_free(eg_policy_rule_index *x);  /* one reference */
/* The first rule that fits, for a destination that is known only to be in the subnet; SIZE_MAX = none. */
size_t eg_policy_rule_index_first(const eg_policy_rule_index *x, const eg_policy_cidr *source, uint16_t source_port, uint16_t destination_port);
const eg_policy_group *eg_policy_group_find(const eg_policy *pol, eg_str id);
const eg_policy_subnet *eg_policy_subnet_find(const eg_policy *pol, eg_str id);
bool eg_policy_cidrs_contain(const eg_policy_cidrs *space, const eg_policy_cidr *address);
/* account_network.c */
const eg_policy_account *eg_policy_account_find(const eg_policy *pol, eg_str id);

#endif
