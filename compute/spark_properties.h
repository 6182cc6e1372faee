/* The allow-list of Spark properties that a submitter may set: the second wall behind the cluster's UNIX user. */
#ifndef EMBERGATE_COMPUTE_SPARK_PROPERTIES_H
#define EMBERGATE_COMPUTE_SPARK_PROPERTIES_H

#include "job_place.h"

#define EG_SPARK_PROPERTY_NAME_MAX 256
#define EG_SPARK_PROPERTY_VALUE_MAX 4096

/* EG_OK: Spark gets it, unless *ret_ignored (accepted because clients send it, but it would change nothing here).
 * EG_ERR_CONF_REFUSED names the property and why. Anything that is on no list is refused. */
eg_err eg_spark_properties_check(const eg_job_places *places, eg_str name, eg_str value, bool *ret_ignored, eg_problem *p) EG_MUST_CHECK;

/* A JVM memory size with its unit ("512m", "1g", "2gb"), in MiB, rounded up. EG_ERR_INVALID. */
eg_err eg_spark_properties_memory(eg_str text, uint64_t *ret_mib) EG_MUST_CHECK;

#endif
