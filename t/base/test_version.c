/* The header, the library and the package say the same version. */

#include "support/harness.h"

#include <stdio.h>
#include <vetch.h>

VT_CASE("basics", vt_tcase);

VT_TEST(version_is_the_package_s)
{
    ck_assert_str_eq(vetch_version(), PACKAGE_VERSION);
    ck_assert_str_eq(VETCH_VERSION, PACKAGE_VERSION);
}

VT_TEST(version_numbers_make_the_string)
{
    char text[64];

    snprintf(text, sizeof(text), "%d.%d.%d", VETCH_VERSION_MAJOR,
             VETCH_VERSION_MINOR, VETCH_VERSION_PATCH);
    ck_assert_str_eq(text, VETCH_VERSION);
}
