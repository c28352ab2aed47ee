/* Every optimizer. */
PC_OPTIMIZER(adamw_torch)
PC_OPTIMIZER(sgd)
PC_OPTIMIZER(muon)
