/* The body of Put Block List: what is taken in which order, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block_list_xml.h"

#include <stdio.h>

static eg_err add(void *ctx, eg_block_where where, eg_bytes id) {
    char *out = ctx;
    snprintf(out + strlen(out), 200 - strlen(out), "%d:%.*s ", (int)where, (int)id.len, (const char *)id.ptr);
    return id.len == 4 && memcmp(id.ptr, "stop", 4) == 0 ? EG_ERR_BLOCK_COUNT : EG_OK;
}

static void documents(void **state) {
    (void)state;
    const struct {
        const char *text;
        eg_err owed;
        const char *got;
    } cases[] = {
        {"<BlockList><Latest>YQ==</Latest></BlockList>", EG_OK, "3:a "},
        {"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\n<BlockList>\n <Latest>YQ==</Latest>\r\n\t<Committed> Yg== </Committed><Uncommitted>Yw==</Uncommitted>\n</BlockList>\n",
            EG_OK, "3:a 1:b 2:c "},
        {"<BlockList />", EG_OK, ""},
        {"<BlockList></BlockList>", EG_OK, ""},
        {"<BlockList xmlns=\"x\"><Latest>YQ==</Latest></BlockList>", EG_OK, "3:a "},
        {"<BlockList><Latest>c3RvcA==</Latest><Latest>YQ==</Latest></BlockList>", EG_ERR_BLOCK_COUNT, "3:stop "},
        {"<BlockList><Latest>***</Latest></BlockList>", EG_ERR_BLOCK_ID, ""},
        {"<BlockList><Latest></Latest></BlockList>", EG_ERR_BLOCK_ID, ""},
        {"<BlockList><Latest>QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB</Latest></BlockList>", EG_ERR_BLOCK_ID, ""},
        {"", EG_ERR_BODY_XML, ""},
        {"<BlockList>", EG_ERR_BODY_XML, ""},
        {"<BlockList", EG_ERR_BODY_XML, ""},
        {"<BlockLists></BlockLists>", EG_ERR_BODY_XML, ""},
        {"<BlockList><Latest>YQ==</Committed></BlockList>", EG_ERR_BODY_XML, ""},
        {"<BlockList><Latest>YQ==", EG_ERR_BODY_XML, ""},
        {"<BlockList><Other>YQ==</Other></BlockList>", EG_ERR_BODY_XML, ""},
        {"<BlockList></BlockList><BlockList></BlockList>", EG_ERR_BODY_XML, ""},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]><BlockList></BlockList>", EG_ERR_BODY_XML, ""},
        {"<?xml <BlockList></BlockList>", EG_ERR_BODY_XML, ""},
        {"<BlockList a=<></BlockList>", EG_ERR_BODY_XML, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[200] = "";
        const eg_err e = eg_block_list_parse(eg_str_of(cases[i].text), add, got);
        if (e != cases[i].owed || strcmp(got, cases[i].got) != 0) {
            fail_msg("case %zu: %s, \"%s\"", i, eg_err_code(e), got);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(documents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
