/* The Spark properties of a batch, a master or a worker, as the text of a java.util.Properties file. Pure: no files, no clock. */
#ifndef EG_COMPUTE_SPARK_CONF_H
#define EG_COMPUTE_SPARK_CONF_H

#include <embergate/compute.h>

#define EG_SPARK_CONF_MAX (256u << 10) /* bytes of one properties text */

typedef struct eg_spark_pair {
    eg_str key;
    eg_str value;
} eg_spark_pair;

/* What a submitter asks for. All borrowed; conf has already passed the allow-list. Empty text and 0 mean "not said". */
typedef struct eg_spark_batch {
    const char *cluster;
    const char *id;                 /* batch number as text */
    eg_str name;                    /* spark.app.name */
    eg_str job_client_id;           /* OAuth client id of the job: "{cluster}/{batch id}" */
    eg_str driver_memory, executor_memory;   /* "1g"; checked by the caller */
    unsigned driver_cores, executor_cores, executors;
    eg_str jars, py_files, files, archives;  /* comma-separated, checked by the caller */
    const eg_spark_pair *conf;
    size_t conf_count;
} eg_spark_batch;

/* The cluster's side. All borrowed. */
typedef struct eg_spark_site {
    const eg_cluster_config *cluster;
    const char *clusters_dir;
    const char *public_url;
    const char *tenant;
    uint16_t master_port;
    eg_str rpc_secret;              /* text */
    eg_str ui_secret;               /* text (base64url); masters and workers only */
} eg_spark_site;

/* Appends to ret (the caller cleanses it: eg_cleanse(ret->ptr, ret->cap) before eg_buf_done). Of two lines with one key Spark takes
 * the later: first come our defaults of sizes, then conf, then the batch's own fields, then what is fixed. A fixed key (eg_spark_conf_reserved)
 * in conf is refused. EG_ERR_CONF_REFUSED for that, and for a NUL or broken UTF-8; EG_ERR_LIMIT. */
eg_err eg_spark_conf_batch(const eg_spark_site *site, const eg_spark_batch *batch, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_spark_conf_master(const eg_spark_site *site, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_spark_conf_worker(const eg_spark_site *site, eg_buf *ret, eg_problem *p) EG_MUST_CHECK;
/* One line "key=value\n", escaped as java.util.Properties reads it. */
eg_err eg_spark_conf_pair(eg_str key, eg_str value, eg_buf *ret);
/* True for the keys that embergate fixes for batches, whoever asks (the allow-list refuses them too). Sizes and the name are not among them. */
bool eg_spark_conf_reserved(eg_str key);

#endif
