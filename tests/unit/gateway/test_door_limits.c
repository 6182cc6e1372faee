/* The table of bounds: docs/DOOR.md says what the code does. */
#include "door/door_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs setjmp.h and stdarg.h first */
#include <cmocka.h>

static char doc[256 * 1024];

static int load(void **state) {
    (void)state;
    FILE *file = fopen(EG_DOOR_DOC, "r");
    assert_non_null(file);
    size_t n = fread(doc, 1, sizeof doc - 1, file);
    assert_true(n > 0 && n < sizeof doc - 1);
    assert_int_equal(fclose(file), 0);
    return 0;
}

static void test_every_limit_is_documented(void **state) {
    (void)state;
#define X(field, value, unit, meaning)                                               \
    if (strstr(doc, "\n| `" #field "` | " #value " | " unit " | " meaning " |\n") == NULL) { \
        fail_msg("DOOR.md lacks the row of %s", #field);                             \
    }
    EG_DOOR_LIMIT_LIST(X)
#undef X
}

static void test_nothing_else_is_documented(void **state) {
    (void)state;
    size_t rows = 0;
    size_t limits = 0;
#define X(field, value, unit, meaning) limits++;
    EG_DOOR_LIMIT_LIST(X)
#undef X
    const char *p = strstr(doc, "| Limit | Default | Unit |");
    assert_non_null(p);
    for (p = strchr(strchr(p, '\n') + 1, '\n'); p != NULL && strncmp(p, "\n| `", 4) == 0; p = strchr(p + 1, '\n')) {
        rows++;
    }
    assert_int_equal(rows, limits);
}

static void test_defaults(void **state) {
    (void)state;
    const eg_door_limits l = EG_DOOR_LIMITS_DEFAULT;
#define X(field, value, unit, meaning) assert_int_equal(l.field, value);
    EG_DOOR_LIMIT_LIST(X)
#undef X
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_limit_is_documented),
        cmocka_unit_test(test_nothing_else_is_documented),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
