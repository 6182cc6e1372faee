/* Uploads a job's file over the Data Lake protocol: create, append, flush. */
#include "upload.h"

#include <embergate/crypto.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <embergate/secret.h>
#include <fcntl.h>

#define JOB_FILE_MAX (64u << 20)

typedef struct upload {
    const eg_profile *profile;
    const char *token;
    char path[512]; /* percent-encoded, "jobs/…" */
} upload;

const char *eg_cli_authority(const eg_profile *profile) {
    return profile->endpoint + strlen("https://");
}

static eg_err ask(const upload *u, const char *method, const char *query, eg_bytes body, long *ret_status, eg_problem *p) {
    char url[2048];
    (void)snprintf(url, sizeof url, "%s/%s/%s/%s%s", u->profile->endpoint, u->profile->account, u->profile->container, u->path, query);
    static const char *const headers[] = {"x-ms-version: 2023-11-03", NULL};
    eg_cli_call call = {.method = method, .url = url, .ca = u->profile->ca, .client = u->profile, .token = u->token, .body = body, .headers = headers};
    EG_CLEANUP(eg_buf_done) eg_buf answer = {0};
    EG_TRY(eg_cli_exchange(&call, ret_status, &answer, p));
    if (*ret_status == 200 || *ret_status == 201 || *ret_status == 202 || *ret_status == 409) {
        return EG_OK;
    }
    EG_JSON_AUTO v = NULL;
    eg_str said = {NULL, 0};
    if (eg_json_parse(eg_buf_str(&answer), 65536, &v, NULL) == EG_OK) {
        said = eg_json_str(json_object_get(v, "error"), "message");
    }
    return eg_fail(p, EG_ERR_UNAVAILABLE, "the upload was answered %ld: %.*s", *ret_status, EG_FMT(said.ptr ? said : EG_LIT("(no explanation)")));
}

/* If-None-Match is not needed: the path names the content, and a file that was flushed once at full length stays as it is. */
static eg_err put_content(const upload *u, eg_bytes content, eg_problem *p) {
    char query[96];
    long status = 0;
    EG_TRY(ask(u, "PUT", "?resource=file", (eg_bytes){(const uint8_t *)"", 0}, &status, p));
    if (content.len > 0) {
        EG_TRY(ask(u, "PATCH", "?action=append&position=0", content, &status, p));
    }
    (void)snprintf(query, sizeof query, "?action=flush&position=%zu&close=true", content.len);
    return ask(u, "PATCH", query, (eg_bytes){(const uint8_t *)"", 0}, &status, p);
}

eg_err eg_cli_upload(const eg_profile *profile, const char *local_path, eg_buf *ret_address, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf content, path, token = {0};
    eg_buf_init(&content, JOB_FILE_MAX);
    eg_buf_init(&path, 480);
    eg_err e = eg_file_read(AT_FDCWD, local_path, JOB_FILE_MAX, &content, p);
    if (e != EG_OK) {
        return eg_fail(p, e == EG_ERR_LIMIT ? e : EG_ERR_NOT_FOUND, "'%s' can't be read (a regular file of at most 64 MiB is wanted)", local_path);
    }
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    eg_sha256(eg_buf_bytes(&content), digest);
    eg_hex((eg_bytes){digest, 16}, hex);
    const char *slash = strrchr(local_path, '/');
    EG_TRY(eg_buf_addf(&path, "jobs/%s/", hex));
    EG_TRY(eg_percent_encode(eg_str_of(slash ? slash + 1 : local_path), false, &path));
    upload u = {.profile = profile};
    (void)snprintf(u.path, sizeof u.path, "%.*s", (int)path.len, path.ptr);
    EG_TRY(eg_cli_token(profile, EG_CLI_STORAGE, &token, p));
    u.token = token.ptr;
    e = put_content(&u, eg_buf_bytes(&content), p);
    eg_cleanse(token.ptr, token.len);
    EG_TRY(e);
    eg_buf_init(ret_address, 2048);
    return eg_buf_addf(ret_address, "abfss://%s@%s/%s", profile->container, eg_cli_authority(profile), u.path);
}
