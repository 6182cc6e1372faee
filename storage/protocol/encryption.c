/* Reads the headers about encryption and answers them. */
#include "encryption.h"

#include "scope_policy.h"

#include <embergate/encoding.h>

static eg_err bad(eg_request *rq, const char *header, const char *why) {
    return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s %s.", header, why);
}

/* The digest says that the key arrived as it was meant, and must be there: Azure asks for both. */
static eg_err check_digest(eg_request *rq, const eg_secret *key) {
    uint8_t want[EG_SHA256_LEN];
    uint8_t given[EG_SHA256_LEN];
    size_t n = 0;
    const eg_str text = eg_request_header(rq, "x-ms-encryption-key-sha256");
    if (eg_unbase64(text, given, sizeof given, &n) != EG_OK || n != sizeof given) {
        return bad(rq, "x-ms-encryption-key-sha256", "is not the base64 of a SHA-256");
    }
    eg_sha256(eg_secret_bytes(key), want);
    return eg_ct_eq(want, given, sizeof want) ? EG_OK : bad(rq, "x-ms-encryption-key-sha256", "does not fit the key");
}

eg_err eg_encryption_customer_key(eg_request *rq, eg_secret **ret) {
    const eg_str text = eg_request_header(rq, "x-ms-encryption-key");
    const eg_str algorithm = eg_request_header(rq, "x-ms-encryption-algorithm");
    *ret = NULL;
    if (text.len == 0) {
        const bool alone = algorithm.len > 0 || eg_request_header(rq, "x-ms-encryption-key-sha256").len > 0;
        return alone ? bad(rq, "x-ms-encryption-key", "is missing") : EG_OK;
    }
    if (!eg_str_eq(algorithm, EG_LIT("AES256"))) {
        return bad(rq, "x-ms-encryption-algorithm", "is not AES256");
    }
    uint8_t raw[EG_CUSTOMER_KEY_LEN];
    size_t n = 0;
    const bool good = eg_unbase64(text, raw, sizeof raw, &n) == EG_OK && n == sizeof raw;
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = good ? eg_secret_new(raw, sizeof raw) : NULL;
    eg_cleanse(raw, sizeof raw);
    if (!good) {
        return bad(rq, "x-ms-encryption-key", "is not the base64 of 256 bits");
    }
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(check_digest(rq, key));
    *ret = key;
    key = NULL;
    return EG_OK;
}

eg_err eg_encryption_context(eg_request *rq, eg_inode *made) {
    const eg_str v = eg_request_header(rq, "x-ms-encryption-context");
    if (v.len > EG_ENCRYPTION_CONTEXT_MAX) {
        return bad(rq, "x-ms-encryption-context", "is longer than 1024 bytes");
    }
    made->attr[EG_ATTR_ENCRYPTION_CONTEXT] = eg_str_bytes(v);
    return EG_OK;
}

eg_err eg_encryption_problem(eg_request *rq, eg_err e) {
    switch (e) {
    case EG_ERR_CUSTOMER_KEY_MISSING:
        return eg_fail(&rq->problem, e, "The blob is encrypted with customer specified encryption, but it was not provided in the request.");
    case EG_ERR_CUSTOMER_KEY_MISMATCH:
        return eg_fail(&rq->problem, e, "The given customer specified encryption does not match the encryption used to encrypt the blob.");
    case EG_ERR_CUSTOMER_KEY_UNUSED:
        return eg_fail(&rq->problem, e, "The blob is not encrypted with customer specified encryption, but one was provided in the request.");
    case EG_ERR_SCOPE_NOT_FOUND:
        return eg_fail(&rq->problem, e, "The account has no such encryption scope.");
    case EG_ERR_SCOPE_DISABLED:
        return eg_fail(&rq->problem, e, "The encryption scope is disabled.");
    case EG_ERR_SCOPE_OVERRIDE:
        return eg_fail(&rq->problem, e, "The request is forbidden by the container encryption policy.");
    default:
        return e;
    }
}

eg_err eg_encryption_check(eg_request *rq, eg_inode *i, const eg_secret *key) {
    if (i->kind != EG_KIND_FILE) {
        return EG_OK;
    }
    i->customer_key = key;
    return eg_encryption_problem(rq, eg_file_key_check_customer(i));
}

/* The attribute of a root directory: the name, after '!' when no other may be asked for. */
eg_str eg_encryption_default(const eg_inode *root, bool *ret_deny) {
    eg_str v = eg_bytes_str(root->attr[EG_ATTR_ENCRYPTION_SCOPE]);
    *ret_deny = v.len > 0 && v.ptr[0] == '!';
    return *ret_deny ? (eg_str){v.ptr + 1, v.len - 1} : v;
}

/* The root directory's inode, its attributes in the request's arena. */
static eg_err find_root(eg_request *rq, const eg_target *d, eg_inode *ret) {
    /* What a container says of new files is no secret to who may make them: that is asked where they are made. */
    const eg_change where = {.account = d->account, .grant = &eg_grant_all, .container = d->container, .path = EG_LIT("")};
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    eg_place place;
    eg_inode root;
    EG_TRY(eg_path_find(t, &where, &place, &root, &rq->problem));
    EG_TRY(eg_ns_inode_keep(&root, rq->arena));
    *ret = root;
    return EG_OK;
}

/* The record names the definition that refused. */
static eg_err denied_by(eg_request *rq, const eg_compliance_found *found, eg_err e) {
    if (e == EG_ERR_DISALLOWED_POLICY) {
        _Static_assert(sizeof rq->decided_by == sizeof found->denied_by, "both hold a rule's name");
        memcpy(rq->decided_by, found->denied_by, sizeof rq->decided_by);
    }
    return e;
}

eg_err eg_encryption_may_seal(eg_request *rq, const eg_target *d, const eg_inode *i) {
    const eg_str name = eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_SCOPE]);
    eg_compliance_found found;
    eg_scope x;
    if (name.len == 0 || !d->store->comply.check) {
        return EG_OK;
    }
    const eg_err e = eg_scope_use(d->store, d->account, name, &x);
    return e != EG_OK ? eg_encryption_problem(rq, e) : denied_by(rq, &found, eg_scope_comply(d->store, d->account, &x, &found, &rq->problem));
}

eg_err eg_encryption_scope(eg_request *rq, const eg_target *d, eg_inode *made) {
    const eg_str asked = eg_request_header(rq, "x-ms-encryption-scope");
    eg_inode root;
    bool deny = false;
    EG_TRY(find_root(rq, d, &root));
    const eg_str dflt = eg_encryption_default(&root, &deny);
    if (asked.len > 0 && made->customer_key) {
        return bad(rq, "x-ms-encryption-scope", "can't be together with a key");
    }
    if (deny && (made->customer_key || (asked.len > 0 && !eg_str_eq(asked, dflt)))) {
        return eg_encryption_problem(rq, EG_ERR_SCOPE_OVERRIDE);
    }
    made->attr[EG_ATTR_ENCRYPTION_SCOPE] = eg_str_bytes(made->customer_key ? EG_LIT("") : asked.len > 0 ? asked : dflt);
    eg_compliance_found found;
    const eg_container_asked c = {d->container, dflt, deny};
    return denied_by(rq, &found, eg_scope_comply_container(d->store, d->account, &c, &found, &rq->problem));
}

/* Of a container that is made. What is found and not refused stands in the record, as Azure has it in the activity log. */
static eg_err comply_container(eg_request *rq, const eg_target *d, const eg_container_asked *c) {
    eg_compliance_found found;
    EG_TRY(denied_by(rq, &found, eg_scope_comply_container(d->store, d->account, c, &found, &rq->problem)));
    if (found.audited_by[0] && !rq->record_details) {
        rq->record_details = json_pack("{s:s}", "policyAudit", found.audited_by);
        return rq->record_details ? EG_OK : EG_ERR_NO_MEMORY;
    }
    return EG_OK;
}

eg_err eg_encryption_container(eg_request *rq, const eg_target *d, eg_bytes *ret) {
    const eg_str scope = eg_request_header(rq, "x-ms-default-encryption-scope");
    const eg_str deny = eg_request_header(rq, "x-ms-deny-encryption-scope-override");
    eg_scope x;
    *ret = (eg_bytes){NULL, 0};
    if (deny.len > 0 && !eg_str_ieq(deny, EG_LIT("true")) && !eg_str_ieq(deny, EG_LIT("false"))) {
        return bad(rq, "x-ms-deny-encryption-scope-override", "is neither true nor false");
    }
    const eg_container_asked made = {d->container, scope, eg_str_ieq(deny, EG_LIT("true"))};
    if (scope.len == 0) {
        return deny.len > 0 ? bad(rq, "x-ms-default-encryption-scope", "is missing") : comply_container(rq, d, &made);
    }
    const eg_err e = eg_scope_use(d->store, d->account, scope, &x);
    if (e != EG_OK) {
        return eg_encryption_problem(rq, e);
    }
    EG_TRY(comply_container(rq, d, &made));
    eg_compliance_found found;
    EG_TRY(denied_by(rq, &found, eg_scope_comply(d->store, d->account, &x, &found, &rq->problem)));
    const eg_str text = eg_arena_printf(rq->arena, "%s%.*s", made.deny ? "!" : "", EG_FMT(scope));
    *ret = eg_str_bytes(text);
    return text.ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_encryption_describe_container(eg_request *rq, const eg_inode *root) {
    bool deny = false;
    const eg_str scope = eg_encryption_default(root, &deny);
    if (scope.len == 0) { /* Azure's name for the account's own key */
        EG_TRY(eg_response_header(rq, "x-ms-default-encryption-scope", "$account-encryption-key"));
    } else {
        EG_TRY(eg_response_header(rq, "x-ms-default-encryption-scope", "%.*s", EG_FMT(scope)));
    }
    return eg_response_header(rq, "x-ms-deny-encryption-scope-override", "%s", deny ? "true" : "false");
}

eg_err eg_encryption_make(eg_request *rq, const eg_target *d, eg_file_key_plan *plan, eg_inode *made, eg_secret **ret_customer) {
    EG_TRY(eg_encryption_customer_key(rq, ret_customer));
    made->customer_key = *ret_customer;
    EG_TRY(eg_encryption_context(rq, made));
    EG_TRY(eg_encryption_scope(rq, d, made));
    EG_TRY(eg_encryption_may_seal(rq, d, made));
    return eg_encryption_problem(rq, eg_file_key_make(d->store, d->account, plan, made));
}

eg_err eg_encryption_require(eg_request *rq, const eg_inode *i) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    eg_inode copy = *i;
    EG_TRY(eg_encryption_customer_key(rq, &key));
    return eg_encryption_check(rq, &copy, key);
}

eg_err eg_encryption_echo(eg_request *rq, const eg_inode *i) {
    const eg_bytes digest = i->attr[EG_ATTR_CUSTOMER_KEY];
    const eg_str scope = eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_SCOPE]);
    if (i->kind == EG_KIND_FILE && scope.len > 0) {
        EG_TRY(eg_response_header(rq, "x-ms-encryption-scope", "%.*s", EG_FMT(scope)));
    }
    if (digest.len == 0) {
        return EG_OK;
    }
    eg_buf text;
    eg_buf_init(&text, 64);
    eg_err e = eg_base64(digest, &text);
    if (e == EG_OK) {
        e = eg_response_header(rq, "x-ms-encryption-key-sha256", "%.*s", EG_FMT(eg_buf_str(&text)));
    }
    eg_buf_done(&text);
    return e;
}

eg_err eg_encryption_describe(eg_request *rq, const eg_inode *i) {
    const eg_str context = eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_CONTEXT]);
    EG_TRY(eg_response_header(rq, "x-ms-server-encrypted", "true"));
    EG_TRY(eg_encryption_echo(rq, i));
    return context.len > 0 ? eg_response_header(rq, "x-ms-encryption-context", "%.*s", EG_FMT(context)) : EG_OK;
}
