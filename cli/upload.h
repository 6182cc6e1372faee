/* Puts a local file into the gateway's storage, so that it can be submitted as a job. */
#ifndef CLI_UPLOAD_H
#define CLI_UPLOAD_H

#include "cli.h"

/* Uploads a file of at most 64 MiB to jobs/{sha256 of its content}/{its name} in the profile's container, unless it is
 * there already, and gives its abfss:// address. */
eg_err eg_cli_upload(const eg_profile *profile, const char *local_path, eg_buf *ret_address, eg_problem *p) EG_MUST_CHECK;
/* host:port of the profile's endpoint. */
const char *eg_cli_authority(const eg_profile *profile);

#endif
