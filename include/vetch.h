/* vetch: everything public.  One header per concept, see vetch(7). */

#ifndef VETCH_H
#define VETCH_H

#include <vetch/export.h>
#include <vetch/version.h>

#endif
