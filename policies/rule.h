/* Azure Policy's definitions and assignments, compiled; for the files of policies/ and their tests alone. */
#ifndef EMBERGATE_POLICIES_RULE_H
#define EMBERGATE_POLICIES_RULE_H

#include "policy_model.h"

#include <embergate/compliance.h>

/* docs/POLICIES.md lists them. */
enum {
    EG_RULE_DEPTH_MAX = 16,      /* of nested conditions */
    EG_RULE_NODES_MAX = 512,     /* of one definition */
    EG_RULE_VALUES_MAX = 200,    /* of one list */
    EG_RULE_PARAMETERS_MAX = 64,
    EG_RULE_TEXT_MAX = 1024,
    EG_RULE_BOOK_MAX = 1000,     /* definitions, and initiatives */
    EG_RULE_ASSIGNED_MAX = 2000, /* definitions in force: an initiative counts once for each of its own */
    EG_RULE_WEIGHT_MAX = 1 << 16, /* of all of them together: some 20 ms of work for one look at a resource, whatever they say */
};

typedef enum eg_rule_effect { EG_EFFECT_NONE = 0, EG_EFFECT_DENY, EG_EFFECT_AUDIT, EG_EFFECT_DISABLED } eg_rule_effect;

typedef enum eg_rule_kind { EG_RULE_ALL = 0, EG_RULE_ANY, EG_RULE_NOT, EG_RULE_TEST } eg_rule_kind;
typedef enum eg_rule_compare { EG_RULE_EQUALS = 0, EG_RULE_IN, EG_RULE_LIKE, EG_RULE_CONTAINS, EG_RULE_EXISTS } eg_rule_compare;
typedef enum eg_rule_place { EG_PLACE_TYPE = 0, EG_PLACE_NAME, EG_PLACE_FULL_NAME, EG_PLACE_ID, EG_PLACE_LOCATION, EG_PLACE_PROPERTY } eg_rule_place;

typedef struct eg_rule_node {
    eg_rule_kind kind;
    struct eg_rule_node *children;  /* of ALL, ANY and NOT */
    size_t child_count;
    eg_rule_place place;            /* of TEST: what is asked for … */
    eg_str alias;                   /* … of a property */
    eg_rule_compare compare;
    bool negated;
    eg_str *values;
    size_t value_count;             /* of EXISTS: 1 = it has to exist, 0 = it must not */
} eg_rule_node;

/* A definition in force: of an assignment, or of the initiative that was assigned. */
typedef struct eg_policy_assigned {
    eg_str id, name;                /* the assignment's */
    const char *file;
    eg_str scope;
    eg_str *excluded;               /* notScopes */
    size_t excluded_count;
    eg_str definition_id, definition_name;
    eg_str set_id;                  /* the initiative's; len 0 = the definition itself was assigned */
    eg_str reference;               /* within an initiative; len 0 = the definition itself was assigned */
    eg_rule_effect effect;
    bool enforced;
    bool indexed;                   /* the definition's mode: it concerns only what has tags and a location */
    eg_str message;
    eg_rule_node rule;              /* it matches what does not comply */
} eg_policy_assigned;

/* rule_field.c */
/* "type", "tags.owner", an alias of the table; EG_ERR_NOT_FOUND. */
eg_err eg_rule_field_of(eg_str name, eg_rule_place *ret_place, eg_str *ret_alias) EG_MUST_CHECK;

/* rule_json.c */
/* Values of a definition's parameters by name; what is missing has its default. */
typedef struct eg_rule_scope {
    eg_arena *arena;
    const json_t *declared;         /* "parameters" of the definition or initiative; NULL = none */
    const json_t *given;            /* of the assignment: {"x": {"value": …}}; NULL = none */
    bool draft;                     /* nobody gave values yet: a parameter without a default stands for any value of its type */
} eg_rule_scope;
eg_err eg_rule_parameters_check(const eg_rule_scope *s, const eg_policy_at *at, eg_problem *p) EG_MUST_CHECK;
/* What a value is once "[parameters('x')]" has been looked up; borrowed. Any other function is refused. */
eg_err eg_rule_value_of(const eg_rule_scope *s, const eg_policy_at *at, const json_t *v, const json_t **ret, eg_problem *p) EG_MUST_CHECK;
/* policyRule: if and then. */
eg_err eg_rule_compile(const eg_rule_scope *s, const eg_policy_at *at, const json_t *rule, eg_rule_node *ret, eg_rule_effect *ret_effect, eg_problem *p) EG_MUST_CHECK;

/* rule_decide.c */
/* What a look costs: 1 for a comparison, 8 for each byte of a pattern, which may be tried at each place of a text. */
size_t eg_rule_weight(const eg_rule_node *n);
bool eg_rule_like(eg_str pattern, eg_str text);  /* one '*' or several stand for any text; case is not regarded */

/* policy_same.c. Whether the other policy denies at least what this definition in force denies, by the same rule. */
bool eg_policy_has_assigned(const eg_policy *in, const eg_policy_assigned *a);

/* rule_book.c: definitions and initiatives while a policy is read. */
typedef struct eg_rule_book eg_rule_book;
eg_rule_book *eg_rule_book_new(void);  /* NULL without memory */
void eg_rule_book_free(eg_rule_book *b);
/* Ids of all that it holds, in an array that the caller frees; NULL without memory. */
eg_str *eg_rule_book_ids(const eg_rule_book *b, size_t *ret_n);
eg_err eg_rule_book_define(eg_rule_book *b, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_problem *p) EG_MUST_CHECK;
eg_err eg_rule_book_group(eg_rule_book *b, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_problem *p) EG_MUST_CHECK;

typedef struct eg_rule_found {
    eg_str id, name;                /* the definition's, in the arena */
    const json_t *properties;
} eg_rule_found;
/* May it be named at the scope? Built in, or of the subscription that the scope lies in: Azure knows definitions at or above the scope alone, and subscriptions are
 * of one tenant. */
bool eg_rule_in_reach(const eg_rule_found *f, eg_str scope);
/* By id; of a definition also by its built-in GUID. */
bool eg_rule_book_definition(const eg_rule_book *b, eg_str id, eg_rule_found *ret);
bool eg_rule_book_initiative(const eg_rule_book *b, eg_str id, eg_rule_found *ret);

/* rule_assignment.c: calls add for each definition that the assignment puts in force. */
typedef struct eg_policy_assigned_sink {
    eg_err (*add)(void *ctx, const eg_policy_at *at, const eg_policy_assigned *a, eg_problem *p);
    void *ctx;
} eg_policy_assigned_sink;
eg_err eg_rule_assignment_read(const eg_rule_book *b, eg_arena *arena, const eg_policy_at *at, const json_t *v, eg_policy_assigned_sink sink, eg_problem *p) EG_MUST_CHECK;

#endif
