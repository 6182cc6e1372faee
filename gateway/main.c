/* The one binary: finds the subcommand in the tables and runs it. */
#include <embergate/cli.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const eg_command *find(const eg_command *commands, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void list(FILE *to, const char *title, const eg_command *commands, size_t n) {
    fprintf(to, "\n%s\n", title);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
    }
}

static void print_help(FILE *to) {
    fputs("embergate " EG_VERSION ": a secure gateway and storage access layer for Apache Spark\n\nusage: embergate COMMAND [OPTIONS]\n", to);
    list(to, "For people who use a gateway:", eg_cli_commands, eg_cli_command_count);
    list(to, "For people who run one:", eg_process_commands, eg_process_command_count);
    fputs("\n`embergate COMMAND --help` tells a command's options.\n", to);
}

int main(int argc, char **argv) {
    (void)signal(SIGPIPE, SIG_IGN);
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "") == 0 || strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(argc > 1 ? stdout : stderr);
        return argc > 1 ? 0 : 2;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        puts("embergate " EG_VERSION);
        return 0;
    }
    const eg_command *c = find(eg_cli_commands, eg_cli_command_count, name);
    c = c ? c : find(eg_process_commands, eg_process_command_count, name);
    if (!c) {
        fprintf(stderr, "embergate: there is no command '%s'\n  see: embergate --help\n", name);
        return 2;
    }
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        /* Behind the first operand of submit stand the job's own arguments, --help among them. */
        if (argv[i][0] != '-' && strcmp(name, "submit") == 0) {
            break;
        }
        if (strcmp(argv[i], "--help") == 0) {
            fputs(c->help, stdout);
            return 0;
        }
    }
    return c->run(argc - 1, argv + 1);
}
