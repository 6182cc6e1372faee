/* Conditions: the text of Azure's attribute language to a small tree, and the tree's verdict on a request. */
#include "condition.h"

#define TEXT_MAX 8192
#define TERMS_MAX 400
#define DEPTH_MAX 32
#define VALUES_MAX 250

typedef enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_ACTION, NODE_SUB_OPERATION, NODE_EXISTS, NODE_COMPARE } node_kind;

typedef enum quantifier { ANY_VALUE = 0, ALL_VALUES } quantifier;

typedef struct node {
    node_kind kind;
    const struct node *one, *two;      /* AND, OR; one of NOT */
    eg_policy_pattern pattern;         /* ACTION */
    eg_str text;                       /* SUB_OPERATION */
    eg_policy_attribute attribute;     /* EXISTS, COMPARE */
    const eg_policy_operator *op;
    quantifier quantifier;
    eg_policy_attribute other;         /* compared with; NONE: with the values */
    eg_policy_value *values;
    size_t value_count;
} node;

struct eg_policy_condition {
    const node *root;
    eg_str text;
};

/* Attributes that the gateway knows of a request. What is not here is refused when the condition is read. */
static const struct {
    const char *source, *name;
    eg_policy_value_type type;
    eg_policy_attribute id;
} attributes[] = {
    {"Resource", "Microsoft.Storage/storageAccounts:name", EG_VALUE_TEXT, EG_ATTRIBUTE_ACCOUNT},
    {"Resource", "Microsoft.Storage/storageAccounts:isHnsEnabled", EG_VALUE_BOOL, EG_ATTRIBUTE_HNS},
    {"Resource", "Microsoft.Storage/storageAccounts/encryptionScopes:name", EG_VALUE_TEXT, EG_ATTRIBUTE_SCOPE},
    {"Resource", "Microsoft.Storage/storageAccounts/blobServices/containers:name", EG_VALUE_TEXT, EG_ATTRIBUTE_CONTAINER},
    {"Resource", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path", EG_VALUE_TEXT, EG_ATTRIBUTE_PATH},
    {"Request", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix", EG_VALUE_TEXT, EG_ATTRIBUTE_PREFIX},
    {"Environment", "UtcNow", EG_VALUE_TIME, EG_ATTRIBUTE_NOW},
    {"Environment", "Microsoft.Network/virtualNetworks/subnets", EG_VALUE_TEXT, EG_ATTRIBUTE_SUBNET},
    {"Environment", "isPrivateLink", EG_VALUE_BOOL, EG_ATTRIBUTE_PRIVATE_LINK},
};

typedef struct parser {
    eg_arena *arena;
    const eg_policy_at *at;
    eg_problem *p;
    eg_str text;
    size_t pos;
    size_t terms;
    unsigned depth;
} parser;

static eg_err expected(const parser *s, const char *what) {
    return eg_policy_refuse(s->at, s->p, "%s is expected at byte %zu of the condition.", what, s->pos + 1);
}

static void blanks(parser *s) {
    while (s->pos < s->text.len && (s->text.ptr[s->pos] == ' ' || s->text.ptr[s->pos] == '\t' || s->text.ptr[s->pos] == '\n' || s->text.ptr[s->pos] == '\r')) {
        s->pos++;
    }
}

static bool word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Takes the token when it stands here; one made of letters must end here. */
static bool take(parser *s, const char *token) {
    blanks(s);
    const eg_str t = eg_str_of(token);
    const eg_str rest = {s->text.ptr + s->pos, s->text.len - s->pos};
    if (rest.len < t.len || !eg_str_ieq((eg_str){rest.ptr, t.len}, t)) {
        return false;
    }
    if (word_byte(token[0]) && rest.len > t.len && word_byte(rest.ptr[t.len])) {
        return false;
    }
    s->pos += t.len;
    return true;
}

static eg_str word(parser *s) {
    blanks(s);
    const size_t from = s->pos;
    while (s->pos < s->text.len && word_byte(s->text.ptr[s->pos])) {
        s->pos++;
    }
    return (eg_str){s->text.ptr + from, s->pos - from};
}

static eg_err new_node(parser *s, node_kind kind, node **ret) {
    if (++s->terms > TERMS_MAX) {
        return eg_policy_refuse(s->at, s->p, "A condition has at most %d terms.", TERMS_MAX);
    }
    node *n = eg_arena_alloc(s->arena, sizeof *n);
    if (!n) {
        return eg_fail(s->p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
    }
    *n = (node){.kind = kind};
    *ret = n;
    return EG_OK;
}

/* 'text'; a quote within it is written \'. As it was written, with its backslashes. */
static eg_err quoted(parser *s, eg_str *ret) {
    if (!take(s, "'")) {
        return expected(s, "A text in single quotes");
    }
    const size_t from = s->pos;
    while (s->pos < s->text.len && s->text.ptr[s->pos] != '\'') {
        s->pos += s->text.ptr[s->pos] == '\\' && s->pos + 1 < s->text.len ? 2 : 1;
    }
    if (s->pos >= s->text.len) {
        return expected(s, "A closing quote");
    }
    *ret = (eg_str){s->text.ptr + from, s->pos - from};
    s->pos++;
    return EG_OK;
}

static eg_err attribute(parser *s, eg_policy_attribute *ret, eg_policy_value_type *ret_type) {
    if (!take(s, "@")) {
        return expected(s, "An attribute such as @Resource[…]");
    }
    const eg_str source = word(s);
    if (!take(s, "[")) {
        return expected(s, "\"[\"");
    }
    const char *end = memchr(s->text.ptr + s->pos, ']', s->text.len - s->pos);
    if (!end) {
        return expected(s, "\"]\"");
    }
    const eg_str name = {s->text.ptr + s->pos, (size_t)(end - (s->text.ptr + s->pos))};
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (eg_str_ieq(source, eg_str_of(attributes[i].source)) && eg_str_ieq(name, eg_str_of(attributes[i].name))) {
            s->pos = (size_t)(end + 1 - s->text.ptr);
            *ret = attributes[i].id;
            *ret_type = attributes[i].type;
            return EG_OK;
        }
    }
    return eg_policy_refuse(s->at, s->p, "The attribute @%.*s[%.*s] at byte %zu of the condition is not known here.", EG_FMT(source), EG_FMT(name), s->pos + 1);
}

static eg_err unescape(parser *s, eg_str raw, eg_str *ret) {
    char *out = eg_arena_alloc(s->arena, raw.len + 1);
    size_t n = 0;
    if (!out) {
        return eg_fail(s->p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
    }
    for (size_t i = 0; i < raw.len; i++) {
        i += raw.ptr[i] == '\\' && i + 1 < raw.len;
        out[n++] = raw.ptr[i];
    }
    *ret = (eg_str){out, n};
    return EG_OK;
}

static eg_err value(parser *s, const eg_policy_operator *op, eg_policy_value *ret) {
    blanks(s);
    const size_t from = s->pos;
    const bool text = s->pos < s->text.len && s->text.ptr[s->pos] == '\'';
    eg_str v;
    if (text) {
        EG_TRY(quoted(s, &v));
    } else {
        while (s->pos < s->text.len && (word_byte(s->text.ptr[s->pos]) || s->text.ptr[s->pos] == '-')) {
            s->pos++;
        }
        v = (eg_str){s->text.ptr + from, s->pos - from};
    }
    if (text && op->compare != EG_COMPARE_LIKE && op->compare != EG_COMPARE_NOT_LIKE) { /* those need the backslashes to tell \\* from * */
        EG_TRY(unescape(s, v, &v));
    }
    if (!eg_policy_operator_literal(op, v, text, ret)) {
        s->pos = from;
        return expected(s, op->type == EG_VALUE_TIME ? "A time such as '2026-01-01T00:00:00Z'" : "A value of the operator's type");
    }
    return EG_OK;
}

static eg_err values(parser *s, node *n) {
    eg_policy_value found[VALUES_MAX];
    size_t count = 0;
    const bool set = take(s, "{");
    do {
        if (count == VALUES_MAX) {
            return eg_policy_refuse(s->at, s->p, "A set has at most %d values.", VALUES_MAX);
        }
        EG_TRY(value(s, n->op, &found[count]));
        count++;
    } while (set && take(s, ","));
    if (set && !take(s, "}")) {
        return expected(s, "\"}\"");
    }
    n->values = eg_arena_alloc(s->arena, count * sizeof *n->values);
    if (!n->values) {
        return eg_fail(s->p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
    }
    memcpy(n->values, found, count * sizeof *n->values);
    n->value_count = count;
    return EG_OK;
}

/* Every attribute that is known has one value, so that "any of" and "all of" on the left are the same. */
static const struct { const char *name; quantifier q; } quantifiers[] = {
    {"ForAnyOfAnyValues", ANY_VALUE}, {"ForAllOfAnyValues", ANY_VALUE}, {"ForAnyOfAllValues", ALL_VALUES}, {"ForAllOfAllValues", ALL_VALUES},
};

static eg_err comparison(parser *s, const node **ret) {
    node *n;
    eg_policy_value_type type;
    eg_policy_value_type other = EG_VALUE_NONE;
    EG_TRY(new_node(s, NODE_COMPARE, &n));
    EG_TRY(attribute(s, &n->attribute, &type));
    for (size_t i = 0; i < sizeof quantifiers / sizeof quantifiers[0]; i++) {
        if (take(s, quantifiers[i].name)) {
            n->quantifier = quantifiers[i].q;
            if (!take(s, ":")) {
                return expected(s, "\":\"");
            }
            break;
        }
    }
    blanks(s);
    const size_t at = s->pos;
    n->op = eg_policy_operator_find(word(s));
    if (!n->op || n->op->type != type) {
        s->pos = at;
        return expected(s, "An operator for the attribute's type");
    }
    blanks(s);
    if (s->pos < s->text.len && s->text.ptr[s->pos] == '@') {
        EG_TRY(attribute(s, &n->other, &other));
        if (other != type) {
            return expected(s, "An attribute of the same type");
        }
    } else {
        EG_TRY(values(s, n));
    }
    *ret = n;
    return EG_OK;
}

static eg_err braced(parser *s, eg_str *ret) {
    if (!take(s, "{")) {
        return expected(s, "\"{\"");
    }
    EG_TRY(quoted(s, ret));
    return take(s, "}") ? EG_OK : expected(s, "\"}\"");
}

static eg_err any_of(parser *s, const node **ret);

static eg_err primary(parser *s, const node **ret) {
    node *n;
    if (take(s, "(")) {
        EG_TRY(any_of(s, ret));
        return take(s, ")") ? EG_OK : expected(s, "\")\"");
    }
    if (take(s, "ActionMatches")) {
        eg_str text;
        EG_TRY(new_node(s, NODE_ACTION, &n));
        EG_TRY(braced(s, &text));
        if (eg_policy_pattern_make(s->arena, text, &n->pattern) != EG_OK) {
            return expected(s, "An action, before this, such as 'Microsoft.Storage/…/blobs/read',");
        }
        *ret = n;
        return EG_OK;
    }
    if (take(s, "SubOperationMatches")) {
        EG_TRY(new_node(s, NODE_SUB_OPERATION, &n));
        EG_TRY(braced(s, &n->text));
        *ret = n;
        return EG_OK;
    }
    if (take(s, "Exists")) {
        eg_policy_value_type type;
        EG_TRY(new_node(s, NODE_EXISTS, &n));
        EG_TRY(attribute(s, &n->attribute, &type));
        *ret = n;
        return EG_OK;
    }
    return comparison(s, ret);
}

static eg_err unary(parser *s, const node **ret) {
    if (!take(s, "!") && !take(s, "NOT")) {
        return primary(s, ret);
    }
    node *n;
    if (++s->depth > DEPTH_MAX) {
        return eg_policy_refuse(s->at, s->p, "A condition is nested at most %d deep.", DEPTH_MAX);
    }
    EG_TRY(new_node(s, NODE_NOT, &n));
    EG_TRY(unary(s, &n->one));
    s->depth--;
    *ret = n;
    return EG_OK;
}

static eg_err join(parser *s, node_kind kind, const node **left, eg_err (*next)(parser *s, const node **ret)) {
    node *n;
    EG_TRY(new_node(s, kind, &n));
    n->one = *left;
    EG_TRY(next(s, &n->two));
    *left = n;
    return EG_OK;
}

static eg_err all_of(parser *s, const node **ret) {
    const node *left = NULL;
    EG_TRY(unary(s, &left));
    while (take(s, "&&") || take(s, "AND")) {
        EG_TRY(join(s, NODE_AND, &left, unary));
    }
    *ret = left;
    return EG_OK;
}

static eg_err any_of(parser *s, const node **ret) {
    const node *left = NULL;
    if (++s->depth > DEPTH_MAX) {
        return eg_policy_refuse(s->at, s->p, "A condition is nested at most %d deep.", DEPTH_MAX);
    }
    EG_TRY(all_of(s, &left));
    while (take(s, "||") || take(s, "OR")) {
        EG_TRY(join(s, NODE_OR, &left, all_of));
    }
    s->depth--;
    *ret = left;
    return EG_OK;
}

eg_err eg_policy_condition_compile(eg_arena *a, const eg_policy_at *at, eg_str text, const eg_policy_condition **ret, eg_problem *p) {
    if (text.len > TEXT_MAX) {
        return eg_policy_refuse(at, p, "A condition has at most %d bytes.", TEXT_MAX);
    }
    eg_policy_condition *c = eg_arena_alloc(a, sizeof *c);
    const eg_str kept = eg_arena_str(a, text);
    if (!c || !kept.ptr) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "The policies don't fit into the memory that is set aside for them.");
    }
    parser s = {.arena = a, .at = at, .p = p, .text = kept};
    c->text = kept;
    EG_TRY(any_of(&s, &c->root));
    blanks(&s);
    if (s.pos != kept.len) {
        return expected(&s, "The end, AND or OR");
    }
    *ret = c;
    return EG_OK;
}

eg_str eg_policy_condition_text(const eg_policy_condition *c) { return c->text; }

/* false: the request has no such attribute. */
static bool look_up(eg_policy_attribute id, const eg_access *a, eg_policy_value *ret) {
    const eg_policy_value texts[EG_ATTRIBUTE_COUNT] = {
        [EG_ATTRIBUTE_ACCOUNT] = {EG_VALUE_TEXT, a->account, 0},   [EG_ATTRIBUTE_CONTAINER] = {EG_VALUE_TEXT, a->container, 0},
        [EG_ATTRIBUTE_PATH] = {EG_VALUE_TEXT, a->path, 0},         [EG_ATTRIBUTE_SCOPE] = {EG_VALUE_TEXT, a->encryption_scope, 0},
        [EG_ATTRIBUTE_PREFIX] = {EG_VALUE_TEXT, a->prefix, 0},     [EG_ATTRIBUTE_SUBNET] = {EG_VALUE_TEXT, a->subnet, 0},
    };
    if (id == EG_ATTRIBUTE_NOW) {
        *ret = (eg_policy_value){EG_VALUE_TIME, {NULL, 0}, a->now_ns};
        return a->now_ns > 0;
    }
    if (id == EG_ATTRIBUTE_HNS || id == EG_ATTRIBUTE_PRIVATE_LINK) { /* every account here is hierarchical; there are no private links */
        *ret = (eg_policy_value){EG_VALUE_BOOL, {NULL, 0}, id == EG_ATTRIBUTE_HNS};
        return id == EG_ATTRIBUTE_PRIVATE_LINK || a->account.ptr != NULL;
    }
    *ret = texts[id];
    return ret->text.ptr != NULL;
}

static eg_policy_truth of(bool b) { return b ? EG_TRUTH_TRUE : EG_TRUTH_FALSE; }

/* What is asked, and how much may still be done for it. */
typedef struct asked {
    const eg_access *a;
    size_t *left;
} asked;

bool eg_policy_work_spend(size_t *left, size_t work) {
    const bool enough = work <= *left;
    *left = enough ? *left - work : 0;
    return enough;
}

static bool spend(const asked *q, size_t work) { return eg_policy_work_spend(q->left, work); }

/* A pattern that goes on behind a star may be tried at each place of the text. */
static size_t work_of(const eg_policy_operator *op, eg_str text, eg_str with) {
    const bool like = with.len > 0 && (op->compare == EG_COMPARE_LIKE || op->compare == EG_COMPARE_NOT_LIKE);
    const char *star = like ? memchr(with.ptr, '*', with.len) : NULL;
    return 1 + text.len * (star && star + 1 < with.ptr + with.len ? with.len : 1);
}

static eg_policy_truth compare(const node *n, const asked *q) {
    eg_policy_value left;
    eg_policy_value right;
    if (!look_up(n->attribute, q->a, &left)) {
        return EG_TRUTH_UNKNOWN;
    }
    if (n->other != EG_ATTRIBUTE_NONE) {
        const bool known = look_up(n->other, q->a, &right) && spend(q, work_of(n->op, left.text, right.text));
        return known ? of(eg_policy_operator_compare(n->op, &left, &right)) : EG_TRUTH_UNKNOWN;
    }
    bool all = true, any = false;
    for (size_t i = 0; i < n->value_count; i++) {
        if (!spend(q, work_of(n->op, left.text, n->values[i].text))) {
            return EG_TRUTH_UNKNOWN;
        }
        const bool fits = eg_policy_operator_compare(n->op, &left, &n->values[i]);
        all = all && fits;
        any = any || fits;
    }
    return of(n->quantifier == ALL_VALUES ? all : any);
}

static eg_policy_truth holds(const node *n, const asked *q) {
    eg_policy_value unused;
    switch (n->kind) {
    case NODE_AND: {
        const eg_policy_truth one = holds(n->one, q);
        if (one == EG_TRUTH_FALSE) {
            return one;
        }
        const eg_policy_truth two = holds(n->two, q);
        return two == EG_TRUTH_FALSE ? two : one == EG_TRUTH_TRUE ? two : EG_TRUTH_UNKNOWN;
    }
    case NODE_OR: {
        const eg_policy_truth one = holds(n->one, q);
        if (one == EG_TRUTH_TRUE) {
            return one;
        }
        const eg_policy_truth two = holds(n->two, q);
        return two == EG_TRUTH_TRUE ? two : one == EG_TRUTH_FALSE ? two : EG_TRUTH_UNKNOWN;
    }
    case NODE_NOT: {
        const eg_policy_truth one = holds(n->one, q);
        return one == EG_TRUTH_UNKNOWN ? one : of(one == EG_TRUTH_FALSE);
    }
    case NODE_ACTION: return spend(q, 1 + q->a->action.len) ? of(eg_policy_pattern_matches(&n->pattern, q->a->action)) : EG_TRUTH_UNKNOWN;
    case NODE_SUB_OPERATION: return spend(q, 1) ? of(eg_str_ieq(n->text, q->a->sub_operation)) : EG_TRUTH_UNKNOWN;
    case NODE_EXISTS: return spend(q, 1) ? of(look_up(n->attribute, q->a, &unused)) : EG_TRUTH_UNKNOWN;
    case NODE_COMPARE: return compare(n, q);
    }
    return EG_TRUTH_UNKNOWN;
}

eg_policy_truth eg_policy_condition_holds_within(const eg_policy_condition *c, const eg_access *a, size_t *left) {
    const asked q = {a, left};
    return c ? holds(c->root, &q) : EG_TRUTH_TRUE;
}

eg_policy_truth eg_policy_condition_holds(const eg_policy_condition *c, const eg_access *a) {
    size_t left = EG_CONDITION_WORK_MAX;
    return eg_policy_condition_holds_within(c, a, &left);
}

static eg_err each(const node *n, eg_err (*fn)(void *ctx, const eg_policy_term *term), void *ctx) {
    eg_policy_term t = {.attribute = n->attribute, .other = n->other, .op = n->op};
    switch (n->kind) {
    case NODE_AND:
    case NODE_OR:
        EG_TRY(each(n->one, fn, ctx));
        return each(n->two, fn, ctx);
    case NODE_NOT: return each(n->one, fn, ctx);
    case NODE_ACTION: t.action = &n->pattern; break;
    case NODE_SUB_OPERATION: t.sub_operation = n->text; break;
    case NODE_EXISTS: break;
    case NODE_COMPARE:
        for (size_t i = 0; i < n->value_count; i++) {
            t.value = &n->values[i];
            EG_TRY(fn(ctx, &t));
        }
        return n->value_count ? EG_OK : fn(ctx, &t);
    }
    return fn(ctx, &t);
}

eg_err eg_policy_condition_each(const eg_policy_condition *c, eg_err (*fn)(void *ctx, const eg_policy_term *term), void *ctx) {
    return c ? each(c->root, fn, ctx) : EG_OK;
}
