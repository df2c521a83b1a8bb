/* The header, the library and the package say the same version. */

#include "support/harness.h"

#include <stdio.h>
#include <vetch.h>

START_TEST(version_is_the_package_s)
{
    ck_assert_str_eq(vetch_version(), PACKAGE_VERSION);
    ck_assert_str_eq(VETCH_VERSION, PACKAGE_VERSION);
}
END_TEST

START_TEST(version_numbers_make_the_string)
{
    char text[64];

    snprintf(text, sizeof(text), "%d.%d.%d", VETCH_VERSION_MAJOR,
             VETCH_VERSION_MINOR, VETCH_VERSION_PATCH);
    ck_assert_str_eq(text, VETCH_VERSION);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("version");
    TCase *basics = vt_tcase("basics");

    tcase_add_test(basics, version_is_the_package_s);
    tcase_add_test(basics, version_numbers_make_the_string);
    suite_add_tcase(suite, basics);
    return vt_main(suite);
}
