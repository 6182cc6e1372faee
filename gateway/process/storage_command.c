/* `embergate storage`: its verbs. */
#include "init.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *verb;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"check", eg_command_storage_check},
    {"scope", eg_command_storage_scope},
    {"account", eg_command_storage_account},
};

int eg_command_storage(int argc, char **argv) {
    eg_problem p = {0};
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].verb, argv[1]) == 0) {
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    (void)eg_fail(&p, EG_ERR_INVALID, "storage: `check`, `scope` or `account` is owed");
    (void)eg_fail_hint(&p, "see: embergate storage --help");
    return eg_process_complain(&p);
}
