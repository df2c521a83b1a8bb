/* Which library is running, as opposed to which header was compiled in. */

#include <vetch/version.h>

const char *
vetch_version(void)
{
    return VETCH_VERSION;
}
