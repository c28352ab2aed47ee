/* Files that come with the program: golden vectors, recipes, tasks. */
#ifndef PC_CLI_SHARE_H
#define PC_CLI_SHARE_H

#include "base/status.h"

/* *out = the path (pc_free) of `installed` below share/percept of the installation that this program runs from, else of
 * `source` below the source tree that it was built in, else NULL. Both are relative. */
pc_status pc_share_find(char **out, const char *installed, const char *source);

#endif
