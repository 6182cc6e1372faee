/* What run/admin.sock can do to identities: the handlers of admin_server.c's table. */
#ifndef GATEWAY_PROCESS_ADMIN_IDENTITY_H
#define GATEWAY_PROCESS_ADMIN_IDENTITY_H

#include "admin_server.h"

#include <embergate/ipc.h>

/* Fields: tenant, and what is asked for as JSON (eg_identity_revocation_read). Replies with {"kind","id","tenant"}. */
eg_err eg_admin_revoke(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) EG_MUST_CHECK;
eg_err eg_admin_revoke_undo(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) EG_MUST_CHECK;
/* Field: tenant. Replies with a JSON list. */
eg_err eg_admin_revoke_list(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) EG_MUST_CHECK;

/* admin_principal.c. Fields: tenant, "add", "disable", "enable", "rotate", "remove" or "arm", name or client id, kind. Replies with client id, object id, name and
 * the new secret, if one was made. One at a time: the caller holds the lock of changes. */
eg_err eg_admin_principal(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) EG_MUST_CHECK;
/* Fields: tenant, "password", "password-drop", "add-key" or "remove-key", name or client id, the password, PEM or digest. Replies with the client id. As above. */
eg_err eg_admin_principal_proof(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) EG_MUST_CHECK;
/* Field: tenant. Replies with a JSON list. */
eg_err eg_admin_principal_list(const eg_admin_options *o, eg_ipc_reader *in, eg_ipc_msg *reply, eg_problem *p) EG_MUST_CHECK;

#endif
