/* The audience of a token: what it opens here, and for which client of ours it was issued. */
#include "claim_check.h"

#include <string.h>

#define AUDIENCES_MAX 16

static bool same_url(eg_str a, const char *url) {
    eg_str b = eg_str_of(url);
    if (a.len > 0 && a.ptr[a.len - 1] == '/') {
        a.len--;
    }
    if (b.len > 0 && b.ptr[b.len - 1] == '/') {
        b.len--;
    }
    return b.len > 0 && eg_str_eq(a, b);
}

eg_audience eg_claims_audience(eg_str aud, const char *public_url) {
    static const struct {
        const char *url;
        eg_audience audience;
    } known[] = {
        {"https://storage.azure.com", EG_AUDIENCE_STORAGE},
        {"https://management.azure.com", EG_AUDIENCE_GATEWAY},
        {"https://management.core.windows.net", EG_AUDIENCE_GATEWAY},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (same_url(aud, known[i].url)) {
            return known[i].audience;
        }
    }
    return public_url && same_url(aud, public_url) ? EG_AUDIENCE_GATEWAY : EG_AUDIENCE_NONE;
}

/* "api://{client id}" of our own issuer, as Entra has it for an application without another address. */
static bool own_client(eg_claim_check *c, eg_str aud) {
    const eg_str scheme = EG_LIT("api://");
    return eg_str_starts(aud, "api://") && eg_claim_guid((eg_str){aud.ptr + scheme.len, aud.len - scheme.len}, c->who->for_client);
}

/* An audience that the configuration gives to one of our clients: the first that fits. */
static bool mapped_client(eg_claim_check *c, eg_str aud) {
    const char *const *rows = c->rules->outside ? c->rules->outside->client_audiences : NULL;
    for (; rows && *rows && c->who->for_client[0] == '\0'; rows++) {
        const char *cut = strrchr(*rows, '=');
        if (cut && eg_str_eq(aud, (eg_str){*rows, (size_t)(cut - *rows)}) && eg_claim_guid(eg_str_of(cut + 1), c->who->for_client)) {
            return true;
        }
    }
    return false;
}

/* What an outside issuer's audience opens: one of Azure's own names opens what it names, a name of the gateway's application both. */
static unsigned outside_audience(eg_claim_check *c, eg_str aud) {
    if (mapped_client(c, aud)) {
        return EG_AUDIENCE_BIT(EG_AUDIENCE_CLIENT);
    }
    for (const char *const *a = c->rules->audiences; a && *a; a++) {
        if (eg_str_is(aud, *a)) {
            eg_audience known = eg_claims_audience(aud, NULL);
            return known != EG_AUDIENCE_NONE ? EG_AUDIENCE_BIT(known) : EG_AUDIENCE_BIT(EG_AUDIENCE_GATEWAY) | EG_AUDIENCE_BIT(EG_AUDIENCE_STORAGE);
        }
    }
    return 0;
}

/* RFC 7519 section 4.1.3: one string or several; a token of our own has one. */
eg_err eg_claim_check_aud(eg_claim_check *c, eg_problem *p) {
    const json_t *aud = json_object_get(c->claims, "aud");
    unsigned found = 0;
    if (c->rules->own) {
        eg_audience a = eg_claims_audience(eg_claim(c, "aud"), c->rules->public_url);
        a = a == EG_AUDIENCE_NONE && own_client(c, eg_claim(c, "aud")) ? EG_AUDIENCE_CLIENT : a;
        found = a == EG_AUDIENCE_NONE ? 0 : EG_AUDIENCE_BIT(a);
    } else if (json_is_string(aud)) {
        found = outside_audience(c, eg_claim(c, "aud"));
    } else if (json_array_size(aud) <= AUDIENCES_MAX) {
        size_t i;
        const json_t *one;
        json_array_foreach(aud, i, one) {
            if (json_is_string(one)) {
                found |= outside_audience(c, (eg_str){json_string_value(one), json_string_length(one)});
            }
        }
    }
    if (found == 0) {
        return eg_fail(p, EG_ERR_TOKEN_AUDIENCE, "The token was issued for another audience.");
    }
    c->out->audiences = found;
    return EG_OK;
}
