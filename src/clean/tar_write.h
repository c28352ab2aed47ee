/* Members of a tar archive (ustar), as data/tar.h reads them. Nothing of the time or the user stands in it: the same members give the
 * same bytes. Internal to clean/. */
#ifndef PC_CLEAN_TAR_WRITE_H
#define PC_CLEAN_TAR_WRITE_H

#include "clean/output.h"

/* A regular file; its name has at most 99 bytes, it at most 8 GiB. */
pc_status pc_tar_write(pc_output_file *file, const char *name, const void *bytes, size_t size);
/* Two empty blocks. */
pc_status pc_tar_write_end(pc_output_file *file);

#endif
