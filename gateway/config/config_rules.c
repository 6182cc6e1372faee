/* The rules of the configuration that concern more than one value. */
#include "config_load.h"

#include "config_check.h"

static const char *text_at(const void *entry, const eg_config_row *row) {
    const char *text = NULL;
    memcpy(&text, (const char *)entry + row->offset, sizeof text);
    return text;
}

static bool known_tenant(const eg_config *c, const char *id) {
    for (size_t i = 0; i < c->tenant_count; i++) {
        if (eg_str_ieq(eg_str_of(c->tenants[i].id), eg_str_of(id))) {
            return true;
        }
    }
    return false;
}

static eg_err check_entry(const eg_config_source *s, size_t section, const char *entries, size_t index) {
    const eg_config_section *sec = &eg_config_sections[section];
    const char *entry = entries + index * sec->size;
    for (size_t r = 0; r < sec->row_count; r++) {
        const eg_config_row *row = &sec->rows[r];
        size_t line = s->lines[section][index * sec->row_count + r];
        if (row->is_tenant && !known_tenant(s->config, text_at(entry, row))) {
            return eg_config_fail(s, line, "%s[%zu].%s: expected the id of an entry of tenants, found \"%s\".", sec->name, index, row->key,
                                  text_at(entry, row));
        }
        for (size_t k = 0; row->unique && k < index; k++) {
            const char *other = text_at(entries + k * sec->size, row);
            if (eg_str_ieq(eg_str_of(other), eg_str_of(text_at(entry, row)))) {
                return eg_config_fail(s, line, "%s[%zu].%s: \"%s\" is that of %s[%zu] already.", sec->name, index, row->key, other, sec->name, k);
            }
        }
    }
    return EG_OK;
}

static eg_err check_section(const eg_config_source *s, size_t section) {
    const eg_config_section *sec = &eg_config_sections[section];
    const char *entries = NULL;
    size_t count = 0;
    memcpy(&entries, (const char *)s->config + sec->list_offset, sizeof entries);
    memcpy(&count, (const char *)s->config + sec->count_offset, sizeof count);
    for (size_t i = 0; i < count; i++) {
        EG_TRY(check_entry(s, section, entries, i));
    }
    return EG_OK;
}

/* Where an entry of a section ends. */
static size_t entry_line(const eg_config_source *s, const char *section, size_t index) {
    for (size_t i = 0; i < EG_CONFIG_SECTIONS; i++) {
        const eg_config_section *sec = &eg_config_sections[i];
        if (strcmp(sec->name, section) == 0) {
            return s->lines[i][index * sec->row_count + sec->row_count - 1];
        }
    }
    return 1;
}

static size_t account_line(const eg_config_source *s, size_t index) { return entry_line(s, "accounts", index); }

/* Whom a quota is for must be somebody, or it would be believed to bound. What it should have been; NULL = fine. */
static const char *wrong_only(const eg_config *c, const eg_config_quota *q) {
    bool found = q->only[0] == '\0';
    if (strcmp(q->per, "cluster") == 0) {
        for (size_t i = 0; i < c->cluster_count; i++) {
            found = found || strcmp(c->clusters[i].name, q->only) == 0;
        }
        return found ? NULL : "the name of an entry of clusters";
    }
    if (strcmp(q->per, "account") == 0) {
        for (size_t i = 0; i < c->account_count; i++) {
            found = found || strcmp(c->accounts[i].name, q->only) == 0;
        }
        return found ? NULL : "the name of an entry of accounts";
    }
    if (strcmp(q->per, "tenant") == 0) {
        return found || known_tenant(c, q->only) ? NULL : "the id of an entry of tenants";
    }
    return found || eg_config_check_guid.valid(eg_str_of(q->only)) ? NULL : "an object id";
}

static eg_err check_quotas(const eg_config_source *s) {
    for (size_t i = 0; i < s->config->quota_count; i++) {
        const eg_config_quota *q = &s->config->quotas[i];
        const char *wrong = wrong_only(s->config, q);
        if (wrong) {
            return eg_config_fail(s, entry_line(s, "quotas", i), "quotas[%zu].only: expected %s, found \"%s\".", i, wrong, q->only);
        }
        const bool moves = q->requests_per_second || q->kib_in_per_second || q->kib_out_per_second || q->jobs || q->cores || q->memory_mb;
        if (!moves && !q->stored_mib) {
            return eg_config_fail(s, entry_line(s, "quotas", i), "quotas[%zu]: expected at least one bound.", i);
        }
        if (moves && strcmp(q->per, "account") == 0) {
            return eg_config_fail(s, entry_line(s, "quotas", i), "quotas[%zu]: of an account only stored_mib is bounded.", i);
        }
        if (q->stored_mib && strcmp(q->per, "account") != 0 && strcmp(q->per, "tenant") != 0) {
            return eg_config_fail(s, entry_line(s, "quotas", i), "quotas[%zu].stored_mib: expected per: tenant or account, as stored bytes are nobody else's.", i);
        }
    }
    return EG_OK;
}

/* Half of it would look as if groups were asked for. */
static eg_err check_issuers(const eg_config_source *s) {
    for (size_t i = 0; i < s->config->issuer_count; i++) {
        const eg_config_issuer *v = &s->config->issuers[i];
        const int given = (v->graph_url[0] != '\0') + (v->graph_token_url[0] != '\0') + (v->graph_client_id[0] != '\0') + (v->graph_secret_file[0] != '\0');
        if (given != 0 && given != 4) {
            return eg_config_fail(s, entry_line(s, "issuers", i), "issuers[%zu]: expected all of graph_url, graph_token_url, graph_client_id and graph_secret_file, or none.", i);
        }
    }
    return EG_OK;
}

static eg_err check_defaults(const eg_config_source *s) {
    const eg_config *c = s->config;
    bool found = false;
    for (size_t i = 0; i < c->account_count; i++) {
        if (c->accounts[i].is_default && found) {
            return eg_config_fail(s, account_line(s, i), "accounts[%zu].default: another account is the default already; expected at most one.", i);
        }
        if (!c->accounts[i].https_only) {
            return eg_config_fail(s, account_line(s, i), "accounts[%zu].supportsHttpsTrafficOnly: expected true, nothing is served without TLS.", i);
        }
        found = found || c->accounts[i].is_default;
    }
    return EG_OK;
}

eg_err eg_config_check_rules(const eg_config_source *s) {
    const eg_config *c = s->config;
    for (size_t i = 0; i < EG_CONFIG_SECTIONS; i++) {
        if (eg_config_sections[i].list) {
            EG_TRY(check_section(s, i));
        }
    }
    EG_TRY(check_defaults(s));
    EG_TRY(check_quotas(s));
    EG_TRY(check_issuers(s));
    if ((c->tls_certificate[0] == '\0') != (c->tls_key[0] == '\0')) {
        return eg_config_fail(s, 1, "tls.certificate and tls.key: expected both or neither.");
    }
    return EG_OK;
}
