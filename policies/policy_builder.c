/* Builds a snapshot from the files of a policy directory, one after the other, with duplicates and bounds checked. */
#include "policy_model.h"
#include "policy_builder.h"

#include <stdlib.h>

#define ROWS_A_STEP 256

static eg_err no_memory(eg_problem *p) {
    return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
}

/* Room for one more element in an array of a kind. */
static eg_err grow(eg_policy_builder *b, eg_policy_kind kind, void **v, size_t n, size_t size, eg_problem *p) {
    if (n < b->caps[kind]) {
        return EG_OK;
    }
    size_t cap = b->caps[kind] ? b->caps[kind] * 2 : 64;
    void *more = realloc(*v, cap * size);
    if (!more) {
        return no_memory(p);
    }
    *v = more;
    b->caps[kind] = cap;
    return EG_OK;
}

static eg_err add_role(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy *pol = b->pol;
    if (pol->role_count >= EG_POLICY_ROLES_MAX) {
        return eg_policy_refuse(at, p, "There are more than %d role definitions.", EG_POLICY_ROLES_MAX);
    }
    void *array = pol->roles;
    EG_TRY(grow(b, EG_POLICY_ROLES, &array, pol->role_count, sizeof *pol->roles, p));
    pol->roles = array;
    EG_TRY(eg_policy_role_read(pol->arena, at, v, &pol->roles[pol->role_count], p));
    pol->roles[pol->role_count].document = b->document;
    pol->roles[pol->role_count++].file = b->file;
    return EG_OK;
}

static void note_source(const eg_policy_builder *b, eg_policy_assignment *m) {
    m->file = b->file;
    m->document = b->document;
    m->mark = b->document ? eg_policy_mark(b->document) : 0;
    b->pol->roles_named = b->pol->roles_named || m->role_named;
}

/* Lasting assignments and those with a time lie in one array; its capacity is kept with the first of the two kinds. */
static eg_err add_assignment_of(eg_policy_builder *b, eg_policy_assignment_form form, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy *pol = b->pol;
    void *array = pol->assignments;
    EG_TRY(grow(b, EG_POLICY_ASSIGNMENTS, &array, pol->assignment_count, sizeof *pol->assignments, p));
    pol->assignments = array;
    EG_TRY(eg_policy_assignment_read(pol, form, at, v, &pol->assignments[pol->assignment_count], p));
    note_source(b, &pol->assignments[pol->assignment_count++]);
    return EG_OK;
}

static eg_err add_assignment(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    return add_assignment_of(b, EG_FORM_ASSIGNMENT, at, v, p);
}

static eg_err add_schedule(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    return add_assignment_of(b, EG_FORM_SCHEDULE, at, v, p);
}

static eg_err add_eligible(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy *pol = b->pol;
    void *array = pol->eligible;
    EG_TRY(grow(b, EG_POLICY_ELIGIBLE, &array, pol->eligible_count, sizeof *pol->eligible, p));
    pol->eligible = array;
    EG_TRY(eg_policy_assignment_read(pol, EG_FORM_ELIGIBILITY, at, v, &pol->eligible[pol->eligible_count], p));
    note_source(b, &pol->eligible[pol->eligible_count++]);
    return EG_OK;
}

static eg_err add_deny(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy *pol = b->pol;
    if (pol->deny_count >= EG_POLICY_DENIES_MAX) {
        return eg_policy_refuse(at, p, "There are more than %d deny assignments.", EG_POLICY_DENIES_MAX);
    }
    void *array = pol->denies;
    EG_TRY(grow(b, EG_POLICY_DENIES, &array, pol->deny_count, sizeof *pol->denies, p));
    pol->denies = array;
    EG_TRY(eg_policy_deny_read(pol->arena, at, v, &pol->denies[pol->deny_count], p));
    pol->denies[pol->deny_count++].file = b->file;
    return EG_OK;
}

static eg_err add_group(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy *pol = b->pol;
    void *array = pol->groups;
    EG_TRY(grow(b, EG_POLICY_GROUPS, &array, pol->group_count, sizeof *pol->groups, p));
    pol->groups = array;
    EG_TRY(eg_policy_group_read(pol->arena, at, v, &pol->groups[pol->group_count], p));
    pol->groups[pol->group_count++].file = b->file;
    return EG_OK;
}

static eg_err add_subnet(void *ctx, const eg_policy_at *at, const eg_policy_subnet *s, eg_problem *p) {
    eg_policy_builder *b = ctx;
    eg_policy *pol = b->pol;
    if (++b->rows > EG_POLICY_ROWS_MAX) {
        return eg_policy_refuse(at, p, "The policy directory holds more than %d rows.", EG_POLICY_ROWS_MAX);
    }
    void *array = pol->subnets;
    EG_TRY(grow(b, EG_POLICY_VNETS, &array, pol->subnet_count, sizeof *pol->subnets, p));
    pol->subnets = array;
    pol->subnets[pol->subnet_count] = *s;
    pol->subnets[pol->subnet_count++].file = b->file;
    return EG_OK;
}

static eg_err add_vnet(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    return eg_policy_vnet_read(b->pol, at, v, (eg_policy_subnet_sink){add_subnet, b}, p);
}

static eg_err add_account(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    eg_policy *pol = b->pol;
    void *array = pol->accounts;
    EG_TRY(grow(b, EG_POLICY_ACCOUNTS, &array, pol->account_count, sizeof *pol->accounts, p));
    pol->accounts = array;
    EG_TRY(eg_policy_account_read(pol, at, v, &pol->accounts[pol->account_count], p));
    pol->accounts[pol->account_count++].file = b->file;
    return EG_OK;
}

static eg_err add_rule(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    return eg_rule_book_define(b->book, b->pol->arena, at, v, p);
}

static eg_err add_initiative(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    return eg_rule_book_group(b->book, b->pol->arena, at, v, p);
}

static eg_err put_in_force(void *ctx, const eg_policy_at *at, const eg_policy_assigned *a, eg_problem *p) {
    eg_policy_builder *b = ctx;
    eg_policy *pol = b->pol;
    if (pol->assigned_count == EG_RULE_ASSIGNED_MAX) {
        return eg_policy_refuse(at, p, "More than %d policy definitions are in force.", EG_RULE_ASSIGNED_MAX);
    }
    b->weight += eg_rule_weight(&a->rule); /* a request waits for a look */
    if (b->weight > EG_RULE_WEIGHT_MAX) {
        return eg_policy_refuse(at, p, "The policy definitions in force compare too much with each resource: fewer conditions, or shorter patterns.");
    }
    void *array = pol->assigned;
    EG_TRY(grow(b, EG_POLICY_RULE_ASSIGNMENTS, &array, pol->assigned_count, sizeof *pol->assigned, p));
    pol->assigned = array;
    pol->assigned[pol->assigned_count] = *a;
    pol->assigned[pol->assigned_count++].file = b->file;
    return EG_OK;
}

static eg_err add_rule_assignment(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    return eg_rule_assignment_read(b->book, b->pol->arena, at, v, (eg_policy_assigned_sink){put_in_force, b}, p);
}

static int role_order(const void *a, const void *b) {
    return eg_policy_guid_order(&((const eg_policy_role *)a)->id, &((const eg_policy_role *)b)->id);
}

static int group_order(const void *a, const void *b) {
    return eg_policy_id_order(((const eg_policy_group *)a)->id, ((const eg_policy_group *)b)->id);
}

static int subnet_order(const void *a, const void *b) {
    return eg_policy_id_order(((const eg_policy_subnet *)a)->id, ((const eg_policy_subnet *)b)->id);
}

static int account_order(const void *a, const void *b) {
    return eg_policy_id_order(((const eg_policy_account *)a)->id, ((const eg_policy_account *)b)->id);
}

static const char *file_of_account(const void *v) { return ((const eg_policy_account *)v)->file; }
static const char *file_of_role(const void *v) { return ((const eg_policy_role *)v)->file; }
static const char *file_of_group(const void *v) { return ((const eg_policy_group *)v)->file; }
static const char *file_of_subnet(const void *v) { return ((const eg_policy_subnet *)v)->file; }

/* Sorts by id and refuses two of the same id: which one would be in force? */
static eg_err sort_unique(void *v, size_t n, size_t size, int (*order)(const void *, const void *), const char *(*file_of)(const void *), eg_problem *p) {
    if (n > 1) {
        qsort(v, n, size, order);
    }
    for (size_t i = 1; i < n; i++) {
        const char *one = (const char *)v + (i - 1) * size, *two = one + size;
        if (order(one, two) == 0) {
            eg_policy_at at = {.name = file_of(two)};
            return eg_policy_refuse(&at, p, "Its id is also defined in %s.", file_of(one));
        }
    }
    return EG_OK;
}

static eg_err seal_roles(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    return sort_unique(pol->roles, pol->role_count, sizeof *pol->roles, role_order, file_of_role, p);
}

static int deny_order(const void *x, const void *y) {
    const eg_policy_deny *a = x, *b = y;
    const int order = eg_policy_id_order(a->scope, b->scope);
    return order ? order : eg_policy_id_order(a->name, b->name);
}

static eg_err seal_assignments(eg_policy_builder *b, eg_problem *p) {
    const eg_policy_moves none = {0};
    if (b->upon) {
        return eg_policy_merge_assignments(b, p);
    }
    if (b->pol->assignment_count > 1) {
        qsort(b->pol->assignments, b->pol->assignment_count, sizeof *b->pol->assignments, eg_policy_assignment_order);
    }
    eg_pace_step(b->pace);
    return eg_policy_index_assignments(b->pol, &none) == EG_OK ? EG_OK : no_memory(p);
}

/* What the last file of the folder before added is sorted when all assignments are there. */
static eg_err seal_none(eg_policy_builder *b, eg_problem *p) {
    (void)b;
    (void)p;
    return EG_OK;
}

static eg_err seal_eligible(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    if (b->upon) {
        return eg_policy_merge_eligible(b, p);
    }
    if (pol->eligible_count > 1) {
        qsort(pol->eligible, pol->eligible_count, sizeof *pol->eligible, eg_policy_assignment_order);
    }
    return EG_OK;
}

static const char *file_of_deny(const void *v) { return ((const eg_policy_deny *)v)->file; }

static eg_err seal_denies(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    return sort_unique(pol->denies, pol->deny_count, sizeof *pol->denies, deny_order, file_of_deny, p);
}

static eg_err seal_groups(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    return sort_unique(pol->groups, pol->group_count, sizeof *pol->groups, group_order, file_of_group, p);
}

static eg_err seal_subnets(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    size_t budget = 0;
    EG_TRY(sort_unique(pol->subnets, pol->subnet_count, sizeof *pol->subnets, subnet_order, file_of_subnet, p));
    for (size_t i = 0; i < pol->subnet_count; i++) {
        eg_policy_subnet *s = &pol->subnets[i];
        if (s->has_group && eg_policy_rule_index_new(&pol->groups[s->group], s, &budget, &s->index) != EG_OK) {
            return no_memory(p);
        }
    }
    return EG_OK;
}

static eg_err seal_accounts(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    return sort_unique(pol->accounts, pol->account_count, sizeof *pol->accounts, account_order, file_of_account, p);
}

static int assigned_order(const void *x, const void *y) {
    const eg_policy_assigned *a = x, *b = y;
    const int order = eg_policy_id_order(a->id, b->id);
    return order ? order : eg_policy_id_order(a->reference, b->reference);
}

static const char *file_of_assigned(const void *v) { return ((const eg_policy_assigned *)v)->file; }

static eg_err seal_assigned(eg_policy_builder *b, eg_problem *p) {
    eg_policy *pol = b->pol;
    return sort_unique(pol->assigned, pol->assigned_count, sizeof *pol->assigned, assigned_order, file_of_assigned, p);
}

/* seal runs when all of a kind were read, before the next kind, which refers to it. */
static const struct {
    eg_err (*add)(eg_policy_builder *b, const eg_policy_at *at, const json_t *v, eg_problem *p);
    eg_err (*seal)(eg_policy_builder *b, eg_problem *p);
} kinds[EG_POLICY_KIND_COUNT] = {
    [EG_POLICY_ROLES] = {add_role, seal_roles},
    [EG_POLICY_ASSIGNMENTS] = {add_assignment, seal_none},
    [EG_POLICY_SCHEDULES] = {add_schedule, seal_assignments},
    [EG_POLICY_ELIGIBLE] = {add_eligible, seal_eligible},
    [EG_POLICY_DENIES] = {add_deny, seal_denies},
    [EG_POLICY_GROUPS] = {add_group, seal_groups},
    [EG_POLICY_VNETS] = {add_vnet, seal_subnets},
    [EG_POLICY_ACCOUNTS] = {add_account, seal_accounts},
    [EG_POLICY_RULES] = {add_rule, seal_none},
    [EG_POLICY_INITIATIVES] = {add_initiative, seal_none},
    [EG_POLICY_RULE_ASSIGNMENTS] = {add_rule_assignment, seal_assigned},
};

static eg_err advance(eg_policy_builder *b, eg_policy_kind to, eg_problem *p) {
    for (; b->kind < to; b->kind++) {
        if (!b->whole[b->kind]) {
            EG_TRY(kinds[b->kind].seal(b, p));
            eg_pace_step(b->pace);
        }
    }
    return EG_OK;
}

static const eg_policy_field list_fields[] = {{"value", EG_FIELD_USED}, {"nextLink", EG_FIELD_EMPTY}, {NULL, 0}};

static eg_err add_values(eg_policy_builder *b, eg_policy_kind kind, const eg_policy_at *at, const json_t *v, eg_problem *p) {
    if (!json_object_get(v, "value")) {
        b->rows++;
        return b->rows > EG_POLICY_ROWS_MAX ? eg_policy_refuse(at, p, "The policy directory holds more than %d rows.", EG_POLICY_ROWS_MAX)
                                            : kinds[kind].add(b, at, v, p);
    }
    json_t *list;
    EG_TRY(eg_policy_fields(at, v, list_fields, p));
    EG_TRY(eg_policy_list(at, v, "value", EG_POLICY_ROWS_MAX - b->rows, &list, p));
    eg_policy_at member = {.up = at, .name = "value"};
    b->rows += json_array_size(list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        eg_policy_at here = {.up = &member, .index = i};
        EG_TRY(kinds[kind].add(b, &here, json_array_get(list, i), p));
        eg_pace_step(b->pace);
    }
    return EG_OK;
}

static eg_err add_row(eg_policy_builder *b, const eg_policy_document *d, eg_problem *p) {
    eg_policy_row row = {.kind = (uint8_t)d->kind, .bytes = (uint32_t)d->text.len, .keyed = d->id != NULL};
    uint8_t head[9] = {(uint8_t)d->kind};
    eg_put_u64(head + 1, strlen(d->name));
    eg_bytes parts[] = {{head, sizeof head}, {(const uint8_t *)d->name, strlen(d->name)}, eg_str_bytes(d->text)};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], row.digest);
    b->document = NULL;
    if (d->id) {
        uint8_t *document = eg_arena_alloc(b->pol->arena, EG_SHA256_LEN + 1);
        if (!document) {
            return no_memory(p);
        }
        memcpy(row.id, d->id, EG_SHA256_LEN);
        memcpy(document, d->id, EG_SHA256_LEN);
        document[EG_SHA256_LEN] = row.kind;
        b->document = document;
    }
    if (b->pol->row_count == b->row_cap) {
        const size_t cap = b->row_cap ? 2 * b->row_cap : 64;
        eg_policy_row *more = realloc(b->pol->rows, cap * sizeof *more);
        if (!more) {
            return no_memory(p);
        }
        b->pol->rows = more;
        b->row_cap = cap;
    }
    b->pol->rows[b->pol->row_count++] = row;
    return EG_OK;
}

static eg_err add_file(eg_policy_builder *b, const eg_policy_document *d, eg_problem *p) {
    EG_TRY(add_row(b, d, p));
    b->file = eg_arena_str(b->pol->arena, eg_str_of(d->name)).ptr;
    if (!b->file) {
        return no_memory(p);
    }
    eg_policy_at at = {.name = b->file};
    EG_JSON_AUTO json = NULL;
    eg_problem why = {0};
    if (eg_json_parse(d->text, EG_POLICY_FILE_BYTES_MAX, &json, &why) != EG_OK) {
        return eg_policy_refuse(&at, p, "%s", why.message);
    }
    if (d->id && json_object_get(json, "value")) {
        return eg_policy_refuse(&at, p, "One document is expected here, not a list.");
    }
    return add_values(b, d->kind, &at, json, p);
}

eg_err eg_policy_builder_add(eg_policy_builder *b, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) {
    eg_policy_at at = {.name = file};
    if (++b->files > EG_POLICY_FILES_MAX) {
        return eg_policy_refuse(&at, p, "The policy directory holds more than %d files.", EG_POLICY_FILES_MAX);
    }
    const eg_policy_document d = {.kind = kind, .name = file, .text = text};
    return eg_policy_builder_add_document(b, &d, p);
}

eg_err eg_policy_builder_add_document(eg_policy_builder *b, const eg_policy_document *d, eg_problem *p) {
    eg_policy_at at = {.name = d->name};
    if (d->kind >= EG_POLICY_KIND_COUNT || d->kind < b->kind || b->whole[d->kind]) {
        return eg_fail(p, EG_ERR_INTERNAL, "Policy files were read in the wrong order.");
    }
    b->bytes += d->text.len;
    b->pol->laid += b->upon ? d->text.len : 0;
    if (d->text.len > EG_POLICY_FILE_BYTES_MAX || b->bytes > EG_POLICY_BYTES_MAX) {
        return eg_policy_refuse(&at, p, "A file may have %u MiB, all files together %u MiB.", EG_POLICY_FILE_BYTES_MAX >> 20, EG_POLICY_BYTES_MAX >> 20);
    }
    EG_TRY(advance(b, d->kind, p));
    EG_TRY(add_file(b, d, p));
    eg_pace_step(b->pace);
    return EG_OK;
}

eg_err eg_policy_builder_new_bare(eg_policy_builder **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = calloc(1, sizeof *b);
    eg_policy_memory *m = eg_policy_memory_new();
    if (!m || !b || !(b->pol = calloc(1, sizeof *b->pol)) || !(b->book = eg_rule_book_new())) {
        eg_policy_memory_unref(m);
        return no_memory(p);
    }
    b->pol->refs = 1;
    b->pol->memories[b->pol->memory_count++] = m;
    b->pol->arena = m->arena;
    *ret = b;
    b = NULL;
    return EG_OK;
}

eg_err eg_policy_builder_built_in(eg_policy_builder *b, eg_policy_kind kind, eg_problem *p) {
    const eg_policy_document d = {.kind = kind, .name = "built-in",
                                  .text = kind == EG_POLICY_ROLES ? eg_policy_builtin_text() : eg_policy_builtin_rules_text()};
    const size_t rows = b->rows;
    const eg_err e = add_file(b, &d, p);
    b->rows = rows;
    return e;
}

eg_err eg_policy_builder_new(eg_policy_builder **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    EG_TRY(eg_policy_builder_new_bare(&b, p));
    EG_TRY(eg_policy_builder_built_in(b, EG_POLICY_ROLES, p));
    EG_TRY(eg_policy_builder_built_in(b, EG_POLICY_RULES, p));
    *ret = b;
    b = NULL;
    return EG_OK;
}

void eg_policy_builder_free(eg_policy_builder *b) {
    if (!b) {
        return;
    }
    eg_policy_unref(b->pol);
    eg_rule_book_free(b->book);
    free(b);
}

/* The snapshot's digest, over those of its rows; and whether changes can be made upon it: of what came from files nothing can be told apart, and rows in another order would give
 * another digest. */
static eg_err finish_rows(eg_policy_builder *b) {
    eg_policy *pol = b->pol;
    uint8_t some[ROWS_A_STEP * EG_SHA256_LEN];
    size_t n = 0;
    EG_CLEANUP(eg_sha256_stream_free_p) eg_sha256_stream *sum = eg_sha256_stream_new();
    EG_TRY(sum ? EG_OK : EG_ERR_NO_MEMORY);
    pol->replaceable = pol->row_count >= EG_POLICY_BUILT_IN_ROWS;
    for (size_t i = 0; i < pol->row_count; i++) {
        const eg_policy_row *r = &pol->rows[i];
        pol->replaceable = pol->replaceable && r->keyed == (i >= EG_POLICY_BUILT_IN_ROWS) && (i <= EG_POLICY_BUILT_IN_ROWS || eg_policy_row_order(r - 1, r) < 0);
        memcpy(some + n, r->digest, EG_SHA256_LEN);
        n += EG_SHA256_LEN;
        if (n == sizeof some || i + 1 == pol->row_count) {
            eg_sha256_stream_add(sum, (eg_bytes){some, n});
            n = 0;
            eg_pace_step(b->pace);
        }
    }
    eg_sha256_stream_end(sum, pol->digest);
    return EG_OK;
}

eg_err eg_policy_builder_finish(eg_policy_builder *b, uint64_t version, eg_policy **ret, eg_problem *p) {
    eg_policy *pol = b->pol;
    EG_TRY(advance(b, EG_POLICY_KIND_COUNT, p));
    if (!pol->defined && !(pol->defined = eg_rule_book_ids(b->book, &pol->defined_count))) {
        return no_memory(p);
    }
    if (eg_policy_builder_merge_rows(b) != EG_OK || finish_rows(b) != EG_OK || eg_policy_duties_index(pol) != EG_OK) {
        return no_memory(p);
    }
    pol->version = version;
    *ret = pol;
    b->pol = NULL;
    return EG_OK;
}
