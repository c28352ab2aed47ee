/* A stop flag that SIGINT and SIGTERM set; long work polls it. The second signal ends the process at once. */
#ifndef PC_BASE_SIGNAL_H
#define PC_BASE_SIGNAL_H

void pc_signal_install(void); /* called by the program, not by the library */
int pc_signal_pending(void);  /* 0, or the number of the signal that asked to stop */
void pc_signal_reset(void);

#endif
