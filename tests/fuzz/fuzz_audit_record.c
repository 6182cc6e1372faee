/* Fuzzes eg_audit_draft_make and eg_audit_draft_finish with texts from outside (the line is JSON, without controls, and its sealed half
 * opens), and eg_envelope_read, eg_audit_bundle_next, eg_checkpoint_parse, eg_verifier_key_parse and eg_audit_tile_parse with any bytes.
 *
 *   ./dev fuzz audit_record */
#include <embergate/json.h>
#include <stdlib.h>

#include "checkpoint.h"
#include "record.h"
#include "tile_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_line(const eg_envelope *v, bool has_details) {
    static const uint8_t key[32] = {3};
    json_t *record = NULL;
    json_t *secret = NULL;
    for (size_t i = 0; i < v->line.len; i++) {
        must(v->line.ptr[i] >= 0x20 && v->line.ptr[i] != 0x7f);
    }
    must(eg_json_parse(eg_bytes_str(v->line), EG_RECORD_MAX, &record, NULL) == EG_OK);
    if (has_details) {
        must(eg_audit_unseal(record, v->log, (eg_bytes){key, sizeof key}, &secret) == EG_OK);
        json_decref(secret);
    }
    json_decref(record);
}

/* The input is cut into texts at its NUL bytes. */
static void encode(eg_str in) {
    static const uint8_t key[32] = {3};
    eg_str text[9];
    for (size_t i = 0; i < 9; i++) {
        text[i] = in.ptr ? eg_str_cut(&in, '\0') : (eg_str){NULL, 0};
    }
    json_t *details = text[8].len ? json_stringn(text[8].ptr, text[8].len) : NULL;
    const eg_audit_record r = {.tenant = text[0], .event = "fuzz", .outcome = "allowed", .time_ns = 1, .on_behalf_of = text[1], .action = text[2], .resource = text[3],
        .job = text[4], .rule = text[5], .request_id = text[6], .source_address = text[7], .tls = text[0], .details = details};
    eg_audit_draft d;
    eg_buf b;
    eg_envelope v;
    eg_buf_init(&b, EG_ENVELOPE_MAX);
    must(eg_audit_draft_make(&r, NULL, &eg_clock_system, &d) == EG_OK);
    must(eg_audit_draft_finish(&d, (eg_bytes){key, sizeof key}, &b) == EG_OK);
    must(eg_envelope_read(eg_buf_bytes(&b), &v) == EG_OK);
    check_line(&v, details != NULL);
    eg_audit_draft_done(&d);
    eg_buf_done(&b);
    json_decref(details);
}

static void parse(eg_bytes in) {
    eg_envelope v;
    eg_checkpoint c;
    eg_verifier_key k;
    eg_bytes rest = in;
    eg_bytes entry = {NULL, 0};
    unsigned level = 0;
    unsigned width = 0;
    uint64_t index = 0;
    if (eg_envelope_read(in, &v) == EG_OK) {
        must(v.line.len <= in.len && eg_log_id_valid(v.log));
    }
    while (eg_audit_bundle_next(&rest, &entry) == EG_OK) {
        must(entry.ptr + entry.len == rest.ptr);
    }
    if (eg_checkpoint_parse(eg_bytes_str(in), &c) == EG_OK) {
        must(c.body.len + c.signatures.len + 1 == in.len);
    }
    if (eg_verifier_key_parse(eg_bytes_str(in), &k) == EG_OK) {
        must(strlen(k.name) > 0);
    }
    if (eg_audit_tile_parse(eg_bytes_str(in), &level, &index, &width) == EG_OK) {
        must(level <= EG_TILE_ENTRIES && width > 0 && width <= EG_TILE_WIDTH);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    encode((eg_str){(const char *)data, n});
    parse((eg_bytes){data, n});
    return 0;
}
