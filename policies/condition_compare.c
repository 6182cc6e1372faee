/* The comparisons of conditions: operators by name, and what each says of two values. */
#include "condition.h"

#include <embergate/clock.h>

static const eg_policy_operator operators[] = {
    {"StringEquals", EG_COMPARE_EQUALS, EG_VALUE_TEXT, false},
    {"StringEqualsIgnoreCase", EG_COMPARE_EQUALS, EG_VALUE_TEXT, true},
    {"StringNotEquals", EG_COMPARE_NOT_EQUALS, EG_VALUE_TEXT, false},
    {"StringNotEqualsIgnoreCase", EG_COMPARE_NOT_EQUALS, EG_VALUE_TEXT, true},
    {"StringStartsWith", EG_COMPARE_STARTS, EG_VALUE_TEXT, false},
    {"StringStartsWithIgnoreCase", EG_COMPARE_STARTS, EG_VALUE_TEXT, true},
    {"StringNotStartsWith", EG_COMPARE_NOT_STARTS, EG_VALUE_TEXT, false},
    {"StringNotStartsWithIgnoreCase", EG_COMPARE_NOT_STARTS, EG_VALUE_TEXT, true},
    {"StringLike", EG_COMPARE_LIKE, EG_VALUE_TEXT, false},
    {"StringLikeIgnoreCase", EG_COMPARE_LIKE, EG_VALUE_TEXT, true},
    {"StringNotLike", EG_COMPARE_NOT_LIKE, EG_VALUE_TEXT, false},
    {"StringNotLikeIgnoreCase", EG_COMPARE_NOT_LIKE, EG_VALUE_TEXT, true},
    {"NumericEquals", EG_COMPARE_EQUALS, EG_VALUE_NUMBER, false},
    {"NumericNotEquals", EG_COMPARE_NOT_EQUALS, EG_VALUE_NUMBER, false},
    {"NumericLessThan", EG_COMPARE_LESS, EG_VALUE_NUMBER, false},
    {"NumericLessThanEquals", EG_COMPARE_LESS_EQUALS, EG_VALUE_NUMBER, false},
    {"NumericGreaterThan", EG_COMPARE_GREATER, EG_VALUE_NUMBER, false},
    {"NumericGreaterThanEquals", EG_COMPARE_GREATER_EQUALS, EG_VALUE_NUMBER, false},
    {"DateTimeEquals", EG_COMPARE_EQUALS, EG_VALUE_TIME, false},
    {"DateTimeNotEquals", EG_COMPARE_NOT_EQUALS, EG_VALUE_TIME, false},
    {"DateTimeLessThan", EG_COMPARE_LESS, EG_VALUE_TIME, false},
    {"DateTimeLessThanEquals", EG_COMPARE_LESS_EQUALS, EG_VALUE_TIME, false},
    {"DateTimeGreaterThan", EG_COMPARE_GREATER, EG_VALUE_TIME, false},
    {"DateTimeGreaterThanEquals", EG_COMPARE_GREATER_EQUALS, EG_VALUE_TIME, false},
    {"BoolEquals", EG_COMPARE_EQUALS, EG_VALUE_BOOL, false},
    {"BoolNotEquals", EG_COMPARE_NOT_EQUALS, EG_VALUE_BOOL, false},
    {"GuidEquals", EG_COMPARE_EQUALS, EG_VALUE_GUID, false},
    {"GuidNotEquals", EG_COMPARE_NOT_EQUALS, EG_VALUE_GUID, false},
};

const eg_policy_operator *eg_policy_operator_find(eg_str name) {
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (eg_str_ieq(name, eg_str_of(operators[i].name))) {
            return &operators[i];
        }
    }
    return NULL;
}

bool eg_policy_operator_literal(const eg_policy_operator *op, eg_str text, bool quoted, eg_policy_value *ret) {
    eg_policy_value v = {.type = op->type, .text = text};
    eg_policy_guid id;
    switch (op->type) {
    case EG_VALUE_TEXT:
        if (!quoted) {
            return false;
        }
        break;
    case EG_VALUE_GUID:
        if (!quoted || eg_policy_guid_parse(text, &id) != EG_OK) {
            return false;
        }
        break;
    case EG_VALUE_TIME:
        if (!quoted || eg_time_parse_rfc3339(text, &v.number) != EG_OK) {
            return false;
        }
        break;
    case EG_VALUE_BOOL: /* Azure takes both true and 'true' */
        if (!eg_str_ieq(text, EG_LIT("true")) && !eg_str_ieq(text, EG_LIT("false"))) {
            return false;
        }
        v.number = eg_str_ieq(text, EG_LIT("true"));
        break;
    case EG_VALUE_NUMBER: {
        uint64_t n;
        const bool minus = text.len > 0 && text.ptr[0] == '-';
        const eg_str digits = minus ? (eg_str){text.ptr + 1, text.len - 1} : text;
        if (eg_str_u64(digits, INT64_MAX, &n) != EG_OK) {
            return false;
        }
        v.number = minus ? -(int64_t)n : (int64_t)n;
        break;
    }
    case EG_VALUE_NONE:
        return false;
    }
    *ret = v;
    return true;
}

static char fold(char c, bool ignore_case) {
    return ignore_case && c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool starts(eg_str s, eg_str with, bool ignore_case) {
    if (s.len < with.len) {
        return false;
    }
    for (size_t i = 0; i < with.len; i++) {
        if (fold(s.ptr[i], ignore_case) != fold(with.ptr[i], ignore_case)) {
            return false;
        }
    }
    return true;
}

/* One element of a pattern at `at`: a star, a question mark, or a byte; a backslash takes the next byte as it is. */
static char element(eg_str pattern, size_t at, size_t *ret_len, bool *ret_wild) {
    const bool escaped = pattern.ptr[at] == '\\' && at + 1 < pattern.len;
    *ret_len = escaped ? 2 : 1;
    *ret_wild = !escaped && (pattern.ptr[at] == '*' || pattern.ptr[at] == '?');
    return pattern.ptr[at + escaped];
}

/* Goes back to the last star only: at most pattern × text steps. */
static bool like(eg_str s, eg_str pattern, bool ignore_case) {
    size_t p = 0, i = 0, star = SIZE_MAX, resume = 0;
    while (i < s.len) {
        size_t len = 0;
        bool wild = false;
        const char c = p < pattern.len ? element(pattern, p, &len, &wild) : '\0';
        if (p < pattern.len && wild && c == '*') {
            star = p += len;
            resume = i;
        } else if (p < pattern.len && ((wild && c == '?') || (!wild && fold(c, ignore_case) == fold(s.ptr[i], ignore_case)))) {
            p += len;
            i++;
        } else if (star != SIZE_MAX) {
            p = star;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static bool same(const eg_policy_operator *op, const eg_policy_value *a, const eg_policy_value *b) {
    if (op->type == EG_VALUE_TEXT) {
        return a->text.len == b->text.len && starts(a->text, b->text, op->ignore_case);
    }
    return op->type == EG_VALUE_GUID ? eg_str_ieq(a->text, b->text) : a->number == b->number;
}

bool eg_policy_operator_compare(const eg_policy_operator *op, const eg_policy_value *left, const eg_policy_value *right) {
    switch (op->compare) {
    case EG_COMPARE_EQUALS: return same(op, left, right);
    case EG_COMPARE_NOT_EQUALS: return !same(op, left, right);
    case EG_COMPARE_STARTS: return starts(left->text, right->text, op->ignore_case);
    case EG_COMPARE_NOT_STARTS: return !starts(left->text, right->text, op->ignore_case);
    case EG_COMPARE_LIKE: return like(left->text, right->text, op->ignore_case);
    case EG_COMPARE_NOT_LIKE: return !like(left->text, right->text, op->ignore_case);
    case EG_COMPARE_LESS: return left->number < right->number;
    case EG_COMPARE_LESS_EQUALS: return left->number <= right->number;
    case EG_COMPARE_GREATER: return left->number > right->number;
    case EG_COMPARE_GREATER_EQUALS: return left->number >= right->number;
    case EG_COMPARE_NONE: break;
    }
    return false;
}
