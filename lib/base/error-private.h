/* Errors that exist before they are needed: immortal, shared by all threads. */
#ifndef VETCH_ERROR_PRIVATE_H
#define VETCH_ERROR_PRIVATE_H

#include <vetch/error.h>

extern vetch_error vetch__error_no_memory; /* VETCH_ENOMEM */
extern vetch_error vetch__error_canceled;  /* VETCH_ECANCELED */
extern vetch_error vetch__error_closed;    /* VETCH_ECLOSED: reactor ended */
extern vetch_error vetch__error_misuse;    /* VETCH_EMISUSE: not here */
extern vetch_error vetch__error_shared;    /* VETCH_EMISUSE: a shared value */

#endif
