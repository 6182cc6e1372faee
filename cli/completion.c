/* `embergate completion`: a bash completion made from the command tables and their help texts. */
#include "cli.h"

static void print_names(const eg_command *commands, size_t n) {
    for (size_t i = 0; i < n; i++) {
        printf("%s ", commands[i].name);
    }
}

/* The options of a command are the words of its help that begin with two dashes. */
static void print_options(const eg_command *c) {
    printf("    %s) words='--help", c->name);
    for (const char *at = c->help; (at = strstr(at, "--")) != NULL;) {
        size_t n = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        if (n > 3) {
            printf(" %.*s", (int)n, at);
        }
        at += n;
    }
    puts("' ;;");
}

int eg_cli_completion(int argc, char **argv) {
    (void)argc;
    (void)argv;
    printf("_embergate() {\n  local words\n  case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; i < eg_cli_command_count; i++) {
        print_options(&eg_cli_commands[i]);
    }
    for (size_t i = 0; i < eg_process_command_count; i++) {
        print_options(&eg_process_commands[i]);
    }
    printf("  esac\n  [ \"$COMP_CWORD\" = 1 ] && words='");
    print_names(eg_cli_commands, eg_cli_command_count);
    print_names(eg_process_commands, eg_process_command_count);
    printf("help'\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
           "  [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n"
           "complete -F _embergate embergate\n");
    return EG_EXIT_OK;
}
