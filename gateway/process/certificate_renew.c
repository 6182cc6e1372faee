/* `embergate certificate renew`: a new server key and certificate, for the same names, from the CA of the state directory. */
#include "init.h"

#include "certificate_authority.h"
#include "state_dir.h"

#include <embergate/durable_file.h>
#include <embergate/secret.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX 65536
#define NAMES_MAX 64

typedef struct name_list {
    char text[NAMES_MAX][256];
    const char *names[NAMES_MAX + 1];
    size_t count;
} name_list;

static bool add_name(name_list *l, const GENERAL_NAME *n) {
    char *to = l->text[l->count];
    bool ok = false;
    if (n->type == GEN_DNS) {
        int len = ASN1_STRING_length(n->d.dNSName);
        ok = len > 0 && len < (int)sizeof l->text[0];
        memcpy(to, ASN1_STRING_get0_data(n->d.dNSName), ok ? (size_t)len : 0);
    } else if (n->type == GEN_IPADD) {
        int len = ASN1_STRING_length(n->d.iPAddress);
        ok = (len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(n->d.iPAddress), to, sizeof l->text[0]);
    }
    l->names[l->count] = to;
    l->count += ok;
    return ok;
}

/* RFC 5280 section 4.2.1.6. Names of other kinds than init gives are refused: they would silently be lost. */
static eg_err names_of(eg_str pem, name_list *ret, eg_problem *p) {
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
    int n = names ? sk_GENERAL_NAME_num(names) : 0;
    bool ok = n > 0 && n <= NAMES_MAX;
    for (int i = 0; ok && i < n; i++) {
        ok = add_name(ret, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    X509_free(cert);
    BIO_free(in);
    return ok ? EG_OK : eg_fail(p, EG_ERR_INVALID, "tls/server.pem can't be read, or has names that embergate doesn't make");
}

/* Under a name beside the old file and with its owner first, so that the gateway finds either file whole and readable. */
static eg_err replace_as_before(const char *path, mode_t mode, eg_bytes content, eg_problem *p) {
    char next[EG_STATE_PATH_MAX];
    struct stat st;
    if (stat(path, &st) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "'%s' is not there", path);
    }
    if (snprintf(next, sizeof next, "%s.next", path) >= (int)sizeof next) {
        return eg_fail(p, EG_ERR_LIMIT, "the path of the state directory is too long");
    }
    EG_TRY(eg_file_replace(AT_FDCWD, next, mode, content, p));
    if (lchown(next, st.st_uid, st.st_gid) != 0 || rename(next, path) != 0) {
        eg_err e = eg_fail(p, eg_err_from_errno(errno), "'%s' can't be replaced", path);
        (void)unlink(next);
        return e;
    }
    return EG_OK;
}

typedef struct paths {
    char ca_key[EG_STATE_PATH_MAX], ca[EG_STATE_PATH_MAX], chain[EG_STATE_PATH_MAX], key[EG_STATE_PATH_MAX];
} paths;

static eg_err find_files(const char *state, paths *ret, eg_problem *p) {
    EG_TRY(eg_state_check(state, p));
    EG_TRY(eg_state_path(state, "ca/ca.key", ret->ca_key, p));
    EG_TRY(eg_state_path(state, "ca/ca.pem", ret->ca, p));
    EG_TRY(eg_state_path(state, "tls/server.pem", ret->chain, p));
    return eg_state_path(state, "tls/server.key", ret->key, p);
}

static eg_err issue_and_replace(const paths *files, eg_buf pem[4], eg_problem *p) {
    static name_list names;
    EG_TRY(eg_file_read(AT_FDCWD, files->ca_key, PEM_MAX, &pem[0], p));
    EG_TRY(eg_file_read(AT_FDCWD, files->ca, PEM_MAX, &pem[1], p));
    EG_TRY(eg_file_read(AT_FDCWD, files->chain, PEM_MAX, &pem[2], p));
    EG_TRY(names_of(eg_buf_str(&pem[2]), &names, p));
    eg_buf_reset(&pem[2]);
    eg_ca_request rq = {.common_name = "embergate gateway", .names = names.names, .days = EG_SERVER_CERTIFICATE_DAYS};
    EG_TRY(eg_ca_issue(eg_buf_str(&pem[0]), eg_buf_str(&pem[1]), &rq, &pem[3], &pem[2], p));
    EG_TRY(replace_as_before(files->key, 0600, eg_buf_bytes(&pem[3]), p));
    EG_TRY(replace_as_before(files->chain, 0644, eg_buf_bytes(&pem[2]), p));
    printf("%s: renewed for %d days and %zu names; a gateway that serves takes it within two seconds\n", files->chain, EG_SERVER_CERTIFICATE_DAYS, names.count);
    return EG_OK;
}

static eg_err renew(const char *state, eg_problem *p) {
    paths files;
    eg_buf pem[4]; /* CA key, CA, chain, key */
    EG_TRY(find_files(state, &files, p));
    for (size_t i = 0; i < 4; i++) {
        eg_buf_init(&pem[i], PEM_MAX);
    }
    eg_err e = issue_and_replace(&files, pem, p);
    for (size_t i = 0; i < 4; i++) {
        eg_cleanse(pem[i].ptr, pem[i].len);
        eg_buf_done(&pem[i]);
    }
    return e;
}

int eg_command_certificate(int argc, char **argv) {
    static const struct option longs[] = {{"state", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    const char *state = NULL;
    eg_problem p = {0};
    while (getopt_long(argc, argv, "", longs, NULL) == 's') {
        state = optarg;
    }
    if (optind + 1 != argc || strcmp(argv[optind], "renew") != 0 || !state) {
        (void)eg_fail(&p, EG_ERR_INVALID, "certificate: `renew` with --state is owed");
        return eg_process_complain(&p);
    }
    umask(077);
    return renew(state, &p) == EG_OK ? 0 : eg_process_complain(&p);
}
