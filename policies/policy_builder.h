/* The builder of snapshots from inside; for policy_builder.c and policy_upon.c alone. */
#ifndef EMBERGATE_POLICIES_BUILDER_H
#define EMBERGATE_POLICIES_BUILDER_H

#include "rule.h"

struct eg_policy_builder {
    eg_policy *pol;
    eg_rule_book *book;                  /* definitions, until they are assigned */
    eg_policy_kind kind;                 /* of the document that came last */
    const char *file;                    /* being read; in the arena */
    const uint8_t *document;             /* digest of the id of what is being read, and its kind; in the arena; NULL = a file */
    size_t files, bytes, rows;
    size_t caps[EG_POLICY_KIND_COUNT];
    size_t row_cap;
    bool whole[EG_POLICY_KIND_COUNT];    /* taken from another snapshot as it is: nothing is read, nothing sorted anew */
    eg_policy_row *kept;                 /* rows that were taken from it, in order */
    size_t kept_count;
};

/* The built-in documents of a kind; they count as no rows. */
eg_err eg_policy_builder_built_in(eg_policy_builder *b, eg_policy_kind kind, eg_problem *p) EG_MUST_CHECK;
/* Kept and new rows as one list, in the order in which a whole reading would have met them. EG_ERR_NO_MEMORY. */
eg_err eg_policy_builder_merge_rows(eg_policy_builder *b) EG_MUST_CHECK;

#endif
