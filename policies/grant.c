/* Writes and removes role assignments as files of the policy directory. */
#include <embergate/durable_file.h>
#include <embergate/json.h>
#include <embergate/policy.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_BYTES 4096

typedef struct grant_file {
    char role[EG_UUID_LEN];
    char name[EG_UUID_LEN];
    char path[PATH_BYTES];
} grant_file;

/* The name is a GUID made from a digest of our own (RFC 9562 version 8). */
static void name_grant(const eg_policy_grant *g, grant_file *f) {
    uint8_t d[EG_SHA256_LEN];
    eg_bytes parts[] = {eg_str_bytes(eg_str_of(f->role)), eg_str_bytes(EG_LIT("|")), eg_str_bytes(eg_str_of(g->principal)),
                        eg_str_bytes(EG_LIT("|")), eg_str_bytes(eg_str_of(g->scope))};
    eg_sha256_v(parts, sizeof parts / sizeof parts[0], d);
    d[6] = (uint8_t)((d[6] & 0x0f) | 0x80);
    d[8] = (uint8_t)((d[8] & 0x3f) | 0x80);
    (void)snprintf(f->name, sizeof f->name, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4],
                   d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
}

static eg_err resolve(const eg_policy *pol, const eg_policy_grant *g, grant_file *ret, eg_problem *p) {
    if (eg_policy_role_id(pol, eg_str_of(g->role), ret->role) != EG_OK) {
        (void)eg_fail(p, EG_ERR_INVALID, "there is no role '%s'", g->role);
        return p ? eg_fail_hint(p, "docs/POLICIES.md lists the built-in roles; roleDefinitions/ in the policy directory may add others") : EG_ERR_INVALID;
    }
    name_grant(g, ret);
    return EG_OK;
}

static eg_err find_file(const char *dir, const eg_policy_grant *g, grant_file *ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    EG_TRY(eg_policy_load(dir, 1, &pol, p));
    EG_TRY(resolve(pol, g, ret, p));
    int n = snprintf(ret->path, sizeof ret->path, "%s/roleAssignments/%s.json", dir, ret->name);
    return n > 0 && (size_t)n < sizeof ret->path ? EG_OK : eg_fail(p, EG_ERR_INVALID, "the policy directory's path is too long");
}

static eg_err render(const eg_policy_grant *g, const grant_file *f, eg_buf *ret, eg_problem *p) {
    const char *at = g->scope[0] == '/' && g->scope[1] == '\0' ? "" : g->scope;
    EG_JSON_AUTO v = json_pack("{s:s++, s:s, s:s, s:{s:s+, s:s, s:s, s:s}}", "id", at, "/providers/Microsoft.Authorization/roleAssignments/", f->name,
                               "name", f->name, "type", "Microsoft.Authorization/roleAssignments", "properties", "roleDefinitionId",
                               "/providers/Microsoft.Authorization/roleDefinitions/", f->role, "principalId", g->principal, "principalType",
                               g->principal_type, "scope", g->scope);
    char *text = v ? json_dumps(v, JSON_INDENT(2)) : NULL;
    eg_err e = text ? eg_buf_adds(ret, text) : eg_fail(p, EG_ERR_INVALID, "role, principal and scope must be plain text");
    free(text);
    return e;
}

eg_err eg_policy_grant_text(const eg_policy *pol, const eg_policy_grant *g, eg_buf *ret, eg_problem *p) {
    grant_file f;
    EG_TRY(resolve(pol, g, &f, p));
    return render(g, &f, ret, p);
}

eg_err eg_policy_grant_write(const char *dir, const eg_policy_grant *g, eg_problem *p) {
    grant_file f;
    char folder[PATH_BYTES];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, 65536);
    EG_TRY(find_file(dir, g, &f, p));
    EG_TRY(render(g, &f, &text, p));
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(f.path, '/') - f.path), f.path);
    EG_TRY(eg_dir_make(folder, 0755, p));
    EG_TRY(eg_file_replace(AT_FDCWD, f.path, 0644, eg_buf_bytes(&text), p));
    eg_policy *pol = NULL;
    eg_err e = eg_policy_load(dir, 1, &pol, p);
    eg_policy_unref(pol);
    if (e != EG_OK) {
        (void)unlink(f.path);
    }
    return e;
}

eg_err eg_policy_grant_remove(const char *dir, const eg_policy_grant *g, eg_problem *p) {
    grant_file f;
    EG_TRY(find_file(dir, g, &f, p));
    if (unlink(f.path) != 0) {
        return eg_fail(p, eg_err_from_errno(errno), "there is no such assignment (%s)", f.path);
    }
    return EG_OK;
}
