/* How SIGINT and SIGTERM reach what waits without a loop. */
#ifndef FLAGS_STOP_H
#define FLAGS_STOP_H

/* From now on SIGINT and SIGTERM end waiting, in every thread, for good. */
void stop_on_signals(void);
/* The signal that came, or 0. */
int stop_signal(void);
/* A descriptor that becomes readable when one comes, and stays so. */
int stop_descriptor(void);

#endif
