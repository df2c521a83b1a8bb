/* What stands for lib/tls where the library is built without it. */
#include "net/tls_hooks-private.h"

const struct vetch__tls_hooks *const vetch__tls_hooks = NULL;
