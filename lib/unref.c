/* Which release function belongs to which kind of object. This stands above
 * all layers: it is the one place that knows every kind. */

#include <vetch/types.h>

#include <vetch/buffer.h>
#include <vetch/error.h>

#include "base/check-private.h"
#include "base/object-private.h"

void
vetch_unref(void *object)
{
    struct vetch__object *o = object;

    if (o == NULL)
        return;
    switch (o->type) {
    case VETCH__ERROR:
        vetch_error_unref(object);
        return;
    case VETCH__BYTES:
        vetch_bytes_unref(object);
        return;
    default:
        vetch__misuse("vetch_unref", "the argument is an object of vetch");
    }
}
