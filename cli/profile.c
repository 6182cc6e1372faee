/* The profile: which gateway a command speaks to, and as whom. */
#include "cli.h"

#include <embergate/durable_file.h>
#include <embergate/secret.h>
#include <fcntl.h>
#include <stdlib.h>

#define PROFILE_BYTES_MAX 16384

static const struct {
    const char *name;
    const char *variable;
    size_t offset;
    size_t size;
} profile_fields[] = {
#define FIELD(member, variable) {#member, variable, offsetof(eg_profile, member), sizeof(((eg_profile *)NULL)->member)}
    FIELD(endpoint, "EMBERGATE_ENDPOINT"),
    FIELD(tenant, "EMBERGATE_TENANT"),
    FIELD(client_id, "EMBERGATE_CLIENT_ID"),
    FIELD(client_secret, "EMBERGATE_CLIENT_SECRET"),
    FIELD(ca, "EMBERGATE_CA"),
    FIELD(cluster, "EMBERGATE_CLUSTER"),
    FIELD(account, "EMBERGATE_ACCOUNT"),
    FIELD(container, "EMBERGATE_CONTAINER"),
    FIELD(state_dir, NULL),
    FIELD(subscription, "EMBERGATE_SUBSCRIPTION"),
    FIELD(login, "EMBERGATE_LOGIN"),
    FIELD(authority, "EMBERGATE_AUTHORITY"),
    FIELD(authority_ca, "EMBERGATE_AUTHORITY_CA"),
    FIELD(scope, "EMBERGATE_SCOPE"),
    FIELD(storage_scope, "EMBERGATE_STORAGE_SCOPE"),
    FIELD(resource, "EMBERGATE_RESOURCE"),
    FIELD(client_secret_file, "EMBERGATE_CLIENT_SECRET_FILE"),
    FIELD(client_key, "EMBERGATE_CLIENT_KEY"),
    FIELD(client_certificate, "EMBERGATE_CLIENT_CERTIFICATE"),
    FIELD(client_algorithm, "EMBERGATE_CLIENT_ALGORITHM"),
    FIELD(federated_token_file, "EMBERGATE_FEDERATED_TOKEN_FILE"),
    FIELD(client_proof, "EMBERGATE_CLIENT_PROOF"),
#undef FIELD
};
#define FIELD_COUNT (sizeof profile_fields / sizeof profile_fields[0])

static eg_err set_field(eg_profile *profile, size_t i, eg_str value, eg_problem *p) {
    if (value.len >= profile_fields[i].size) {
        return eg_fail(p, EG_ERR_INVALID, "the profile's %s is too long", profile_fields[i].name);
    }
    char *to = (char *)profile + profile_fields[i].offset;
    memcpy(to, value.ptr, value.len);
    to[value.len] = '\0';
    return EG_OK;
}

static eg_err find_path(const char *given, eg_profile *profile, eg_problem *p) {
    const char *from_env = getenv("EMBERGATE_PROFILE");
    const char *home = getenv("HOME");
    int n = given         ? snprintf(profile->path, sizeof profile->path, "%s", given)
            : from_env    ? snprintf(profile->path, sizeof profile->path, "%s", from_env)
                          : snprintf(profile->path, sizeof profile->path, "%s/.config/embergate/profile.json", home ? home : "");
    return n >= 0 && (size_t)n < sizeof profile->path ? EG_OK : eg_fail(p, EG_ERR_INVALID, "the profile's path is too long");
}

static eg_err read_file(eg_profile *profile, bool owed, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, PROFILE_BYTES_MAX);
    eg_err e = eg_file_read(AT_FDCWD, profile->path, PROFILE_BYTES_MAX, &text, p);
    if (e == EG_ERR_NOT_FOUND && !owed) {
        return EG_OK;
    }
    if (e != EG_OK) {
        (void)eg_fail(p, e, "the profile '%s' can't be read", profile->path);
        return eg_fail_hint(p, "`embergate init` writes one into STATE/profiles/; give it with --profile FILE or EMBERGATE_PROFILE");
    }
    EG_JSON_AUTO v = NULL;
    e = eg_json_parse(eg_buf_str(&text), PROFILE_BYTES_MAX, &v, p);
    for (size_t i = 0; e == EG_OK && i < FIELD_COUNT; i++) {
        eg_str value = eg_json_str(v, profile_fields[i].name);
        if (value.ptr) {
            e = set_field(profile, i, value, p);
        }
    }
    eg_cleanse(text.ptr, text.len);
    return e;
}

eg_err eg_profile_check(const eg_profile *profile, eg_problem *p) {
    if (!eg_str_starts(eg_str_of(profile->endpoint), "https://")) {
        (void)eg_fail(p, EG_ERR_INVALID, "the endpoint must begin with https://");
        return eg_fail_at(p, "%s", profile->path);
    }
    return EG_OK;
}

static eg_err load(const char *path, bool owed, eg_profile *profile, eg_problem *p) {
    EG_TRY(find_path(path, profile, p));
    EG_TRY(read_file(profile, owed, p));
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = profile_fields[i].variable ? getenv(profile_fields[i].variable) : NULL;
        if (value) {
            EG_TRY(set_field(profile, i, eg_str_of(value), p));
        }
    }
    return EG_OK;
}

eg_err eg_profile_load(const char *path, eg_profile *ret, eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile = {.path = ""};
    EG_TRY(load(path, path || !getenv("EMBERGATE_ENDPOINT"), &profile, p));
    EG_TRY(eg_profile_check(&profile, p));
    *ret = profile;
    return EG_OK;
}

eg_err eg_profile_load_any(const char *path, eg_profile *ret, eg_problem *p) {
    EG_CLEANUP(eg_profile_done) eg_profile profile = {.path = ""};
    EG_TRY(load(path, false, &profile, p));
    *ret = profile;
    return EG_OK;
}

static size_t field_named(const char *name) {
    size_t i = 0;
    while (i < FIELD_COUNT && strcmp(profile_fields[i].name, name) != 0) {
        i++;
    }
    return i;
}

eg_err eg_profile_set(eg_profile *profile, const char *name, const char *value, eg_problem *p) {
    size_t i = field_named(name);
    return i < FIELD_COUNT ? set_field(profile, i, eg_str_of(value), p) : eg_fail(p, EG_ERR_NOT_FOUND, "a profile has no field %s", name);
}

static eg_err make_folder(const char *path, eg_problem *p) {
    char folder[sizeof((eg_profile *)NULL)->path];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) {
        return EG_OK;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return eg_dir_make(folder, 0700, p);
}

eg_err eg_profile_save(const eg_profile *profile, const char *const *names, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_CLEANUP(eg_buf_done) eg_buf out;
    eg_buf_init(&text, PROFILE_BYTES_MAX);
    eg_buf_init(&out, PROFILE_BYTES_MAX);
    EG_JSON_AUTO v = NULL;
    eg_err e = eg_file_read(AT_FDCWD, profile->path, PROFILE_BYTES_MAX, &text, p);
    if (e == EG_OK) {
        e = eg_json_parse(eg_buf_str(&text), PROFILE_BYTES_MAX, &v, p);
        eg_cleanse(text.ptr, text.len);
    } else if (e == EG_ERR_NOT_FOUND) {
        v = json_object();
        e = make_folder(profile->path, p);
    }
    for (size_t n = 0; e == EG_OK && names[n]; n++) {
        size_t i = field_named(names[n]);
        const char *value = i < FIELD_COUNT ? (const char *)profile + profile_fields[i].offset : NULL;
        e = value && json_object_set_new(v, names[n], json_string(value)) == 0 ? EG_OK : eg_fail(p, EG_ERR_INVALID, "the profile's %s is not text", names[n]);
    }
    if (e == EG_OK && (e = eg_json_write(v, &out)) == EG_OK) {
        e = eg_file_replace(AT_FDCWD, profile->path, 0600, eg_buf_bytes(&out), p);
    }
    eg_cleanse(out.ptr, out.len);
    return e;
}

void eg_profile_done(eg_profile *profile) {
    eg_cleanse(profile, sizeof *profile);
}
