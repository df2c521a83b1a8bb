/* Errors that exist before they are needed: immortal, shared, never NULL. */
#ifndef VETCH_ERROR_PRIVATE_H
#define VETCH_ERROR_PRIVATE_H

#include <vetch/error.h>

vetch_error *vetch__error_no_memory(void); /* VETCH_ENOMEM */
vetch_error *vetch__error_canceled(void);  /* VETCH_ECANCELED */
vetch_error *vetch__error_closed(void); /* VETCH_ECLOSED: the reactor ended */

#endif
