/* The classes of texts under random patterns, against every short text tried one by one. */
#include <stdio.h>
#include <stdlib.h>

#include "policy_text.h"

#include "condition.h"
#include "text_classes.h"

static uint64_t seed = 11;

static unsigned pick(unsigned n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((seed >> 33) % n);
}

static bool matches(const eg_text_pattern *p, eg_str s) {
    const char *op = p->form == EG_TEXT_EXACT ? (p->ignore_case ? "StringEqualsIgnoreCase" : "StringEquals")
                     : p->form == EG_TEXT_PREFIX ? (p->ignore_case ? "StringStartsWithIgnoreCase" : "StringStartsWith")
                                                 : (p->ignore_case || p->form == EG_TEXT_ACTION ? "StringLikeIgnoreCase" : "StringLike");
    const eg_policy_value left = {EG_VALUE_TEXT, s, 0}, right = {EG_VALUE_TEXT, p->text, 0};
    return eg_policy_operator_compare(eg_policy_operator_find(eg_str_of(op)), &left, &right);
}

static unsigned set_of(const eg_text_pattern *patterns, size_t n, eg_str s) {
    unsigned set = 0;
    for (size_t i = 0; i < n; i++) {
        set |= (unsigned)matches(&patterns[i], s) << i;
    }
    return set;
}

/* All texts of 1 to 6 letters: every set of patterns that one of them matches has an example, and no example is of a set twice. */
static void all_found(void **state) {
    (void)state;
    static const char letters[] = "abA";
    for (int round = 0; round < 200; round++) {
        char texts[5][8];
        eg_text_pattern patterns[5];
        const size_t n = 1 + pick(5);
        for (size_t i = 0; i < n; i++) {
            const unsigned len = pick(6);
            const eg_text_form form = (eg_text_form)pick(4);
            for (unsigned k = 0; k < len; k++) {
                texts[i][k] = form == EG_TEXT_LIKE ? "ab*?A\\"[pick(5)] : form == EG_TEXT_ACTION ? "ab*"[pick(3)] : letters[pick(3)];
            }
            texts[i][len] = '\0';
            patterns[i] = (eg_text_pattern){{texts[i], len}, form, pick(2)};
        }
        eg_arena *arena = eg_arena_new(1 << 22);
        eg_text_classes found;
        bool seen[32] = {false};
        assert_int_equal(eg_text_classes_of(arena, patterns, n, letters, 5000, &found), EG_OK);
        for (size_t i = 0; i < found.n; i++) {
            const unsigned set = set_of(patterns, n, found.v[i]);
            assert_true(found.v[i].len > 0);
            assert_false(seen[set]);
            seen[set] = true;
        }
        for (unsigned len = 1, all = 3; len <= 6; len++, all *= 3) {
            for (unsigned k = 0; k < all; k++) {
                char s[8];
                for (unsigned i = 0, v = k; i < len; i++, v /= 3) {
                    s[i] = letters[v % 3];
                }
                assert_true(seen[set_of(patterns, n, (eg_str){s, len})]);
            }
        }
        eg_arena_free(arena);
    }
}

static void too_many(void **state) {
    (void)state;
    const eg_text_pattern patterns[] = {{EG_LIT("*a????????"), EG_TEXT_LIKE, false}, {EG_LIT("*b????????"), EG_TEXT_LIKE, false}};
    eg_arena *arena = eg_arena_new(1 << 22);
    eg_text_classes found = {0};
    assert_int_equal(eg_text_classes_of(arena, patterns, 2, "abc", 500, &found), EG_ERR_LIMIT);
    assert_int_equal(found.n, 0);
    eg_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_found), cmocka_unit_test(too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
