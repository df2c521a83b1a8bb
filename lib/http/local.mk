libvetch_private_la_SOURCES +=
