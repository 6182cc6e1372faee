/* Copies of the tenants' key files outside the keeper, one a repository of backups, so that a backup opens on a bare machine; and their erasure.
 * They are sealed under the master key, which only the recovery key brings back. */
#ifndef GATEWAY_BACKUP_ESCROW_H
#define GATEWAY_BACKUP_ESCROW_H

#include <embergate/bytes.h>

/* Makes escrow_dir hold exactly what keeper_dir/tenants holds. Files of keys that were destroyed are overwritten before they go. */
eg_err eg_escrow_sync(const char *keeper_dir, const char *escrow_dir, eg_problem *p) EG_MUST_CHECK;
/* Overwrites and removes every key file of the tenant in one escrow. EG_ERR_NOT_FOUND when the directory isn't there. */
eg_err eg_escrow_erase(const char *escrow_dir, eg_str tenant, eg_problem *p) EG_MUST_CHECK;

/* The escrows that a state directory knows, in its file escrows.json: remembered by each backup. */
eg_err eg_escrow_remember(const char *state_dir, const char *escrow_dir, eg_problem *p) EG_MUST_CHECK;
/* Erases the tenant in all of them; *ret_json gets [{"path","state":"erased"|"unreachable"}]. Those that aren't reached are no error: the certificate says so. */
eg_err eg_escrow_erase_all(const char *state_dir, eg_str tenant, eg_buf *ret_json, eg_problem *p) EG_MUST_CHECK;

#endif
