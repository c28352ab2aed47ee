/* Every optimizer. */
PC_OPTIMIZER(adamw_torch)
PC_OPTIMIZER(sgd)
