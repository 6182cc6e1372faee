/* Checks the names of tiles, and that a client can ask for no other file. */
#include "bench.h"

#include "tile_path.h"

static const struct {
    unsigned level;
    uint64_t index;
    unsigned width;
    const char *path;
} names[] = {
    {0, 0, 256, "tile/0/000"},
    {0, 999, 17, "tile/0/999.p/17"},
    {1, 1000, 256, "tile/1/x001/000"},
    {2, 1234067, 1, "tile/2/x001/x234/067.p/1"},
    {EG_TILE_ENTRIES, 5, 255, "tile/entries/005.p/255"},
    {7, UINT64_C(999999999999999999), 256, "tile/7/x999/x999/x999/x999/x999/999"},
};

static void names_are_as_specified(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[EG_TILE_PATH_LEN];
        unsigned level = 99;
        unsigned width = 0;
        uint64_t index = 0;
        eg_audit_tile_path(names[i].level, names[i].index, names[i].width, path);
        assert_string_equal(path, names[i].path);
        assert_int_equal(eg_audit_tile_parse(eg_str_of(path + 5), &level, &index, &width), EG_OK);
        assert_int_equal(level, names[i].level);
        assert_int_equal(index, names[i].index);
        assert_int_equal(width, names[i].width);
    }
}

static void other_names_are_not_found(void **state) {
    (void)state;
    static const char *const bad[] = {"", "0", "0/", "0/00", "0/0000", "8/000", "00/000", "-1/000", "0/x000/001", "0/001/002", "0/x001", "0/000.p", "0/000.p/", "0/000.p/0",
        "0/000.p/256", "0/000.p/01", "0/000.p/1/2", "entries", "entries/../../vkey", "0/../000", "0/000/", "Entries/000", "0/x001/x002/x003/x004/x005/x006/007", "0/ 00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned level;
        unsigned width;
        uint64_t index;
        assert_int_equal(eg_audit_tile_parse(eg_str_of(bad[i]), &level, &index, &width), EG_ERR_NOT_FOUND);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_as_specified), cmocka_unit_test(other_names_are_not_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
