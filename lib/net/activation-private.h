/* Descriptors that systemd, or whoever speaks its protocol, has opened for this
 * process: sd_listen_fds(3) tells the same. */
#ifndef VETCH_ACTIVATION_PRIVATE_H
#define VETCH_ACTIVATION_PRIVATE_H

/* Take the next descriptor of this name that nobody has. -1 and errno: ENOENT,
 * there is none of that name; EBUSY, all are taken; ENOMEM. Any thread. */
int vetch__activation_take(const char *name);
/* It could not be used; others may have it. */
void vetch__activation_give_back(int fd);

#endif
