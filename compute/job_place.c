/* Judges paths and URIs that a submitter names, and opens local ones so that no symbolic link can lead elsewhere. */
#include "job_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

eg_err eg_job_place_text(eg_str value, size_t max, const char *field, eg_problem *p) {
    eg_problem local = {0};
    p = p ? p : &local;
    if (value.len > max) {
        (void)eg_fail(p, EG_ERR_BODY_FIELD, "%s is longer than %zu bytes", field, max);
        return eg_fail_at(p, "%s", field);
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            (void)eg_fail(p, EG_ERR_BODY_FIELD, "%s holds a control character (0x%02x); values are one line of text", field, c);
            return eg_fail_at(p, "%s", field);
        }
        /* Spark substitutes ${env:…} and ${system:…} in its properties. */
        if (c == '$' && i + 1 < value.len && value.ptr[i + 1] == '{') {
            (void)eg_fail(p, EG_ERR_BODY_FIELD, "%s holds \"${\", which Spark would replace; write the value itself", field);
            return eg_fail_at(p, "%s", field);
        }
    }
    if (!eg_utf8_valid(value)) {
        (void)eg_fail(p, EG_ERR_BODY_FIELD, "%s is not valid UTF-8", field);
        return eg_fail_at(p, "%s", field);
    }
    return EG_OK;
}

static eg_err refuse(const char *field, eg_problem *p, const char *why) {
    eg_problem local = {0};
    p = p ? p : &local;
    (void)eg_fail(p, EG_ERR_FILE_REFUSED, "%s", why);
    return eg_fail_at(p, "%s", field);
}

static bool segments_are_plain(eg_str path) {
    while (path.ptr) {
        eg_str s = eg_str_cut(&path, '/');
        if (eg_str_is(s, ".") || eg_str_is(s, "..")) {
            return false;
        }
    }
    return true;
}

/* "host[:port]" of "https://host[:port][/]". */
static eg_str authority_of(const char *url) {
    eg_str rest = eg_str_of(url);
    if (eg_str_starts(rest, "https://")) {
        rest.ptr += 8;
        rest.len -= 8;
    }
    return eg_str_cut(&rest, '/');
}

static bool container_name(eg_str s) {
    if (s.len < 3 || s.len > 63) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0 && i + 1 < s.len))) {
            return false;
        }
    }
    return true;
}

/* Ours are the public authority itself, and {account}.dfs.{authority} for its accounts. */
static bool authority_is_ours(eg_str authority, eg_str ours) {
    if (eg_str_ieq(authority, ours)) {
        return true;
    }
    eg_str account = eg_str_cut(&authority, '.');
    if (!authority.ptr || account.len < 3 || account.len > 24) {
        return false;
    }
    for (size_t i = 0; i < account.len; i++) {
        char c = account.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) {
            return false;
        }
    }
    if (authority.len < 4 || memcmp(authority.ptr, "dfs.", 4) != 0) {
        return false;
    }
    authority.ptr += 4;
    authority.len -= 4;
    return eg_str_ieq(authority, ours);
}

eg_err eg_job_place_storage(const eg_job_places *places, eg_str uri, const char *field, eg_problem *p) {
    EG_TRY(eg_job_place_text(uri, EG_JOB_PLACE_MAX, field, p));
    if (!eg_str_starts(uri, "abfss://")) {
        return refuse(field, p, "only abfss:// URIs on this gateway's storage endpoint are accepted here");
    }
    eg_str rest = {uri.ptr + 8, uri.len - 8};
    eg_str authority = eg_str_cut(&rest, '/');
    eg_str container = eg_str_cut(&authority, '@');
    if (!authority.ptr || !container_name(container)) {
        return refuse(field, p, "an abfss URI reads abfss://{container}@{host}/{path}, and the container's name is 3 to 63 of a-z, 0-9 and '-'");
    }
    eg_str ours = authority_of(places->public_url);
    if (ours.len == 0 || !authority_is_ours(authority, ours)) {
        eg_problem local = {0};
        p = p ? p : &local;
        (void)eg_fail(p, EG_ERR_FILE_REFUSED, "abfss URIs must be on this gateway's storage endpoint, %.*s or an account's name before it", EG_FMT(ours));
        return eg_fail_at(p, "%s", field);
    }
    if (!rest.ptr || rest.len == 0 || !segments_are_plain(rest)) {
        return refuse(field, p, "an abfss URI names a path after the host, without '.' and '..' segments");
    }
    return EG_OK;
}

/* What follows root in path; {NULL,0} when path is not beneath it. */
static eg_str beneath(eg_str path, const char *root) {
    eg_str r = eg_str_of(root);
    while (r.len > 1 && r.ptr[r.len - 1] == '/') {
        r.len--;
    }
    if (r.len == 0 || r.ptr[0] != '/' || path.len <= r.len + 1 || memcmp(path.ptr, r.ptr, r.len) != 0) {
        return (eg_str){NULL, 0};
    }
    if (r.len == 1) {
        return (eg_str){path.ptr + 1, path.len - 1};
    }
    return path.ptr[r.len] == '/' ? (eg_str){path.ptr + r.len + 1, path.len - r.len - 1} : (eg_str){NULL, 0};
}

static eg_err local_refused(eg_str path, const char *field, eg_problem *p) {
    eg_problem local = {0};
    p = p ? p : &local;
    /* Livy's own sentence, which its clients' users know. */
    (void)eg_fail(p, EG_ERR_FILE_REFUSED, "Rejected, Reason: requirement failed: Local path %.*s cannot be added to user sessions.", EG_FMT(path));
    (void)eg_fail_at(p, "%s", field);
    return eg_fail_hint(p, "upload it to a container and name it by its abfss:// URI, or have the administrator add its directory to file_roots");
}

static const char *root_of(const eg_job_places *places, eg_str path, eg_str *ret_rest) {
    for (const char *const *root = places->file_roots; root && *root; root++) {
        eg_str rest = beneath(path, *root);
        if (rest.ptr) {
            *ret_rest = rest;
            return *root;
        }
    }
    return NULL;
}

eg_err eg_job_place_check(const eg_job_places *places, eg_str uri, const char *field, eg_job_place_kind *ret, eg_problem *p) {
    EG_TRY(eg_job_place_text(uri, EG_JOB_PLACE_MAX, field, p));
    if (uri.len == 0) {
        return refuse(field, p, "an empty path");
    }
    if (uri.ptr[0] == '-') {
        return refuse(field, p, "a path that begins with '-' would be read as an option of spark-submit");
    }
    if (memchr(uri.ptr, ',', uri.len) || memchr(uri.ptr, '#', uri.len) || memchr(uri.ptr, '*', uri.len)) {
        return refuse(field, p, "a path must not hold ',', '#' or '*', which spark-submit reads as a list, an alias or a pattern");
    }
    if (uri.ptr[0] == '/') {
        eg_str rest = {0};
        if (!segments_are_plain(uri) || !root_of(places, uri, &rest)) {
            return local_refused(uri, field, p);
        }
        *ret = EG_JOB_PLACE_LOCAL;
        return EG_OK;
    }
    EG_TRY(eg_job_place_storage(places, uri, field, p));
    *ret = EG_JOB_PLACE_STORAGE;
    return EG_OK;
}

static int open_beneath(int dir, const char *path) {
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static eg_err unreadable(const char *field, eg_problem *p, eg_str path, const char *why) {
    eg_problem local = {0};
    p = p ? p : &local;
    (void)eg_fail(p, EG_ERR_FILE_REFUSED, "%.*s can't be used: %s", EG_FMT(path), why);
    return eg_fail_at(p, "%s", field);
}

eg_err eg_job_place_probe(const eg_job_places *places, eg_str path, const char *field, eg_problem *p) {
    eg_job_place_kind kind = EG_JOB_PLACE_NONE;
    EG_TRY(eg_job_place_check(places, path, field, &kind, p));
    eg_str rest = {0};
    const char *root = kind == EG_JOB_PLACE_LOCAL ? root_of(places, path, &rest) : NULL;
    if (!root) {
        return local_refused(path, field, p);
    }
    char relative[EG_JOB_PLACE_MAX + 1];
    memcpy(relative, rest.ptr, rest.len);
    relative[rest.len] = 0;
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return unreadable(field, p, path, "its allowed directory can't be opened");
    }
    int fd = open_beneath(dir, relative);
    int saved = errno;
    close(dir);
    if (fd < 0) {
        bool leads_out = saved == ELOOP || saved == EXDEV;
        return unreadable(field, p, path, leads_out ? "a part of it is a symbolic link, or leads out of the allowed directory" : strerror(saved));
    }
    struct stat st;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    close(fd);
    return regular ? EG_OK : unreadable(field, p, path, "it is not a regular file");
}
