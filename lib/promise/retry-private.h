/* What tests replace in vetch_retry(). */
#ifndef VETCH_RETRY_PRIVATE_H
#define VETCH_RETRY_PRIVATE_H

/* The source of the jitter: from 0 to below 1. */
extern double (*vetch__retry_random)(void);

#endif
