/* A cluster's directories and its UNIX user, on the launcher's side. */
#ifndef EG_COMPUTE_CLUSTER_DIRS_H
#define EG_COMPUTE_CLUSTER_DIRS_H

#include <embergate/compute.h>

#include <sys/types.h>

/* {clusters_dir}/{name}/: ours, 0711, and in it
 *   run/        ours, 0751, listed by the gateway's group: one directory a runner (runner.h)
 *   conf/       ours, 0755: SPARK_CONF_DIR, holds log4j2.properties only
 *   trust.jks   ours, 0644: the CA that jobs trust, as Java reads it
 *   home/       the cluster's, 0700: HOME and working directory
 *   scratch/    the cluster's, 0700: shuffle and spill files (encrypted by Spark), a directory a runner, removed at its end
 *   tmp/        the cluster's, 0700: java.io.tmpdir and the workers' directory; in memory and of one runner alone where the host allows
 * "Ours" is the launcher's user. */

typedef struct eg_cluster_user {
    bool drop;          /* another user than ours */
    uid_t uid;
    gid_t gid;
} eg_cluster_user;

/* Whom the cluster's processes run as. Fails closed: EG_ERR_CONFIG when the user is unknown, is root, is the gateway's, or can't be
 * become without privileges, and when root is asked to run jobs as itself. */
eg_err eg_cluster_dirs_user(const eg_launcher_options *o, const eg_cluster_config *c, eg_cluster_user *ret, eg_problem *p) EG_MUST_CHECK;
/* Makes or mends them. Refuses symbolic links and directories that somebody else owns or may write to. */
eg_err eg_cluster_dirs_make(const eg_launcher_options *o, const eg_cluster_config *c, eg_problem *p) EG_MUST_CHECK;
/* {clusters_dir}/{name} opened, checked as above. The caller closes it. */
eg_err eg_cluster_dirs_open(const eg_launcher_options *o, const eg_cluster_config *c, int *ret_fd, eg_problem *p) EG_MUST_CHECK;

#endif
