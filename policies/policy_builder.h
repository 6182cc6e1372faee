/* The builder of snapshots from inside; for policy.c, policy_builder.c, policy_upon.c and assignment_merge.c alone. */
#ifndef EMBERGATE_POLICIES_BUILDER_H
#define EMBERGATE_POLICIES_BUILDER_H

#include "rule.h"

#include <embergate/pace.h>

struct eg_policy_builder {
    eg_policy *pol;
    eg_rule_book *book;                  /* definitions, until they are assigned */
    eg_policy_kind kind;                 /* of the document that came last */
    const char *file;                    /* being read; in the arena */
    const uint8_t *document;             /* digest of the id of what is being read, and its kind; in the arena; NULL = a file */
    size_t files, bytes, rows;
    size_t weight;                       /* of the definitions in force */
    size_t caps[EG_POLICY_KIND_COUNT];
    size_t row_cap;
    bool whole[EG_POLICY_KIND_COUNT];    /* taken from another snapshot as it is: nothing is read, nothing sorted anew */
    const eg_policy_upon *upon;          /* that other snapshot, and what is different; NULL = everything is read */
    uint64_t touched[EG_POLICY_MARKS / 64]; /* the marks of what is different */
    eg_pace *pace;                       /* NULL = none */
};

static inline bool eg_policy_builder_marked(const eg_policy_builder *b, uint16_t mark) { return b->touched[mark / 64] >> (mark % 64) & 1; }
/* Whether the change speaks of a document. */
bool eg_policy_builder_touches(const eg_policy_builder *b, unsigned kind, const uint8_t *id);

int eg_policy_row_order(const eg_policy_row *a, const eg_policy_row *b); /* by kind and id */
/* The built-in documents of a kind; they count as no rows. */
eg_err eg_policy_builder_built_in(eg_policy_builder *b, eg_policy_kind kind, eg_problem *p) EG_MUST_CHECK;
/* assignment_merge.c: assignments of the other snapshot and new ones as one list, in order; those of the first kind are found then. EG_ERR_NO_MEMORY, EG_ERR_POLICY_INVALID. */
eg_err eg_policy_merge_assignments(eg_policy_builder *b, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_merge_eligible(eg_policy_builder *b, eg_problem *p) EG_MUST_CHECK;
/* Kept and new rows as one list, in the order in which a whole reading would have met them. EG_ERR_NO_MEMORY. */
eg_err eg_policy_builder_merge_rows(eg_policy_builder *b) EG_MUST_CHECK;

#endif
