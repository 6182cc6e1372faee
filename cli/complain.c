/* How commands speak to a person: complaints, usage errors, JSON, and text from outside made harmless. */
#include "cli.h"

#include <stdarg.h>

int eg_cli_complain(const eg_problem *p) {
    fprintf(stderr, "embergate: ");
    eg_cli_put_inert(stderr, eg_str_of(p->message[0] ? p->message : eg_err_code(p->code)));
    if (p->where[0]) {
        fputs(" (", stderr);
        eg_cli_put_inert(stderr, eg_str_of(p->where));
        fputc(')', stderr);
    }
    if (p->hint[0]) {
        fputs("\n  ", stderr);
        eg_cli_put_inert(stderr, eg_str_of(p->hint));
    }
    fputc('\n', stderr);
    bool mistake = p->code == EG_ERR_INVALID || p->code == EG_ERR_CONFIG || p->code == EG_ERR_POLICY_INVALID;
    return mistake ? EG_EXIT_USAGE : EG_EXIT_FAILED;
}

int eg_cli_usage(const char *command, const char *fmt, ...) {
    va_list ap;
    fprintf(stderr, "embergate %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n  see: embergate %s --help\n", command);
    return EG_EXIT_USAGE;
}

void eg_cli_print_json(const json_t *v) {
    json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

void eg_cli_put_inert(FILE *to, eg_str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        /* C0, DEL and the two-byte forms of C1 (U+0080 to U+009F) can steer a terminal. */
        bool c1 = c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] >= 0x80 && (unsigned char)text.ptr[i + 1] < 0xa0;
        if (c1) {
            i++;
        }
        fputc((c < 0x20 && c != '\t') || c == 0x7f || c1 ? '?' : c, to);
    }
}
