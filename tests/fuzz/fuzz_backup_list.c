/* Fuzzes eg_backup_list_parse (gateway/backup/backup_list.c) and eg_statement_open (gateway/process/signed_statement.c): what a repository of backups or a certificate says is
 * read or refused, and what was read is written the same way again.
 *
 *   ./dev fuzz backup_list */
#include "backup/backup_list.h"
#include "process/signed_statement.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const eg_str text = {(const char *)data, size};
    eg_backup_list l = {0};
    eg_buf again;
    eg_buf_init(&again, (size_t)1 << 24);
    if (eg_backup_list_parse(text, &l) == EG_OK) {
        eg_backup_list twice = {0};
        require(eg_backup_list_write(&l, &again) == EG_OK && eg_backup_list_parse(eg_buf_str(&again), &twice) == EG_OK && twice.count == l.count);
        eg_backup_list_done(&twice);
        for (size_t i = 0; i < l.count; i++) {
            require(eg_backup_path_ok(eg_str_of(l.files[i].path)));
        }
    }
    eg_backup_list_done(&l);
    eg_buf_done(&again);
    json_t *v = NULL;
    if (eg_statement_open(EG_STATEMENT_BACKUP, text, (eg_str){NULL, 0}, &v, NULL) == EG_OK) {
        require(json_is_object(v));
        json_decref(v);
    }
    return 0;
}
