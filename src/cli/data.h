/* The parts of `percept data` that have files of their own. argv[0] is the part's name. */
#ifndef PC_CLI_DATA_H
#define PC_CLI_DATA_H

#include "base/status.h"

pc_status pc_data_check(int argc, char **argv);
pc_status pc_data_show(int argc, char **argv);
pc_status pc_data_mistakes(int argc, char **argv);
pc_status pc_data_clean(int argc, char **argv);
pc_status pc_data_adapt(int argc, char **argv);
pc_status pc_data_measure(int argc, char **argv);
pc_status pc_data_self_instruct(int argc, char **argv);
pc_status pc_data_translate(int argc, char **argv);
pc_status pc_data_answers(int argc, char **argv);
pc_status pc_data_judge(int argc, char **argv);

#endif
