/* The times of a token: when it expires, from when it is good, when it was issued. */
#include "claim_check.h"

eg_err eg_claim_check_exp(eg_claim_check *c, eg_problem *p) {
    int64_t exp = 0;
    if (!eg_claim_date(json_object_get(c->claims, "exp"), &exp)) {
        return eg_claim_refuse(p, "exp", "is missing or no time");
    }
    if (c->now_s >= exp + c->skew_s) {
        return eg_fail(p, EG_ERR_TOKEN_EXPIRED, "The token has expired.");
    }
    c->who->expires_s = exp;
    c->out->good_until_s = exp + c->skew_s;
    return EG_OK;
}

eg_err eg_claim_check_nbf(eg_claim_check *c, eg_problem *p) {
    const json_t *v = json_object_get(c->claims, "nbf");
    int64_t nbf = 0;
    if (v && !eg_claim_date(v, &nbf)) {
        return eg_claim_refuse(p, "nbf", "is no time");
    }
    c->out->good_from_s = v ? nbf - c->skew_s : INT64_MIN;
    return nbf <= c->now_s + c->skew_s ? EG_OK : eg_fail(p, EG_ERR_TOKEN_NOT_YET, "The token is not valid yet.");
}

/* Without a time of issue nobody could say "all that was issued until now", and what lived longer than a revocation is kept would rise again. */
eg_err eg_claim_check_iat(eg_claim_check *c, eg_problem *p) {
    int64_t iat = 0;
    if (!eg_claim_date(json_object_get(c->claims, "iat"), &iat)) {
        return eg_claim_refuse(p, "iat", "is missing or no time");
    }
    if (c->who->expires_s - iat > EG_TOKEN_LIFE_MAX_S) {
        return eg_claim_refuse(p, "exp", "gives it a longer life than the 7 days that are accepted");
    }
    c->out->issued_s = iat;
    c->who->issued_s = iat;
    if (iat - c->skew_s > c->out->good_from_s) {
        c->out->good_from_s = iat - c->skew_s;
    }
    return iat <= c->now_s + c->skew_s ? EG_OK : eg_fail(p, EG_ERR_TOKEN_NOT_YET, "The token was issued in the future.");
}
