/* Every command, in the order of `percept --help`. */
PC_COMMAND(version)
PC_COMMAND(run)
PC_COMMAND(data)
PC_COMMAND(image)
PC_COMMAND(tokenize)
PC_COMMAND(tokenizer)
PC_COMMAND(trace)
