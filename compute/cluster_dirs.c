/* Makes a cluster's directories, with the owners and modes that the isolation rests on. */
#include "cluster_dirs.h"

#include "runner.h"
#include <embergate/java_trust.h>

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRUST_PEM_MAX (1u << 20)

/* Spark's own words go to standard error, into the runner's sealed log; nothing of Spark's writes a log file. */
static const char log4j2[] =
    "rootLogger.level = info\n"
    "rootLogger.appenderRef.stderr.ref = console\n"
    "appender.console.type = Console\n"
    "appender.console.name = console\n"
    "appender.console.target = SYSTEM_ERR\n"
    "appender.console.layout.type = PatternLayout\n"
    "appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex\n"
    "logger.jetty.name = org.sparkproject.jetty\n"
    "logger.jetty.level = warn\n";

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static eg_err cannot(eg_problem *p, const char *what, const char *name) {
    int e = errno;
    const char *why = strerrordesc_np(e);
    return eg_fail(p, eg_err_from_errno(e), "Cannot %s \"%s\" of a cluster: %s.", what, name, why ? why : "unknown error");
}

eg_err eg_cluster_dirs_user(const eg_launcher_options *o, const eg_cluster_config *c, eg_cluster_user *ret, eg_problem *p) {
    eg_problem here;
    p = p ? p : &here;
    bool root = geteuid() == 0;
    if (c->user[0] == '\0') {
        if (root) {
            eg_fail(p, EG_ERR_CONFIG, "Cluster \"%s\" has no user, and jobs are never run as root.", c->name);
            eg_fail_at(p, "clusters[%s].user", c->name);
            return eg_fail_hint(p, "Make a system user for it (useradd --system) and name it, or start the server without root.");
        }
        *ret = (eg_cluster_user){.uid = geteuid(), .gid = getegid()};
        return EG_OK;
    }
    struct passwd pw;
    struct passwd *found = NULL;
    char text[4096];
    if (getpwnam_r(c->user, &pw, text, sizeof text, &found) != 0 || !found) {
        eg_fail(p, EG_ERR_CONFIG, "The user \"%s\" of cluster \"%s\" does not exist.", c->user, c->name);
        return eg_fail_hint(p, "Make it: useradd --system --no-create-home %s", c->user);
    }
    if (!root && pw.pw_uid != geteuid()) {
        eg_fail(p, EG_ERR_CONFIG, "Only root can run cluster \"%s\" as the user \"%s\".", c->name, c->user);
        return eg_fail_hint(p, "Start the server as root, or leave the user empty and do without this isolation.");
    }
    if (root && (pw.pw_uid == 0 || pw.pw_gid == 0 || pw.pw_uid == o->gateway_uid)) {
        return eg_fail(p, EG_ERR_CONFIG, "Cluster \"%s\" cannot run as \"%s\": jobs never share a user with the server.", c->name, c->user);
    }
    *ret = (eg_cluster_user){.drop = root, .uid = pw.pw_uid, .gid = pw.pw_gid};
    return EG_OK;
}

typedef struct dir_rule {
    const char *name;
    mode_t mode;
    enum { OURS, LISTED, CLUSTERS } whose; /* ours; ours and listed by the gateway through its group; the cluster's user's */
} dir_rule;

static const dir_rule rules[] = {
    {"run", 0751, LISTED},
    {"conf", 0755, OURS},
    {"home", 0700, CLUSTERS},
    {"scratch", 0700, CLUSTERS},
    {"tmp", 0700, CLUSTERS},
};

/* Opens without following a link, and takes only what is ours or, for the cluster's directories, theirs. */
static eg_err open_owned(int parent, const char *name, uid_t owner, int *ret_fd, eg_problem *p) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return cannot(p, "open the directory", name);
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_uid != geteuid() && st.st_uid != owner)) {
        close(fd);
        return eg_fail(p, EG_ERR_CONFIG, "The directory \"%s\" of a cluster belongs to somebody else.", name);
    }
    *ret_fd = fd;
    return EG_OK;
}

static eg_err make_dir(int parent, const dir_rule *r, const eg_cluster_user *u, gid_t gateway, eg_problem *p) {
    if (mkdirat(parent, r->name, 0700) != 0 && errno != EEXIST) {
        return cannot(p, "make the directory", r->name);
    }
    uid_t owner = r->whose == CLUSTERS ? u->uid : geteuid();
    EG_CLEANUP(close_fd) int fd = -1;
    EG_TRY(open_owned(parent, r->name, owner, &fd, p));
    if (u->drop && r->whose != OURS && fchown(fd, owner, r->whose == CLUSTERS ? u->gid : gateway) != 0) {
        return cannot(p, "give away the directory", r->name);
    }
    return fchmod(fd, r->mode) == 0 ? EG_OK : cannot(p, "set the mode of", r->name);
}

static eg_err write_if_changed(int dir, const char *name, eg_bytes content, eg_problem *p) {
    eg_buf old;
    eg_buf_init(&old, TRUST_PEM_MAX);
    bool same = eg_file_read(dir, name, TRUST_PEM_MAX, &old, NULL) == EG_OK && eg_str_eq(eg_buf_str(&old), eg_bytes_str(content));
    eg_buf_done(&old);
    return same ? EG_OK : eg_file_replace(dir, name, 0644, content, p);
}

static eg_err write_trust(const eg_launcher_options *o, int dir, eg_problem *p) {
    if (!o->trust_store || o->trust_store[0] == '\0') {
        return EG_OK;
    }
    eg_buf pem, jks;
    eg_buf_init(&pem, TRUST_PEM_MAX);
    eg_buf_init(&jks, TRUST_PEM_MAX);
    eg_err e = eg_file_read(AT_FDCWD, o->trust_store, TRUST_PEM_MAX, &pem, p);
    if (e == EG_OK) {
        e = eg_trust_jks(eg_buf_str(&pem), &jks, p);
    }
    if (e == EG_OK) {
        e = write_if_changed(dir, "trust.jks", eg_buf_bytes(&jks), p);
    }
    eg_buf_done(&pem);
    eg_buf_done(&jks);
    return e;
}

eg_err eg_cluster_dirs_open(const eg_launcher_options *o, const eg_cluster_config *c, int *ret_fd, eg_problem *p) {
    if (!eg_runner_cluster_valid(eg_str_of(c->name))) {
        return eg_fail(p, EG_ERR_CONFIG, "\"%s\" is no name for a cluster.", c->name);
    }
    EG_CLEANUP(close_fd) int top = open(o->clusters_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (top < 0 || fstat(top, &st) != 0) {
        return cannot(p, "open the directory", o->clusters_dir);
    }
    /* Whoever may write here could put a link in our way. */
    if (st.st_uid != geteuid() || (st.st_mode & 022)) {
        return eg_fail(p, EG_ERR_CONFIG, "The directory of clusters \"%s\" must belong to the launcher's user alone.", o->clusters_dir);
    }
    return open_owned(top, c->name, geteuid(), ret_fd, p);
}

eg_err eg_cluster_dirs_make(const eg_launcher_options *o, const eg_cluster_config *c, eg_problem *p) {
    eg_cluster_user u;
    EG_TRY(eg_cluster_dirs_user(o, c, &u, p));
    if (!eg_runner_cluster_valid(eg_str_of(c->name))) {
        return eg_fail(p, EG_ERR_CONFIG, "\"%s\" is no name for a cluster.", c->name);
    }
    EG_TRY(eg_dir_make(o->clusters_dir, 0711, p));
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", o->clusters_dir, c->name);
    if (n <= 0 || (size_t)n >= sizeof path) {
        return eg_fail(p, EG_ERR_LIMIT, "The path of the clusters is too long.");
    }
    EG_TRY(eg_dir_make(path, 0711, p));
    EG_CLEANUP(close_fd) int dir = -1;
    EG_TRY(eg_cluster_dirs_open(o, c, &dir, p));
    if (fchmod(dir, 0711) != 0) {
        return cannot(p, "set the mode of", c->name);
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        EG_TRY(make_dir(dir, &rules[i], &u, o->gateway_gid, p));
    }
    EG_TRY(write_if_changed(dir, "conf/log4j2.properties", (eg_bytes){(const uint8_t *)log4j2, sizeof log4j2 - 1}, p));
    return write_trust(o, dir, p);
}
