/* Permissions and access control lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "permissions.h"

static void modes(void **state) {
    (void)state;
    const struct {
        const char *text;
        uint16_t mode;
        const char *back;
    } good[] = {
        {"0644", 0644, "rw-r--r--"}, {"750", 0750, "rwxr-x---"}, {"rwxr-x---", 0750, "rwxr-x---"}, {"1777", 01777, "rwxrwxrwt"},
        {"rwxrwxrwt", 01777, "rwxrwxrwt"}, {"rwxrwxrwT", 01776, "rwxrwxrwT"}, {"---------+", 0, "---------"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint16_t mode = 1;
        char text[EG_PERMISSIONS_LEN];
        assert_int_equal(eg_permissions_parse(eg_str_of(good[i].text), &mode), EG_OK);
        assert_int_equal(mode, good[i].mode);
        eg_permissions_text(mode, text);
        assert_string_equal(text, good[i].back);
    }
    const char *const bad[] = {"", "8", "648", "2777", "07777", "rwxr-x--", "wrxr-x---", "rwxr-x---++", "rwxr-x--z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint16_t mode = 7;
        assert_int_equal(eg_permissions_parse(eg_str_of(bad[i]), &mode), EG_ERR_HTTP_HEADER);
        assert_int_equal(mode, 7);
    }
}

static void lists(void **state) {
    (void)state;
    char acl[EG_PERMISSIONS_ACL_LEN];
    eg_permissions_acl(01751, acl);
    assert_string_equal(acl, "user::rwx,group::r-x,other::--x");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(modes), cmocka_unit_test(lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
