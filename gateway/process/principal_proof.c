/* What a local principal proves itself by besides its secret, given to a running server: a password, public keys. */
#include "init.h"

#include "../identity/local_principal.h"
#include "admin_protocol.h"

#include <embergate/durable_file.h>
#include <embergate/json.h>
#include <embergate/secret.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES (EG_PASSWORD_MAX + 2)
#define PUBLIC_KEY_MAX ((size_t)65536)

static volatile sig_atomic_t interrupted; /* the signal that came while a terminal was quiet */

static void on_signal(int signal) { interrupted = signal; }

/* One line; its end is not part of it. A byte at a time, so that nothing of it stays in a buffer of stdio's. */
static eg_err read_line(char *to, size_t cap, size_t *ret_n, eg_problem *p) {
    size_t n = 0;
    ssize_t got = 1;
    while (n < cap && (got = read(STDIN_FILENO, to + n, 1)) == 1 && to[n] != '\n') {
        n++;
    }
    if (n == cap || got < 0) {
        return eg_fail(p, EG_ERR_INVALID, "the password can't be read, or is longer than %zu bytes", EG_PASSWORD_MAX);
    }
    *ret_n = n > 0 && to[n - 1] == '\r' ? n - 1 : n;
    return EG_OK;
}

/* Whoever is interrupted gets the terminal back with its echo first. */
static eg_err prompt(const char *text, char *to, size_t *ret_n, eg_problem *p) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction catching = {.sa_handler = on_signal}, before[sizeof signals / sizeof signals[0]];
    struct termios loud, quiet;
    if (tcgetattr(STDIN_FILENO, &loud) != 0) {
        return eg_fail(p, EG_ERR_INVALID, "the terminal can't be told to be quiet; give the password by a pipe");
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)sigaction(signals[i], &catching, &before[i]);
    }
    quiet = loud;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
    /* Quiet before it asks: what is typed from then on is neither shown nor thrown away. */
    const bool is_quiet = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    fputs(is_quiet ? text : "", stderr);
    eg_err e = is_quiet ? read_line(to, LINE_MAX_BYTES, ret_n, p) : eg_fail(p, EG_ERR_INVALID, "the terminal can't be told to be quiet");
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &loud);
    fputc('\n', stderr);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)sigaction(signals[i], &before[i], NULL);
    }
    if (interrupted) {
        eg_cleanse(to, LINE_MAX_BYTES);
        (void)raise(interrupted);
        return eg_fail(p, EG_ERR_CANCELLED, "interrupted; nothing was changed");
    }
    return e;
}

static eg_err read_password(char *to, size_t *ret_n, eg_problem *p) {
    char again[LINE_MAX_BYTES];
    size_t n = 0;
    if (!isatty(STDIN_FILENO)) {
        return read_line(to, LINE_MAX_BYTES, ret_n, p);
    }
    EG_TRY(prompt("New password: ", to, ret_n, p));
    eg_err e = prompt("Once more: ", again, &n, p);
    if (e == EG_OK && (n != *ret_n || memcmp(again, to, n) != 0)) {
        e = eg_fail(p, EG_ERR_INVALID, "the two differ; nothing was changed");
    }
    eg_cleanse(again, sizeof again);
    return e;
}

static eg_err ask(const eg_new_principal *n, const char *act, eg_str proof, eg_buf *ret, eg_problem *p) {
    const eg_admin_call call = {n->state_dir, EG_ADMIN_MSG_PRINCIPAL_PROOF, {eg_str_of(n->tenant), eg_str_of(act), eg_str_of(n->name), proof}, 4, 0};
    return eg_admin_ask(&call, ret, p);
}

static eg_err set_password(const eg_new_principal *n, eg_problem *p) {
    char password[LINE_MAX_BYTES];
    size_t len = 0;
    eg_err e = read_password(password, &len, p);
    e = e == EG_OK ? ask(n, "password", (eg_str){password, len}, NULL, p) : e;
    eg_cleanse(password, sizeof password);
    return e;
}

static eg_err change_key(const eg_new_principal *n, const char *act, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf pem;
    eg_buf_init(&pem, PUBLIC_KEY_MAX);
    if (strcmp(act, "remove-key") == 0) {
        EG_TRY(n->key_digest ? ask(n, act, eg_str_of(n->key_digest), NULL, p) : eg_fail(p, EG_ERR_INVALID, "--key with the digest that `list` shows is owed"));
    } else {
        EG_TRY(n->public_key ? eg_file_read(AT_FDCWD, n->public_key, PUBLIC_KEY_MAX, &pem, p) : eg_fail(p, EG_ERR_INVALID, "--public-key with a PEM file is owed"));
        EG_TRY(ask(n, act, eg_buf_str(&pem), NULL, p));
    }
    printf("%s: %s\n", act, n->name);
    return EG_OK;
}

eg_err eg_principal_proof(const eg_new_principal *n, const char *act, eg_problem *p) {
    if (strcmp(act, "password") == 0) {
        EG_TRY(n->drop ? ask(n, "password-drop", EG_LIT(""), NULL, p) : set_password(n, p));
        printf("%s: %s\n", n->name, n->drop ? "has no password any more" : "has a new password");
        return EG_OK;
    }
    return change_key(n, act, p);
}
