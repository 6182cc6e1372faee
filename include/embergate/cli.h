/* The commands of the embergate binary as `main` sees them. cli/ implements those for people, gateway/process those that serve. */
#ifndef EMBERGATE_CLI_H
#define EMBERGATE_CLI_H

#include <embergate/err.h>

typedef struct eg_command {
    const char *name;
    const char *summary;               /* one line for the list */
    const char *help;                  /* whole text of --help, begins with "usage: embergate NAME" */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; gives the exit status: 0, 1 failed, 2 usage or configuration */
} eg_command;

extern const eg_command eg_cli_commands[];
extern const size_t eg_cli_command_count;

/* gateway/process: serve, init, stop, config, principal. */
extern const eg_command eg_process_commands[];
extern const size_t eg_process_command_count;

#endif
